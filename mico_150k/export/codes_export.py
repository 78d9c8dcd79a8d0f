"""Exports of VQ codes: one pickle for each image at each size, and one record for each row.

    chosen rows ──► files/00000/00000000.pkl …
              └───► the trainer's records, shuffled: training never reads the end of the file

The export needs no GPU. An interrupted export resumes at the first unfinished folder of pickles.
"""

import os
import pickle
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial as bind
from pathlib import Path
from typing import Any

import pyarrow as pa

from mico_150k.builders.dimoo import NO_CODES
from mico_150k.builders.dimoo_tokens import SizeTable, code_count, shape_for
from mico_150k.core.errors import BrokenFile
from mico_150k.core.progress import Progress
from mico_150k.core.trainer import CodesTrainer, Exported
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodedPicture, CodedRow, CodesFolder
from mico_150k.dataset.reader import Dataset
from mico_150k.export.folder import PICKLES
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.image_export import write_records
from mico_150k.export.job import ExportJob, codes_records
from mico_150k.io.files import disk_errors, sha256, write_atomically, written_whole
from mico_150k.io.temporary import partial

PROTOCOL = 4
"""The pickle protocol, which gives the same bytes in every version of Python."""
FILES_A_FOLDER = 10_000
CODE_BYTES = 5
"""Bytes of one code in a pickle."""
FILE_BYTES = 4096
"""Bytes that one pickle takes on disk beyond its codes: rounding and the directory entry."""


class CodesExport:
    """An export of VQ codes: it knows what is written and what is missing."""

    def __init__(self, job: ExportJob, trainer: CodesTrainer) -> None:
        """Keep the job and the trainer; write nothing."""
        self._job = job
        self._trainer = trainer

    def is_whole(self, finished: Exported) -> bool:
        """Whether all files of this finished export still exist."""
        return self._pickles_there() == finished.unique_images and all(
            (self._job.to / name).is_file() for name in finished.files
        )

    def forecast(self) -> ExportForecast:
        """Estimate what the export will fetch and write: one pickle for each image at each size."""
        codes: dict[tuple[str, int], int] = {}
        told = next(iter(codes_records(self._job.dataset).values()))
        sizes = SizeTable.parse(str(told["sizes"]), int(told["output_size"]))
        for size, image in _images(self._job.fitted.index, sizes):
            codes[image[0], size] = code_count(shape_for(*image[1:], size))
        is_begun = self._job.folder.has_claimed(PICKLES, self._job.identity())
        there = self._pickles_there() if is_begun else 0
        written = sum(codes.values()) * CODE_BYTES + len(codes) * FILE_BYTES
        missing = max(0, len(codes) - there) / max(1, len(codes))
        fetched = 0
        if not self._job.dataset.folder:
            fetched = sum(file["bytes"] for file in codes_records(self._job.dataset).values())
        return ExportForecast.of(self._job, fetched, written * missing + fetched, self._job.to)

    def run(self) -> Exported:
        """Write the pickles, then the records."""
        job = self._job
        codes = self._codes()
        job.folder.claim(PICKLES, job.identity())
        wanted = set(job.fitted.index["id"].to_pylist())
        pickles = _Pickles(job.to / PICKLES, self._trainer)
        records: list[dict[str, Any]] = []
        for row in codes.read():
            if row.id in wanted:
                records.append(self._record(row, pickles))
                job.on_progress(Progress(len(records), len(wanted), pickles.written, 0, 0))
        pickles.finish()
        exported = job.exported(
            unique_images=pickles.count,
            record_files={self._trainer.records: len(records)},
            files=[self._trainer.records],
        )
        if without := len(wanted) - len(records):
            skipped = {**exported.skipped, NO_CODES: without}
            exported = replace(exported, rows=len(records), skipped=skipped)
        random.Random(job.options.selection.seed).shuffle(records)  # noqa: S311 - no secret
        write_records(job.to / self._trainer.records, records)
        return exported

    def _record(self, row: CodedRow, pickles: "_Pickles") -> dict[str, Any]:
        paths = [pickles.add(picture) for picture in row.pictures]
        return self._trainer.record(row.id, row.prompt, paths, row.grids)

    def _codes(self) -> CodesFolder:
        """Open the codes; download them first if the dataset is remote, and verify their SHA-256.

        Raises:
            NotADataset: The dataset has no readable codes.
            BrokenFile: A file of codes cannot be downloaded or is damaged.
        """
        dataset = self._job.dataset
        if dataset.folder:
            return CodesFolder.open(dataset.folder)
        folder = self._job.folder.work / layout.CODES
        for name, record in codes_records(dataset).items():
            if not _is(folder / name, record):
                _fetch(dataset, f"{layout.CODES}/{name}", record, folder / name)
        return CodesFolder.open(folder)

    def _pickles_there(self) -> int:
        return sum(1 for _ in (self._job.to / PICKLES).glob("*/*.pkl"))


