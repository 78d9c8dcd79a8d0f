"""Exports for trainers that read image files by path: the images, and one record for each row.

    chosen rows ──► images/<digest>.<ending>, each once
              └───► .export/parts/<shard>.jsonl ──► the trainer's files of records

A shard is finished when its images are on disk and its part is written. An interrupted export
resumes at the first unfinished shard, and fetches only rows that have a missing image.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from mico_150k.core.errors import BrokenFile
from mico_150k.core.excerpt import excerpt
from mico_150k.core.progress import Progress
from mico_150k.core.sample import Sample
from mico_150k.core.trainer import Exported, PathTrainer
from mico_150k.export.forecast import ExportForecast, forecast_images
from mico_150k.export.image_store import ImageStore
from mico_150k.export.job import ChosenShard, ExportJob
from mico_150k.io.arrow import array_of
from mico_150k.io.files import write_atomically, written_whole
from mico_150k.io.json_lines import parse_json, read_json_lines, to_json_line, to_json_lines
from mico_150k.io.prefetch import map_ordered
from mico_150k.io.regular import Root, open_regular


def relocate_paths(old: Exported, new: Exported) -> None:
    """Replace the old root of every path in the records with the new one.

    Raises:
        BrokenFile: A record is damaged.
        NotRegular: A file of records is not a regular file.
        OutsideRoot: A file of records is a link that leads out of the export.
    """
    root = Root.at(new.root)
    for name in old.record_files:
        try:
            path = root.file(name)
        except FileNotFoundError as error:
            msg = f"{new.root}: {name} of the export is missing: export again."
            raise BrokenFile(msg) from error
        write_records(path, [_moved(row, old.images, new.images) for row in _read_records(path)])


def _write_files(
    job: ExportJob, trainer: PathTrainer, rows: Iterable[dict[str, Any]]
) -> dict[str, int]:
    """Write every record to its file.

    Records of all files but the first wait in memory, because few rows belong to those files.

    Returns:
        The number of rows in each file.
    """
    images = str(job.images)
    seen: Counter[str] = Counter()
    others: dict[str, list[dict[str, Any]]] = {}

    def first() -> Iterator[dict[str, Any]]:
        for row in rows:
            name = trainer.record_file(seen[row["output"]])
            seen[row["output"]] += 1
            record = _record(trainer, row, images)
            if name == trainer.records:
                yield record
            else:
                others.setdefault(name, []).append(record)

    write_records(job.to / trainer.records, first())
    for name, records in others.items():
        write_records(job.to / name, records)
    rest = {name: len(records) for name, records in others.items()}
    return {trainer.records: seen.total() - sum(rest.values()), **rest}


def _record(trainer: PathTrainer, row: dict[str, Any], images: str) -> dict[str, Any]:
    # Not Path: 650,000 Path objects would take longer than all other work.
    inputs = [f"{images}/{name}" for name in row["inputs"]]
    return trainer.record(inputs, f"{images}/{row['output']}", row["instruction"])


@dataclass(frozen=True, slots=True)
class _Written:
    """Counts of one row group: rows read, and bytes of new images."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard to finish once its images are written. `lines` is None if its part exists."""

    part: Path
    rows: int
    digests: frozenset[str]
    lines: list[dict[str, Any]] | None


