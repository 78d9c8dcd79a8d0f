"""The configuration `index`: all columns of `default` except images, and each row's shard.

It is for filtering and inspection, with a few hundred bytes per row. Each shard writes its
part while it is built; the parts are joined at the end, so nothing is read twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from mico_150k.builders.default import Default
from mico_150k.core.columns import Column, Columns, ColumnType, arrow_schema
from mico_150k.core.sample import Sample
from mico_150k.dataset.records import FileRecord
from mico_150k.dataset.row_group import RowGroup
from mico_150k.io.arrow import array_of
from mico_150k.io.files import sha256, written_whole
from mico_150k.io.parquet import text_writer

_OF_SAMPLES: Columns = {
    name: column for name, column in Default.columns.items() if not column.type.holds_images
}
INDEX_COLUMNS: Columns = {
    **_OF_SAMPLES,
    "shard": Column(ColumnType.INTEGER),
    "row": Column(ColumnType.INTEGER),
    "overlap": Column(ColumnType.TEXT),
}
"""`shard` is the number in the file's name, `row` the place in that file, from 0. `overlap` is
empty but where `--bench … --mark` has found the row in a benchmark: the case, and how."""

ROW_GROUP_ROWS = 10_000


SAME_OUTPUT = "same output"
SAME_INPUTS = "same inputs"
NEAR_OUTPUT = "near output"
NEAR_INPUTS = "near inputs"
OVERLAP_KINDS = (SAME_OUTPUT, SAME_INPUTS, NEAR_OUTPUT, NEAR_INPUTS)


class IndexPart:
    """The index of one shard, in memory until the shard is finished: some 600 bytes a row."""

    def __init__(self, path: Path, shard: int) -> None:
        """`path` is where the part will lie."""
        self._path = path
        self._shard = shard
        self._tables: list[pa.Table] = []
        self._rows = 0

    def add(self, samples: Sequence[Sample]) -> None:
        """Append one row group's rows."""
        columns = RowGroup(samples).table(_OF_SAMPLES).columns
        places = range(self._rows, self._rows + len(samples))
        shard = array_of([self._shard] * len(samples), pa.int32())
        row = array_of(places, pa.int32())
        schema = arrow_schema(INDEX_COLUMNS)
        overlap = array_of([""] * len(samples), pa.string())
        self._tables.append(pa.Table.from_arrays([*columns, shard, row, overlap], schema=schema))
        self._rows += len(samples)

    def finish(self) -> FileRecord:
        """Write the part."""
        table = pa.concat_tables([_no_rows(), *self._tables])
        with written_whole(self._path) as temporary:
            pq.write_table(table, temporary)
            return _record(temporary, table.num_rows, 1, table.nbytes)


def join_index(parts: Iterable[Path], path: Path) -> FileRecord:
    """Join the parts, which come in the order of the shards, to one file."""
    return write_index((pq.ParquetFile(part).read() for part in parts), path)


def write_index(tables: Iterable[pa.Table], path: Path) -> FileRecord:
    """Write the rows of these tables, in their order, as one file."""
    rows = row_groups = arrow_bytes = 0
    with written_whole(path) as temporary:
        with text_writer(temporary, arrow_schema(INDEX_COLUMNS)) as writer:
            for table in _regrouped(tables):
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                rows += table.num_rows
                row_groups += 1
                arrow_bytes += table.nbytes
        return _record(temporary, rows, row_groups, arrow_bytes)


def _record(path: Path, rows: int, row_groups: int, arrow_bytes: int) -> FileRecord:
    return FileRecord(path.stat().st_size, sha256(path), rows, row_groups, arrow_bytes)


def _regrouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROW_GROUP_ROWS`, the last one shorter."""
    waiting = _no_rows()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= ROW_GROUP_ROWS:
            yield waiting.slice(0, ROW_GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(ROW_GROUP_ROWS)
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _no_rows() -> pa.Table:
    return pa.Table.from_batches([], arrow_schema(INDEX_COLUMNS))


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Repeated images and rows, by digests.

    `images` counts all occurrences, `unique_images` different images, `shared_images` those
    that occur more than once, `identical_rows` rows that repeat an earlier row's
    images, in order, and instruction.
    """

    images: int
    unique_images: int
    shared_images: int
    identical_rows: int


class Repeats:
    """Counts the same of samples as they come, before there is an index; 100 bytes an image."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._uses: Counter[str] = Counter()
        self._different_rows: set[bytes] = set()
        self._rows = 0

    def add(self, sample: Sample) -> None:
        """Count one."""
        self._rows += 1
        self._uses.update(sample.digests)
        words = " ".join([*sample.digests, sample.instruction]).encode()
        self._different_rows.add(xxhash.xxh3_128_digest(words))

    def count(self) -> Duplicates:
        """What has come more than once."""
        return Duplicates(
            images=self._uses.total(),
            unique_images=len(self._uses),
            shared_images=sum(uses > 1 for uses in self._uses.values()),
            identical_rows=self._rows - len(self._different_rows),
        )


def count_duplicates(*indexes: Path) -> Duplicates:
    """Count over finished indexes, one of each split; reads two of their columns."""
    columns = ["digests", "instruction"]
    table = pa.concat_tables([pq.ParquetFile(index).read(columns) for index in indexes])
    table = table.combine_chunks()
    uses = pc.value_counts(pc.list_flatten(table["digests"]).combine_chunks()).field("counts")
    by_uses = {count["values"]: count["counts"] for count in pc.value_counts(uses).to_pylist()}
    rows = table.num_rows
    spaces = array_of([" "] * rows, pa.string())
    keys = pc.binary_join_element_wise(
        pc.binary_join(table["digests"].combine_chunks(), spaces),
        table["instruction"].combine_chunks(),
        spaces,
    )
    return Duplicates(
        images=sum(times * images for times, images in by_uses.items()),
        unique_images=len(uses),
        shared_images=len(uses) - by_uses.get(1, 0),
        identical_rows=rows - pc.count_distinct(keys).as_py(),
    )
