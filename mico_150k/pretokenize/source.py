"""What there is to encode: records, and the pictures that they name.

From what `mico export dimoo` writes (a JSON of paths), or straight from a dataset folder. Of a
picture no more is read here than its header, and not even that where a dataset's index tells.
"""

import json
import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mico_150k import names
from mico_150k.builders import BUILDERS
from mico_150k.dataset_folder import DatasetFolder, read_rows
from mico_150k.errors import BrokenFile, EmptySource, SourceNotFound, UnusableImage
from mico_150k.images.header import Verify
from mico_150k.images.probe import probe
from mico_150k.reason import Reason

EXPORT = "dimoo-mico.json"
"""The file of an export that names its records."""
_PROBES = 16  # threads that read headers: they wait for the disk


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A picture that is a file."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class CellPlace:
    """A picture in a dataset's shard: the row in its row group, the image in its row."""

    shard: str
    group: int
    row: int
    image: int

    def __str__(self) -> str:
        return f"{self.shard}, row group {self.group}, row {self.row}, image {self.image + 1}"


Place = FilePlace | CellPlace


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a picture cannot be encoded."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, its sides in pixels as stored, and what it is recognised by if it changes."""

    place: Place
    width: int
    height: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Record:
    """A sample: numbers of its pictures, inputs in order, then the output."""

    id: str
    prompt: str
    pictures: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """How many pictures go in."""
        return len(self.pictures) - 1


@dataclass(frozen=True, slots=True)
class Material:
    """All records, and all pictures in the order of their first use.

    `faults` are pictures that cannot be encoded, by number, and `unusable` records that are
    none, by their place.
    """

    name: str
    records: tuple[Record, ...]
    pictures: tuple[Picture, ...]
    faults: dict[int, Fault]
    unusable: dict[int, Fault]


def open_material(place: Path) -> Material:
    """An export's folder or JSON, or a dataset folder. Raises `SourceError`, `NotADataset`."""
    for manifest in (place / EXPORT, place):
        if manifest.is_file():
            return _open_export(manifest)
    if not place.is_dir():
        msg = f"{place}: no such file or folder."
        raise SourceNotFound(msg)
    if DatasetFolder.is_one(place):
        return _open_dataset(DatasetFolder(place))
    msg = (
        f"{place}: neither an export ({EXPORT}) nor a dataset folder.\n"
        "`mico export dimoo --from DATASET --to DIR` writes the one, `mico build` the other."
    )
    raise EmptySource(msg)


def _open_export(manifest: Path) -> Material:
    numbers: dict[str, int] = {}
    records, unusable = [], {}
    for row, entry in enumerate(_entries(manifest)):
        inputs, output, prompt = (entry.get(key) for key in ("image_path", "edit_path", "prompt"))
        paths = [*([inputs] if isinstance(inputs, str) else inputs or []), output]
        if not all(isinstance(path, str) for path in paths) or not isinstance(prompt, str):
            msg = (
                f"{manifest}, record {row}: image_path must be a list of paths, "
                "edit_path and prompt texts."
            )
            raise BrokenFile(msg)
        if len(paths) == 1:
            unusable[row] = Fault(Reason.NO_INPUTS)
        elif not prompt.strip():
            unusable[row] = Fault(Reason.NO_INSTRUCTION)
        whole = [str(manifest.parent / path) for path in paths]
        pictures = tuple(numbers.setdefault(path, len(numbers)) for path in whole)
        records.append(Record(str(row), prompt, pictures))
    if not records:
        msg = f"{manifest}: no records in it."
        raise EmptySource(msg)
    pictures_, faults = [], {}
    with ThreadPoolExecutor(_PROBES) as pool:
        for number, picture in enumerate(pool.map(_probe_file, numbers)):
            if isinstance(picture, Fault):
                faults[number] = picture
                picture = Picture(FilePlace(""), 1, 1, "")  # noqa: PLW2901 - keeps its number
            pictures_.append(picture)
    return Material(str(manifest), tuple(records), tuple(pictures_), faults, unusable)