class PathsExport:
    """An export of image files: it knows which exist and which are missing."""

    def __init__(self, job: ExportJob, trainer: PathTrainer) -> None:
        """Keep the job and the trainer; write nothing."""
        self._job = job
        self._trainer = trainer
        self._store = ImageStore(job.images)
        self._digests: set[str] = set()

    def is_whole(self, finished: Exported) -> bool:
        """Whether all files of this finished export still exist."""
        rows = (row for shard in self._job.shards() for row, _ in self._rows_of(shard))
        return all((self._job.to / name).is_file() for name in finished.files) and all(
            self._store.known.issuperset(row) for row in rows
        )

    def forecast(self) -> ExportForecast:
        """Estimate what the export will fetch and write."""
        return forecast_images(self._job, self._store.known)

    def run(self) -> Exported:
        """Write the images, then the records."""
        rows = (row for part in self._parts() for row in read_lines(part))
        files = _write_files(self._job, self._trainer, rows)
        return self._job.exported(
            unique_images=len(self._digests), record_files=files, files=[*files]
        )

    def _parts(self) -> list[Path]:
        """Write the missing parts of all shards, with row groups in parallel; returns the parts.

        The next shard starts while one is finished, so no core waits at the end of a shard.
        """
        parts = []
        rows = images = 0
        with closing(map_ordered(self._calls(), self._job.dataset.groups_at_once)) as results:
            for result in results:
                if isinstance(result, _Written):
                    images += result.bytes
                    self._tell(rows + result.rows, images)
                    continue
                if result.lines is not None:
                    self._store.settle(result.digests)
                    write_atomically(result.part, to_json_lines(result.lines))
                parts.append(result.part)
                rows += result.rows
                self._tell(rows, images)
        return parts

    def _calls(self) -> Iterator[Callable[[], _Written | _Shard]]:
        """Yield the work in order: the row groups of a shard, then the shard itself."""
        for shard in self._job.shards():
            part = self._job.folder.part(f"{shard.number:05d}.jsonl")
            rows = list(self._rows_of(shard))
            digests = frozenset(digest for row, _ in rows for digest in row)
            is_done = part.exists() and digests <= self._store.known
            if not is_done:
                wanted = digests - self._store.known - self._digests
                places = [
                    place for place, (row, _) in enumerate(rows) if not wanted.isdisjoint(row)
                ]
                to_fetch = shard.index.take(array_of(places, pa.int32()))
                still_wanted = set(wanted)
                for read in self._job.dataset.sample_groups(to_fetch):
                    yield partial(self._write_group, read, still_wanted)
            self._digests |= digests
            lines = None if is_done else [line for _, line in rows]
            yield partial(_Shard, part, len(rows), digests, lines)

    def _rows_of(self, shard: ChosenShard) -> Iterator[tuple[list[str], dict[str, Any]]]:
        """Yield each row's digests and its line of the part, which names images in the store."""
        columns = ["instruction", "digests", "formats"]
        for row, count in zip(shard.index.select(columns).to_pylist(), shard.inputs, strict=True):
            digests, formats = row["digests"], row["formats"]
            kept = [*range(count), len(digests) - 1]
            names = [ImageStore.name(digests[place], formats[place]) for place in kept]
            line = {
                "inputs": names[:-1],
                "output": names[-1],
                "instruction": row["instruction"],
            }
            yield [digests[place] for place in kept], line

    def _write_group(
        self, read: Callable[[], Iterator[list[Sample]]], wanted: set[str]
    ) -> _Written:
        """Write the images of a row group that no other thread is writing."""
        rows = size = 0
        for samples in read():
            rows += len(samples)
            for image in (image for sample in samples for image in sample.images):
                if _take(wanted, image.digest):
                    size += self._store.put(image)
        return _Written(rows, size)

    def _tell(self, rows: int, images: int) -> None:
        fitted = self._job.fitted
        skipped = sum(fitted.skipped.values())
        self._job.on_progress(Progress(rows, fitted.index.num_rows, images, 0, skipped))


def _take(wanted: set[str], digest: str) -> bool:
    """Whether the digest is still missing; only the first thread to ask gets True."""
    try:
        wanted.remove(digest)
    except KeyError:
        return False
    return True


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a JSON array or JSON lines, depending on the file extension.

    Only one record is in memory at a time.
    """
    is_array = path.suffix == ".json"
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        between = "[\n" if is_array else ""
        for record in records:
            file.write(f"{between}{to_json_line(record)[:-1]}")
            between = ",\n" if is_array else "\n"
        file.write("\n]\n" if is_array else "\n")


def _read_records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return list(read_lines(path))
    try:
        with open_regular(path) as file:
            found = parse_json(file.read())
    except ValueError as error:
        msg = f"{path}: not valid JSON: {excerpt(error)}"
        raise BrokenFile(msg) from error
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        msg = f"{path}: not a list of records as an export writes it."
        raise BrokenFile(msg)
    return found


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON Lines file. Raises `BrokenFile`."""
    for number, record in read_json_lines(path):
        if not isinstance(record, dict):
            msg = f"{path}, line {number}: not a record as an export writes it."
            raise BrokenFile(msg)
        yield record


def _moved(record: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return the record with each image path below `old` moved to `new`.

    Other texts stay as they are, even if they look similar. Paths that already lie below `new` stay
    too: an interrupted run may have rewritten some files of records and not others.
    """
    is_deeper = new.startswith(f"{old}/")

    def move(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, list):
            return [move(item) for item in value]
        if isinstance(value, str) and value.startswith(f"{old}/"):
            is_moved = is_deeper and value.startswith(f"{new}/")
            return value if is_moved else new + value[len(old) :]
        return value

    return {key: move(value) for key, value in record.items()}