def _images(index: pa.Table, sizes: SizeTable) -> Iterator[tuple[int, tuple[str, int, int]]]:
    """Yield each image of these rows: its size in the row, and its digest, width and height."""
    columns = (index[name].to_pylist() for name in ("digests", "widths", "heights"))
    for row in zip(*columns, strict=True):
        *inputs, output = zip(*row, strict=True)
        size = sizes.of_inputs(len(inputs))
        yield from ((size, image) for image in inputs)
        yield sizes.output, output


def _is(path: Path, record: dict[str, Any]) -> bool:
    if not path.is_file() or path.stat().st_size != record["bytes"]:
        return False
    return sha256(path) == str(record["sha256"])


def _fetch(dataset: Dataset, name: str, record: dict[str, Any], path: Path) -> None:
    storage = dataset.storage
    with written_whole(path) as temporary:
        try:
            storage.again(bind(storage.fs.get_file, storage.path(name), str(temporary)))
        except Exception as error:  # each file system raises its own exceptions
            msg = f"{dataset.location}: {name} cannot be downloaded: {error}"
            raise BrokenFile(msg) from error
        if not _is(temporary, record):
            msg = f"{dataset.location}: {name} differs from the file in its {layout.MANIFEST}."
            raise BrokenFile(msg)


class _Pickles:
    """Numbers images in order of first use and writes their pickles, one folder at a time."""

    def __init__(self, folder: Path, trainer: CodesTrainer) -> None:
        self._folder = folder
        self._trainer = trainer
        self._numbers: dict[tuple[str, int], int] = {}
        self._current: Path | None = None
        self._is_finished = False
        self.written = 0
        """Bytes of all pickles so far."""

    @property
    def count(self) -> int:
        """The number of pickles."""
        return len(self._numbers)

    def add(self, picture: CodedPicture) -> str:
        """Return the path of an image's pickle, which is on disk once `finish` has run."""
        key = picture.digest, picture.size
        is_new = key not in self._numbers
        number = self._numbers.setdefault(key, len(self._numbers))
        place = self._folder / f"{number // FILES_A_FOLDER:05d}"
        name = f"{number:08d}.pkl"
        if is_new:
            rows, columns = picture.codes.shape
            plain = self._trainer.pickle(picture.codes.ravel().tolist(), columns, rows)
            self._write(place, name, pickle.dumps(plain, protocol=PROTOCOL))
        return str(place / name)

    def finish(self) -> None:
        """Sync the last folder to disk and give it its final name."""
        if self._current and not self._is_finished:
            # One call for the whole folder: a sync for each file would take most of the time.
            os.sync()
            partial(self._current).replace(self._current)
        self._current = None

    def _write(self, place: Path, name: str, data: bytes) -> None:
        """Write a file unless an earlier run finished its folder and the file is intact."""
        self.written += len(data)
        with disk_errors(place):
            if place != self._current:
                self._begin(place)
            if not self._is_finished:
                (partial(place) / name).write_bytes(data)
            elif not _holds(place / name, data):
                write_atomically(place / name, data)

    def _begin(self, place: Path) -> None:
        self.finish()
        self._current = place
        self._is_finished = place.exists()
        if not self._is_finished:
            shutil.rmtree(partial(place), ignore_errors=True)
            partial(place).mkdir(parents=True)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False
