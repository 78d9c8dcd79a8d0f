"""Reads a dataset: a local folder, on the Hub, or behind any URL that fsspec reads.

The manifest names the files, so nothing is listed. Rows are chosen on `index`, and only the row
groups that hold them are fetched, by byte range.
"""

import shlex
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.builders import BUILDERS
from mico_150k.core.columns import Columns, arrow_schema
from mico_150k.core.errors import BrokenFile, MicoError, NotADataset, UnknownConfig
from mico_150k.core.excerpt import excerpt
from mico_150k.core.faults import Fault, summary
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Image, Missing, Sample
from mico_150k.core.task import Task
from mico_150k.dataset import layout, notebook
from mico_150k.dataset.configurations import CONFIGS
from mico_150k.dataset.folder import WAY_OUT, checked, parse_manifest, why_no_manifest
from mico_150k.dataset.index_rules import index_faults
from mico_150k.dataset.row_group import group_sizes
from mico_150k.io.arrow import array_of
from mico_150k.io.cells import image_cells, image_lists
from mico_150k.io.hub import hub_url, why_unreadable
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import map_ordered, prefetch
from mico_150k.io.regular import SMALL_FILE_BYTES, Root, open_regular, read_small
from mico_150k.io.storage import Storage, local_or_url

REMOTE_GROUPS_AHEAD = 6
"""Row groups that are fetched at once: a network has latency to hide. Each is at most 64 MiB."""

LOCAL_BUFFER = 1 << 18
"""A disk has little latency: one row at a time stays in the processor's cache, and in memory that
is used again, until it is written. A page of images is longer than the buffer, and most of it is
read past it: a larger one copies more, a smaller one is slower from a disk.
"""
MOST_LOCAL_GROUPS = 8
"""Row groups of a local folder that are read at once, on as many cores."""

