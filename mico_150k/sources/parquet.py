"""Reads Parquet files of any known shape: the release, and BAGEL's own format.

One row group of the release exceeds 5 GB and has images beyond 2 GiB in one nested column, where
`read_row_group`, `pyarrow.dataset` and `load_dataset` give up. Small batches, read forwards
through a buffer, need neither: their cost is the largest pages, which must be held whole.

Peaks of reading one row group of unique images, of 0.51 and 1.61 GB: pyarrow as used here 1.21 and
2.79 GB, datafusion 55 on the larger one 3.42, arro3-io 0.9.1 0.80 and 1.88. That last one needs the
least and is not used: it took 1.4 to 2.3 times as long, and would be a second Parquet library.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.core.errors import BrokenFile, SourceError
from mico_150k.core.pattern import leave_out
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.core.recognize import HEAD_BYTES, PARQUET, describe_file
from mico_150k.core.sample import Missing, Origin, RawSample
from mico_150k.core.task import (
    Task,
    task_by_rule,
    task_by_spelling,
    task_from_spelling,
    unknown_task,
)
from mico_150k.io.cells import NULL, image_cells, image_lists, plain_values
from mico_150k.io.hub import why_unreadable
from mico_150k.io.prefetch import prefetch
from mico_150k.io.storage import Storage
from mico_150k.sources.footer import Footer, content_of, require_plausible
from mico_150k.sources.identity import place_id, source_id, subtask_of
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.leaves import Leaves
from mico_150k.sources.row_images import Found, Named, RowImages
from mico_150k.sources.shape import find_shape, kind_of
from mico_150k.sources.source import OpenedFile, ReadOptions, changed

BATCH_BYTES = 4 << 20
"""Of images in a batch: large enough to spare calls, small enough to stay in the processor's cache
and in reused memory. Measured on images of a megabyte: batches of 16 MiB took 1.5 times as long."""
MOST_BATCH_ROWS = 64
MOST_IDS = 65_536
"""The most rows that are read at once, within `BATCH_BYTES`."""
BATCHES_AHEAD = 4
"""Read beside the rest: whoever examines rows comes for a row group's worth of them at once."""
LOCAL_BUFFER = 1 << 20
REMOTE_BUFFER = 8 << 20
"""The bytes of one read of a column chunk; over a network each read is a request."""
FOOTER_THREADS = 16