def _entries(manifest: Path) -> list[dict[str, Any]]:
    try:
        text = manifest.read_text(encoding="utf-8")
        entries = (
            [json.loads(line) for line in text.splitlines() if line.strip()]
            if manifest.suffix == ".jsonl"
            else json.loads(text)
        )
    except ValueError as error:
        msg = f"{manifest}: not JSON: {error}"
        raise BrokenFile(msg) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"{manifest}: not a list of records such as `mico export dimoo` writes."
        raise BrokenFile(msg)
    return entries


def _probe_file(path: str) -> Picture | Fault:
    try:
        with Path(path).open("rb") as file:
            # Mapped, so that of a megabyte no more than the header's pages are read.
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        return Fault(Reason.FILE_MISSING, path)
    except (OSError, ValueError) as error:  # an empty file, a folder, a path with a NUL
        reason = Reason.EMPTY if "empty file" in str(error) else Reason.FILE_MISSING
        return Fault(reason, f"{path}: {error}")
    try:
        header = probe(data, Verify.HEADER)
    except UnusableImage as error:
        return Fault(error.reason, f"{path}: {error.detail}")
    return Picture(FilePlace(path), header.width, header.height, str(data.nbytes))


@dataclass(frozen=True, slots=True)
class _Facts:
    """A row of a dataset, without its images."""

    id: str
    prompt: str
    digests: list[str]
    widths: list[int]
    heights: list[int]


def _open_dataset(folder: DatasetFolder) -> Material:
    config = names.DEFAULT if folder.files(names.DEFAULT) else "dimoo"
    shards = folder.shards(config)
    numbers: dict[str, int] = {}
    records: list[Record] = []
    pictures: list[Picture] = []
    for shard in shards:
        places = _row_places(shard)
        for row, facts in enumerate(_facts(folder, config, shard)):
            group, place = places[row]
            images = []
            for image, digest in enumerate(facts.digests):
                if digest not in numbers:
                    numbers[digest] = len(numbers)
                    cell = CellPlace(str(shard), group, place, image)
                    sides = facts.widths[image], facts.heights[image]
                    pictures.append(Picture(cell, *sides, digest))
                images.append(numbers[digest])
            records.append(Record(facts.id, facts.prompt, tuple(images)))
    if not records:
        msg = f"{folder.path / config}: no rows in it."
        raise EmptySource(msg)
    return Material(str(folder.path), tuple(records), tuple(pictures), {}, {})


def _row_places(shard: Path) -> list[tuple[int, int]]:
    """Row → its row group, and its place in that."""
    footer = pq.read_metadata(shard)
    return [
        (group, row)
        for group in range(footer.num_row_groups)
        for row in range(footer.row_group(group).num_rows)
    ]


def _facts(folder: DatasetFolder, config: str, shard: Path) -> Iterator[_Facts]:
    """All rows of a shard in order: of the index, of `default`'s own columns, or of the images."""
    if config == names.DEFAULT:
        yield from _table_facts(pq.read_table(shard, columns=_FACTS))
        return
    rows = pq.read_metadata(shard).num_rows
    for index in folder.files(names.INDEX):
        wanted = pc.field("shard") == int(shard.stem.rpartition("-")[2])
        table = pq.read_table(index, columns=[*_FACTS, "row"], filters=wanted)
        if table["row"].to_pylist() == list(range(rows)):
            yield from _table_facts(table)
            return
    for place, row in enumerate(read_rows(shard)):
        try:
            sample = BUILDERS[config].sample(row)
        except UnusableImage as error:
            msg = f"{shard}, row {place}: {error}"
            raise BrokenFile(msg) from error
        yield _Facts(
            f"{shard.stem}/{place}",
            sample.instruction,
            sample.digests,
            sample.widths,
            sample.heights,
        )


_FACTS = ["id", "instruction", "digests", "widths", "heights"]


def _table_facts(table: pa.Table) -> Iterator[_Facts]:
    for values in zip(*(table[name].to_pylist() for name in _FACTS), strict=True):
        yield _Facts(*values)