FOOTERS_KEPT = 32
"""Of files that were read last: rows are chosen by row groups, and then read."""


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """Some rows of one row group: their rows of `index`, and of a configuration, in order."""

    index: pa.Table
    rows: pa.Table


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """An open dataset: a folder with our manifest, and its location.

    The manifest is validated, and the index is validated when it is read.
    """

    storage: Storage
    manifest: dict[str, Any]
    _footers: dict[str, pq.FileMetaData] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _checked: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    @classmethod
    def of_folder(cls, folder: Path, manifest: dict[str, Any]) -> "Dataset":
        """A folder of this machine with a manifest that keeps its rules."""
        return cls(_local(str(folder)), manifest)

    def __repr__(self) -> str:
        """The dataset in one line."""
        return notebook.summary(self)

    def _repr_html_(self) -> str:
        """The dataset with a few rows, as a notebook shows it."""
        return notebook.to_html(self)

    @property
    def location(self) -> str:
        """The location that it was opened by."""
        return self.storage.location

    @property
    def folder(self) -> Path | None:
        """The folder, where it is on this machine."""
        return Path(self.storage.root) if self.storage.is_local else None

    @property
    def configs(self) -> list[str]:
        """The configurations that the manifest names, in the card's order."""
        there = self.manifest["configs"]
        return [config for config in CONFIGS if config in there] + sorted({*there} - {*CONFIGS})

    def files(self, config: str, split: str = layout.SPLIT) -> list[str]:
        """A configuration's shards of one split, in order, relative to the folder.

        Raises `UnknownConfig`.
        """
        if config not in self.manifest["configs"]:
            msg = (
                f"{self.location} has no configuration {config!r}; "
                f"it has {', '.join(self.configs)}."
            )
            raise UnknownConfig(msg)
        found = sorted(self.manifest["configs"][config])
        return [f"{config}/{name}" for name in found if name.startswith(f"{split}-")]

    def index(self, columns: Sequence[str] | None = None, split: str = layout.SPLIT) -> pa.Table:
        """The configuration `index`, or some of its columns.

        Raises `UnknownConfig`, and `BrokenFile` where it is damaged.
        """
        if layout.INDEX in self._checked:
            return self._read_index(split, columns)
        table = self.indexes()[split]
        return table if columns is None else table.select(columns)

    def indexes(self) -> dict[str, pa.Table]:
        """The index of each split that there is. Raises as `index`."""
        splits = [split for split in layout.SPLITS if self.files(layout.INDEX, split)]
        tables = {split: self._read_index(split) for split in splits}
        if layout.INDEX not in self._checked:
            if faults := index_faults(tables, self.manifest):
                msg = f"{self.location}: {summary(faults, WAY_OUT)}"
                raise BrokenFile(msg)
            self._checked.add(layout.INDEX)
        return tables

    def index_faults(self) -> list[Fault]:
        """All that is wrong with the index. Raises `BrokenFile` where it cannot be read."""
        splits = [split for split in layout.SPLITS if self.files(layout.INDEX, split)]
        return index_faults({split: self._read_index(split) for split in splits}, self.manifest)

    def _read_index(self, split: str, columns: Sequence[str] | None = None) -> pa.Table:
        (name,) = self.files(layout.INDEX, split)
        with self._open(name) as file, self._reading(name):
            return self.storage.again(partial(file.read, columns=columns))

    def file(self, name: str) -> Path:
        """The path of a file of a dataset that is here, to link or to read.

        Raises `BrokenFile` where it is missing, `NotRegular` and `OutsideRoot`.
        """
        assert self.folder is not None
        with self._reading(name):
            return Root.at(self.folder).file(name)

    def small_file(self, name: str, most: int = SMALL_FILE_BYTES) -> bytes | None:
        """The first bytes of a small file beside the shards; None where there is none.

        Raises `NotRegular` and `OutsideRoot` for what lies in its place.
        """
        if self.folder is None:
            try:
                return _first_bytes(self.storage, name, most)
            except Exception:  # noqa: BLE001 - each file system says so its own way
                return None
        try:
            with open_regular(Root.at(self.folder).file(name)) as file:
                return file.read(most)
        except OSError:
            return None

    def read(
        self,
        config: str,
        chosen: pa.Table,
        columns: Sequence[str] | None = None,
        split: str = layout.SPLIT,
    ) -> Generator[ChosenRows, None, None]:
        """Yield the chosen rows, a row group at a time; only their row groups are fetched.

        A caller that stops early closes the generator.

        Args:
            config: The configuration to read.
            chosen: Rows of `index`, in its order.
            columns: Columns of the configuration; None for all.
            split: The split of the rows.

        Raises:
            UnknownConfig: The dataset lacks the configuration.
            BrokenFile: A file is damaged.
        """
        self.files(config, split)
        wanted = self._groups(config, chosen, split)
        if self.storage.is_local:
            yield from prefetch(rows for group in wanted for rows in self._scan(group, columns))
        else:
            calls = (partial(self._fetch, group, columns) for group in wanted)
            yield from map_ordered(calls, REMOTE_GROUPS_AHEAD)

    def group_rows(self, config: str, shard: int, row: int, split: str = layout.SPLIT) -> range:
        """The rows of a shard that lie in one row group with one of them. Raises `BrokenFile`."""
        name = f"{config}/{layout.shard_name(shard, split)}"
        start = 0
        for rows in group_sizes(self._footer(name)):
            if row < start + rows:
                return range(start, start + rows)
            start += rows
        raise _no_such_row(name, start, row)

    @property
    def whole_config(self) -> str:
        """The first configuration that has every row with its images."""
        return next((name for name in self.configs if name in BUILDERS), layout.DEFAULT)

    def samples(
        self, chosen: pa.Table, split: str = layout.SPLIT, config: str | None = None
    ) -> Generator[list[Sample], None, None]:
        """Yield the chosen samples with their images, a few at a time; raises as `read` does.

        Args:
            chosen: Rows of `index`, in its order.
            split: The split of the rows.
            config: The configuration to read; by default the first one with all rows. `sample`
                needs its own positions.
        """
        config = config or self.whole_config
        columns = BUILDERS[layout.DEFAULT if config == layout.SAMPLE else config].columns
        images = [name for name, column in columns.items() if column.type.holds_images]
        with closing(self.read(config, chosen, images, split)) as groups:
            for group in groups:
                yield list(_samples(group, columns))

    def sample_groups(self, chosen: pa.Table) -> Iterator[Callable[[], Iterator[list[Sample]]]]:
        """The same, by row groups: each reads its chosen samples in the thread that calls it.

        `groups_at_once` are worth reading beside each other. Raises as `read` does.
        """
        config = self.whole_config
        columns = BUILDERS[config].columns
        images = [name for name, column in columns.items() if column.type.holds_images]
        for group in self._groups(config, chosen, layout.SPLIT):
            yield partial(self._samples_of, group, images, columns)

    @property
    def groups_at_once(self) -> int:
        """As many row groups as hide a network's latency, or as there are cores."""
        return min(max(cores(), 2), MOST_LOCAL_GROUPS) if self.folder else REMOTE_GROUPS_AHEAD

    def _samples_of(
        self, group: "_Group", images: Sequence[str], columns: Columns
    ) -> Iterator[list[Sample]]:
        parts = self._scan(group, images) if self.folder else [self._fetch(group, images)]
        for rows in parts:
            yield list(_samples(rows, columns))

    def _groups(self, config: str, chosen: pa.Table, split: str) -> Iterator["_Group"]:
        """The row groups that hold the chosen rows, with the places of these in them."""
        shards = chosen["shard"].to_pylist()
        rows = chosen["row"].to_pylist()
        at = 0
        while at < len(shards):
            number = shards[at]
            name = f"{config}/{layout.shard_name(number, split)}"
            metadata = self._footer(name)
            start = 0
            for group, size in enumerate(group_sizes(metadata)):
                end = start + size
                first = at
                while at < len(shards) and shards[at] == number and rows[at] < end:
                    at += 1
                if at > first:
                    places = [row - start for row in rows[first:at]]
                    yield _Group(name, metadata, group, places, chosen.slice(first, at - first))
                start = end
            if at < len(shards) and shards[at] == number:
                raise _no_such_row(name, start, int(rows[at]))

    def _scan(
        self, group: "_Group", columns: Sequence[str] | None
    ) -> Generator[ChosenRows, None, None]:
        """The chosen rows of a local row group, one at a time."""
        numbers = {place: number for number, place in enumerate(group.places)}
        with self._open(group.file, group.metadata) as file, self._reading(group.file):
            rows = file.iter_batches(
                1, row_groups=[group.number], columns=columns, use_threads=False
            )
            for place, row in enumerate(rows):
                if place in numbers:
                    chosen = group.chosen.slice(numbers[place], 1)
                    yield ChosenRows(chosen, pa.Table.from_batches([row]))
                if place == group.places[-1]:
                    return

    def _fetch(self, group: "_Group", columns: Sequence[str] | None) -> ChosenRows:
        def read() -> pa.Table:
            with self.storage.parquet(group.file, group.metadata) as file:
                return file.read_row_group(group.number, columns=columns, use_threads=False)

        with self._reading(group.file):
            table = self.storage.again(read)
        if len(group.places) < table.num_rows:
            table = table.take(array_of(group.places, pa.int32()))
        return ChosenRows(group.chosen, table)

    def _footer(self, name: str) -> pq.FileMetaData:
        if name not in self._footers:
            while len(self._footers) >= FOOTERS_KEPT:
                self._footers.pop(next(iter(self._footers)), None)
            with self._open(name) as file:
                self._check_footer(name, file)
                self._footers[name] = file.metadata
        return self._footers[name]

    def _check_footer(self, name: str, file: pq.ParquetFile) -> None:
        """Raise `BrokenFile` where a shard has other columns or rows than it must have."""
        config, _, file_name = name.partition("/")
        known = BUILDERS.get(layout.DEFAULT if config == layout.SAMPLE else config)
        record = self.manifest["configs"][config].get(file_name)
        if known and not file.schema_arrow.equals(arrow_schema(known.columns)):
            what = f"has other columns than {config} has"
        elif record and record["rows"] != file.metadata.num_rows:
            rows = file.metadata.num_rows
            what = f"has {counted(rows, 'row')}, and {layout.MANIFEST} says {record['rows']}"
        else:
            return
        msg = f"{self.location}: {name} {what}.\n{WAY_OUT}"
        raise BrokenFile(msg)

    def _open(self, name: str, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
        with self._reading(name):
            if self.folder is not None:
                self.file(name)
            return self.storage.again(
                partial(self.storage.parquet, name, metadata, local_buffer=LOCAL_BUFFER)
            )

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except MicoError:
            raise
        except Exception as error:  # every file system has its own way to say no
            if self.storage.is_local and not isinstance(error, pa.ArrowException | OSError):
                raise
            if said := why_unreadable(self.location, error):
                raise BrokenFile(said) from error
            msg = (
                f"{self.location}: {name} cannot be read: {excerpt(error)}\n"
                "`mico check` lists the files of a dataset folder that are damaged or missing."
            )
            raise BrokenFile(msg) from error


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group to read, and the places in it of the chosen rows."""

    file: str
    metadata: pq.FileMetaData
    number: int
    places: list[int]
    chosen: pa.Table


def open_dataset(location: str | Path) -> Dataset:
    """Open a dataset.

    Args:
        location: A folder, `USER/NAME` on the Hub (with `@revision`), or a URL. A folder that
            exists goes before a repository of the same name.

    Raises:
        NotADataset: There is no dataset of this format.
    """
    storage = storage_of(location)
    return Dataset(storage, checked(read_manifest(storage), str(location)))


def storage_of(location: str | Path) -> Storage:
    """Where a dataset lies that is named as `open_dataset` takes it; nothing is read."""
    given = str(location)
    if "://" not in given and Path(given).exists():
        storage = _local(given)
    else:
        fs, root = local_or_url(hub_url(given).rstrip("/") or "/")
        storage = Storage(fs, root.rstrip("/") or "/", given)
    return storage


def _local(folder: str) -> Storage:
    fs, root = local_or_url(Path(folder).absolute().as_posix())
    return Storage(fs, root, folder, Root.at(root))


def _samples(group: ChosenRows, columns: Columns) -> Iterator[Sample]:
    """The rows of a group as samples; images are views into its table."""
    cells: dict[str, list[Any]] = {}
    for name in group.rows.column_names:
        column = columns[name]
        read = image_lists if column.type.is_list else image_cells
        # Chunk by chunk, mostly one: combine_chunks copies the images even of a single chunk.
        cells[column.attribute] = [
            cell for chunk in group.rows[name].chunks for cell in read(chunk, _no_path)
        ]
    if "images" not in cells:
        cells["images"] = [
            [*inputs, output]
            for inputs, output in zip(cells["inputs"], cells["output"], strict=True)
        ]
    for row, data in zip(group.index.to_pylist(), cells["images"], strict=True):
        if any(isinstance(view, Missing) for view in data):
            msg = f"{row['id']} has an image without bytes, which no build writes."
            raise BrokenFile(msg)
        if len(data) != len(row["digests"]):
            msg = (
                f"{row['id']} has {counted(len(data), 'image')}, and the index lists "
                f"{len(row['digests'])}.\n"
                f"{WAY_OUT}"
            )
            raise BrokenFile(msg)
        images = tuple(
            Image(view, image_format, width, height, digest, tuple(filter(None, action.split("+"))))
            for view, image_format, width, height, digest, action in zip(
                data, row["formats"], row["widths"], row["heights"], row["digests"],
                row["actions"], strict=True,
            )
        )  # fmt: skip
        yield Sample(
            row["source_id"], Task(row["task"]), row["subtask"], row["instruction"],
            images[:-1], images[-1],
        )  # fmt: skip


def _no_such_row(name: str, rows: int, row: int) -> BrokenFile:
    return BrokenFile(f"{name} has {counted(rows, 'row')}, and the index names row {row} of it.")


def _no_path(path: str) -> Missing:
    return Missing(Reason.FILE_MISSING, path)


def read_manifest(storage: Storage) -> dict[str, Any]:
    """The manifest as it stands there, of this format. Raises `NotADataset`, `OtherFormat`."""
    try:
        if storage.is_local:
            data = read_small(Root.at(storage.root).file(layout.MANIFEST))
        else:
            # Its size may be remembered from before a push: it would be read to where it ended.
            storage.fs.invalidate_cache(storage.path(layout.MANIFEST))
            data = _first_bytes(storage, layout.MANIFEST, SMALL_FILE_BYTES)
    except MicoError:
        raise
    except Exception as error:  # every file system has its own way to say no
        raise NotADataset(_why_no_manifest(storage, error)) from error
    return parse_manifest(data, storage.location)


def _why_no_manifest(storage: Storage, error: Exception) -> str:
    location = storage.location
    if storage.is_local and isinstance(error, OSError):
        return why_no_manifest(Path(storage.root), error, location)
    if said := why_unreadable(location, error):
        return said
    if isinstance(error, FileNotFoundError):
        here = shlex.quote(location)
        return (
            f"{location} has no {layout.MANIFEST}, so it is not a dataset that `mico build` "
            f"has finished.\nIf it is a release: `mico inspect {here}` shows what is in it, and "
            f"`mico build {here}` makes a dataset from it."
        )
    return f"{location}: {layout.MANIFEST} cannot be read: {type(error).__name__}: {error}"


def _first_bytes(storage: Storage, name: str, most: int) -> bytes:
    data: bytes = storage.fs.cat_file(storage.path(name), start=0, end=most)
    return data
