"""The configuration `dimoo-codes`: every sample's images as VQ codes, in Parquet.

About a gigabyte where the images are a terabyte. Lists over images: inputs in order, then
the output. What the codes were made with stands in the schema's metadata, with the numbers of
rows and shards: one that is missing is missed.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from mico_150k.core.columns import Column, ColumnType, arrow_schema
from mico_150k.core.errors import BrokenFile, NotADataset
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.dataset.formats import other_format
from mico_150k.io.files import written_whole
from mico_150k.io.json_lines import parse_json
from mico_150k.io.regular import Root

FORMAT = "mico-150k/dimoo-codes/2"
METADATA = b"dimoo_codes"
"""The key in the schema's metadata: JSON with `format`, `rows`, `shards`, `vq_sha256` and what else
decided."""

ROWS_A_SHARD = 20_000
ROWS_A_GROUP = 500


CODES_COLUMNS = {
    "id": Column(ColumnType.TEXT),
    "prompt": Column(ColumnType.TEXT),
    "codes": Column(ColumnType.CODES),
    "columns": Column(ColumnType.INTEGERS),
    "rows": Column(ColumnType.INTEGERS),
    "sizes": Column(ColumnType.INTEGERS),
    "digests": Column(ColumnType.TEXTS),
}
"""`codes` row by row, `columns` and `rows` of their grid, `sizes` the pixels a side of the square
whose area the image has about, `digests` the XXH3-128 of the images that were encoded."""


CODEBOOK = 8192
"""Codes there are; training has that many image tokens."""
Codes = npt.NDArray[np.uint16]
"""Rows × columns."""


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """An image's codes, rows × columns, with the image's size and digest."""

    codes: Codes
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class CodedRow:
    """A sample: inputs in order, then the output."""

    id: str
    prompt: str
    pictures: Sequence[CodedPicture]

    @property
    def grids(self) -> list[tuple[int, int]]:
        """Columns and rows of each image."""
        return [(picture.codes.shape[1], picture.codes.shape[0]) for picture in self.pictures]


def write_codes(
    folder: Path, rows: Iterable[CodedRow], count: int, made_with: dict[str, Any]
) -> None:
    """Write all shards of `count` rows."""
    for path in folder.glob(f"{layout.SPLIT}-*.parquet*"):
        path.unlink()
    shards = -(-count // ROWS_A_SHARD)
    told = {**made_with, "format": FORMAT, "rows": count, "shards": shards}
    schema = _SCHEMA.with_metadata(
        {METADATA: json.dumps(told, sort_keys=True), **(_SCHEMA.metadata or {})}
    )
    iterator = iter(rows)
    for number in range(shards):
        path = folder / layout.shard_name(number)
        of_shard = islice(iterator, ROWS_A_SHARD)
        # Codes are 13 bits: a dictionary packs them so, where plain they would be 32.
        with (
            written_whole(path) as temporary,
            pq.ParquetWriter(
                temporary,
                schema,
                compression="zstd",
                write_page_index=True,
                write_page_checksum=True,
            ) as writer,
        ):
            while batch := list(islice(of_shard, ROWS_A_GROUP)):
                writer.write_table(_table(batch, schema))


def _table(rows: Sequence[CodedRow], schema: pa.Schema) -> pa.Table:
    pictures = [picture for row in rows for picture in row.pictures]
    outer = pa.array(np.cumsum([0, *(len(row.pictures) for row in rows)]), pa.int32())
    inner = pa.array(np.cumsum([0, *(picture.codes.size for picture in pictures)]), pa.int32())
    flat = pa.array(np.concatenate([picture.codes.ravel() for picture in pictures]))
    codes = pa.ListArray.from_arrays(inner, flat, type=schema.field("codes").type.value_type)

    def of_pictures(name: str, values: list[Any]) -> pa.Array:
        kind = schema.field(name).type
        return pa.ListArray.from_arrays(outer, pa.array(values, kind.value_type), type=kind)

    return pa.Table.from_arrays(
        [
            pa.array([row.id for row in rows], pa.string()),
            pa.array([row.prompt for row in rows], pa.string()),
            pa.ListArray.from_arrays(outer, codes, type=schema.field("codes").type),
            of_pictures("columns", [picture.codes.shape[1] for picture in pictures]),
            of_pictures("rows", [picture.codes.shape[0] for picture in pictures]),
            of_pictures("sizes", [picture.size for picture in pictures]),
            of_pictures("digests", [picture.digest for picture in pictures]),
        ],
        schema=schema,
    )


@dataclass(frozen=True, slots=True)
class CodesFolder:
    """A folder of codes, which may come from a stranger and is validated."""

    files: tuple[Path, ...]
    rows: int
    made_with: dict[str, Any]

    @classmethod
    def open(cls, place: Path) -> "CodesFolder":
        """The folder of the shards, or a dataset folder.

        Raises `NotADataset`, `BrokenFile` where not all shards of one set are there, `NotRegular`
        and `OutsideRoot`.
        """
        folder = place / layout.CODES if (place / layout.CODES).is_dir() else place
        files = tuple(sorted(folder.glob(f"{layout.SPLIT}-*.parquet")))
        if not files:
            msg = f"{place} has no {layout.CODES}. `mico pretokenize` writes them."
            raise NotADataset(msg)
        root = Root.at(folder)
        for path in files:
            root.file(path.name)
        told, rows = _told(files[0])
        for path in files[1:]:
            other, more = _told(path)
            rows += more
            if other != told:
                msg = f"{path}: its codes have other settings than those of {files[0]}."
                raise BrokenFile(msg)
        most = min(told["shards"], len(files) + 1)  # the number comes from a stranger
        wanted = {layout.shard_name(number) for number in range(most)}
        if absent := sorted(wanted - {path.name for path in files}):
            msg = f"{folder}: {absent[0]} of {counted(told['shards'], 'shard')} is missing."
            raise BrokenFile(msg)
        if rows != told["rows"]:
            msg = (
                f"{folder}: its shards have {counted(rows, 'row')}, and their metadata says "
                f"{told['rows']:,}."
            )
            raise BrokenFile(msg)
        about_files = {"format", "rows", "shards"}
        made_with = {key: value for key, value in told.items() if key not in about_files}
        return cls(files, rows, made_with)

    def read(self) -> Iterator[CodedRow]:
        """All rows in order. Raises `BrokenFile`, also where two of them contradict each other."""
        seen = _Seen(set(), {})
        for path in self.files:
            for table, first in _groups(path):
                for number, row in enumerate(_rows(table), start=first):
                    if fault := _fault(row) or seen.fault(row):
                        msg = f"{path}, row {number}: {fault}"
                        raise BrokenFile(msg)
                    yield CodedRow(row.id, row.prompt, tuple(_pictures(row)))


def _groups(path: Path) -> Iterator[tuple[pa.Table, int]]:
    """Each row group, and its first row's number."""
    first = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=_SCHEMA.names)
                table.validate(full=True)
                yield table, first
                first += table.num_rows
    except (OSError, pa.ArrowException) as error:
        msg = f"{path} is damaged from row {first}: {error}"
        raise BrokenFile(msg) from error


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    prompt: str
    codes: list[Any]
    columns: list[int]
    rows: list[int]
    sizes: list[int]
    digests: list[str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the rows before have: their ids, and of each image at a size a hash of its codes."""

    ids: set[str]
    codes: dict[tuple[str, int], int]

    def fault(self, row: _Row) -> str:
        """What in a row cannot be beside those before it, "" for nothing."""
        if row.id in self.ids:
            return f"the id {row.id} appears twice"
        self.ids.add(row.id)
        lists = zip(row.codes, row.columns, row.digests, row.sizes, strict=True)
        for codes, columns, digest, size in lists:
            found = xxhash.xxh3_64_intdigest(codes.to_numpy(), seed=columns)
            if self.codes.setdefault((digest, size), found) != found:
                return f"other codes for the image {digest} than in an earlier row"
        return ""


def _rows(table: pa.Table) -> Iterator[_Row]:
    plain = [table[name].to_pylist() for name in _SCHEMA.names if name != "codes"]
    codes = table["codes"].combine_chunks()
    for place, (id_, prompt, *lists) in enumerate(zip(*plain, strict=True)):
        pieces = codes[place].values if codes[place].is_valid else []
        yield _Row(id_, prompt, [piece.values for piece in pieces], *lists)


def _fault(row: _Row) -> str:
    """What is wrong with a row, "" for nothing."""
    lists = (row.columns, row.rows, row.sizes, row.digests)
    if None in (row.id, row.prompt, *lists) or any(None in values for values in lists):
        return "a null instead of a value"
    if {len(values) for values in lists} != {len(row.codes)} or len(row.codes) < _LEAST:
        return "the lists over its images differ in length, or are too short"
    for codes, columns, rows in zip(row.codes, row.columns, row.rows, strict=True):
        if codes is None or codes.null_count:
            return "a null instead of a value"
        if min(columns, rows) < 1 or columns * rows != len(codes):
            return f"{counted(len(codes), 'code')} in a grid of {columns} × {rows}"
        if (largest := codes.to_numpy().max()) >= CODEBOOK:
            return f"the code {largest}, but there are only {CODEBOOK}"
    return ""


def _pictures(row: _Row) -> Iterator[CodedPicture]:
    for place, codes in enumerate(row.codes):
        shape = row.rows[place], row.columns[place]
        yield CodedPicture(codes.to_numpy().reshape(shape), row.sizes[place], row.digests[place])


def _told(path: Path) -> tuple[dict[str, Any], int]:
    """What a shard's metadata tell, and how many rows it has."""
    try:
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
        found = parse_json((schema.metadata or {}).get(METADATA, b"null"))
    except (OSError, ValueError, pa.ArrowException) as error:
        msg = f"{path}: not a Parquet file of codes: {error}"
        raise BrokenFile(msg) from error
    named = found.get("format") if isinstance(found, dict) else None
    if why := other_format(path, named, found, FORMAT):
        msg = f"{why}\nEncode the images again: `mico pretokenize`"
        raise BrokenFile(msg)
    if named != FORMAT:
        msg = f"{path}: this version cannot read this file of {layout.CODES}."
        raise BrokenFile(msg)
    if not schema.equals(_SCHEMA):
        msg = f"{path}: its columns are not those of {layout.CODES}."
        raise BrokenFile(msg)
    if not all(isinstance(found.get(key), int) for key in ("rows", "shards")):
        msg = f"{path}: it does not state the number of rows and shards."
        raise BrokenFile(msg)
    return found, footer.num_rows


_SCHEMA = arrow_schema(CODES_COLUMNS)
_LEAST = 2  # an input and the output