@dataclass(frozen=True, slots=True)
class ParquetSourceFile(OpenedFile):
    """One Parquet file with a known shape."""

    footer: Footer
    task: Task | None
    task_column: str | None

    @property
    def mtime_token(self) -> str:
        """The file's token, combined with that of the images it names."""
        return self.state + self.footer.path_mtime_token

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.footer.rows

    @property
    def image_bytes(self) -> int:
        """The decompressed bytes of all its images."""
        return self.footer.image_bytes

    @property
    def content_hash(self) -> str:
        """A digest of the footer."""
        return self.footer.content_hash

    @property
    def memory(self) -> int:
        """The most bytes that reading holds: the pages of one row group, and some batches."""
        batch = min(BATCH_BYTES, self.image_bytes)
        return self.footer.page_memory + (1 + BATCHES_AHEAD) * batch

    def identities(self) -> Iterator[tuple[Task, str]]:
        """Yield each row's task and source id, from their columns alone."""
        columns = [name for name in (self.shape.id, self.task_column) if name]
        if not columns:
            for row in range(self.rows):
                yield self._task(None), place_id(self.name, row)
            return
        row = 0
        names = list(dict.fromkeys(columns))
        with self._open() as file, self._damage(f"column {' and '.join(columns)}"):
            size = self._batch_rows(sum(self.footer.text_bytes), self.rows, MOST_IDS)
            for batch in file.iter_batches(size, columns=names, use_threads=False):
                for values in _rows(batch.select(names)):
                    yield self._identity(row, values)
                    row += 1
        self.require_unchanged()

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        """Yield the rows from `start` on; earlier row groups are not read."""
        row = 0
        images = RowImages(self.paths, self.footer.images)
        with self.storage.losses(self.name):
            identity = self.storage.identity(self.name)
        with self._open() as file:
            for group, rows in enumerate(self.footer.row_groups):
                if not rows or row + rows <= start:
                    row += rows
                    continue
                batches = self._batches(file, group)
                with closing(prefetch(batches, BATCHES_AHEAD) if ahead else batches) as ready:
                    for batch in ready:
                        skipped = max(0, min(start - row, batch.num_rows))
                        yield from self._samples(batch.slice(skipped), row + skipped, images)
                        row += batch.num_rows
            self.require_unchanged()
            with self.storage.losses(self.name):
                if self.storage.identity(self.name) != identity:
                    raise changed(self.name, self.storage)

    def describe(self) -> dict[str, Any]:
        """Return the shape, row groups and pages."""
        chunks = [chunk for group in self.footer.chunks for chunk in group]
        return {
            "file": self.name,
            "task": self.task.value if self.task else None,
            "rows": self.rows,
            "shape": str(self.shape),
            "columns": {field.name: str(field.type) for field in self.footer.schema},
            "row_groups": len(self.footer.row_groups),
            "largest_row_group_bytes": max(
                (sum(chunk.compressed for chunk in group) for group in self.footer.chunks),
                default=0,
            ),
            "image_pages": sum(chunk.pages for chunk in chunks),
            "image_pages_counted": all(chunk.pages_counted for chunk in chunks),
            "largest_page_bytes": max((chunk.largest_page for chunk in chunks), default=0),
            "image_bytes": self.image_bytes,
            "memory_bytes": self.memory,
        }

    def _open(self) -> pq.ParquetFile:
        """Open the file. Raises `SourceChanged` if it changed since its footer was read."""
        self.require_unchanged()
        with self._damage("its footer"):
            file = self.storage.parquet(
                self.name, local_buffer=LOCAL_BUFFER, remote_buffer=REMOTE_BUFFER
            )
            same = self.content_hash.startswith(content_of(file.metadata))
        if not same:
            file.close()
            raise changed(self.name, self.storage)
        return file

    @staticmethod
    def _batch_rows(size: int, rows: int, most: int) -> int:
        """Return how many of these rows to hold at once, given the bytes of all of them."""
        return max(1, min(most, BATCH_BYTES * rows // max(1, size)))

    def _batches(self, file: pq.ParquetFile, group: int) -> Generator[pa.RecordBatch, None, None]:
        rows = self.footer.row_groups[group]
        images = sum(chunk.decoded for chunk in self.footer.chunks[group])
        size = self._batch_rows(images + self.footer.text_bytes[group], rows, MOST_BATCH_ROWS)
        with self._damage(f"row group {group}"):
            yield from file.iter_batches(
                size, row_groups=[group], columns=self.shape.columns, use_threads=False
            )

    @contextmanager
    def _damage(self, where: str) -> Iterator[None]:
        """Report damaged content with the file and the location.

        Raises `BrokenFile`, or `SourceLost` if the file system failed.
        """
        try:
            with self.storage.losses(self.name):
                yield
        except (pa.ArrowException, OSError) as error:
            msg = f"{self.name}: {where} cannot be read: {error}"
            raise BrokenFile(msg) from error

    def _samples(self, batch: pa.RecordBatch, start: int, images: RowImages) -> Iterator[RawSample]:
        shape = self.shape
        if shape.listed:
            lists = image_lists(batch.column(shape.inputs[0]), Named)
        else:
            columns = [image_cells(batch.column(name), Named) for name in shape.inputs]
            lists = [_without_padding(cells) for cells in zip(*columns, strict=True)]
        outputs: list[Found]
        if shape.output:
            outputs = [
                Missing(Reason.NO_OUTPUT) if cell is NULL else cell
                for cell in image_cells(batch.column(shape.output), Named)
            ]
        else:
            outputs = [cells.pop() if cells else Missing(Reason.NO_OUTPUT) for cells in lists]
        for place, values in enumerate(_rows(batch.select(shape.text_columns))):
            row = start + place
            inputs, output = images.row(lists[place], outputs[place])
            task, id_ = self._identity(row, values)
            yield RawSample(
                origin=Origin(self.name, row),
                task=task,
                source_id=id_,
                subtask=subtask_of(values[shape.subtask]) if shape.subtask else "",
                instruction=self._instruction(row, values[shape.instruction]),
                inputs=inputs,
                output=output,
            )

    def _identity(self, row: int, values: dict[str, Any]) -> tuple[Task, str]:
        task = self._task(values.get(self.task_column) if self.task_column else None)
        if not self.shape.id:
            return task, place_id(self.name, row)
        return task, source_id(values[self.shape.id], self.name, row, self.shape.id)

    def _task(self, named: str | None) -> Task:
        task = (task_from_spelling(named) if named else None) or self.task
        if task is None:
            raise unknown_task(self.name, self.name.split("/")[:-1])
        return task

    def _instruction(self, row: int, value: Any) -> str | None:  # noqa: ANN401 - any column's value
        """Return a text, or the first wording of the one turn in BAGEL's `instruction_list`."""
        wordings = False
        while isinstance(value, list):
            if len(value) > 1 and not wordings:
                msg = (
                    f"{self.name}, row {row}: {counted(len(value), 'turn')} of instructions. A "
                    "chain of "
                    "edits is not a composition; only one-turn lists can be read."
                )
                raise BrokenFile(msg)
            value = value[0] if value else None
            wordings = True  # BAGEL: a list of turns, each a list of wordings to choose from
        return value if isinstance(value, str) else None


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Yield the rows of small columns."""
    columns = [plain_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _without_padding(cells: tuple[Found, ...]) -> list[Found]:
    """Return the cells up to the last image: numbered columns are null after the last input."""
    end = max((place + 1 for place, cell in enumerate(cells) if cell is not NULL), default=0)
    return list(cells[:end])


def open_parquet(storage: Storage, name: str, reading: ReadOptions) -> ParquetSourceFile:
    """Open a Parquet file by its footer and some page headers.

    Raises:
        BrokenFile: It is damaged.
        UnknownShape: Its columns match no known layout.
        UnknownTask: Its task cannot be detected.
        PathOutsideSource: It names an image outside the source.
    """
    with storage.opened(name) as handle:
        try:
            # Before the footer is read, so that any later write is detected.
            state = storage.mtime_token(name)
            return _of_footer(storage, name, reading, handle, state)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if said := why_unreadable(storage.location, error):
                raise SourceError(said) from error
            handle.seek(0)
            what = describe_file(handle.read(HEAD_BYTES), PARQUET)
            msg = (
                f"{name}: not a Parquet file, or not whole: {what or error}\n"
                f"Fetch it again. {leave_out(name)}"
            )
            raise BrokenFile(msg) from error
        except ValueError as error:  # fsspec's: this server does not support range requests
            if storage.is_local:
                raise
            what = str(error).partition(". ")[0]
            msg = f"{name}: {what}.\nDownload it, and read it from a folder of this machine."
            raise SourceError(msg) from error


def _of_footer(
    storage: Storage, name: str, reading: ReadOptions, handle: BinaryIO, state: str
) -> ParquetSourceFile:
    file = pq.ParquetFile(handle)
    leaves = Leaves.of(name, file)
    require_plausible(name, handle.seek(0, os.SEEK_END), file, leaves)
    kinds = {field.name: kind_of(field.type) for field in file.schema_arrow}
    types = {field.name: str(field.type) for field in file.schema_arrow}
    shape = find_shape(name, kinds, reading.columns, types)
    leaves.refuse_doubled(name, shape.columns)
    ruled = task_by_rule(name, reading.tasks)
    task = ruled or task_by_spelling(name, storage.name)
    if task is None and shape.task is None:
        raise unknown_task(name, name.split("/")[:-1])
    paths = ImagePaths(storage, name, reading.allow_outside)
    footer = Footer.read(handle, file, shape, leaves, paths)
    return ParquetSourceFile(
        storage=storage,
        reading=reading,
        name=name,
        shape=shape,
        footer=footer,
        task=task,
        task_column=None if ruled else shape.task,
        state=state,
    )
