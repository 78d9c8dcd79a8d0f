"""Exports for trainers that read paths of image files: the images, and one record a row.

    chosen rows ──► images/<digest>.<ending>, each once
              └───► .export/parts/<shard>.jsonl ──► the trainer's files of records

A shard is finished when its images are on the disk and its part is written; an export that was
stopped goes on with the first that is not, and fetches no row whose images are all there.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from mico_150k.export.image_store import ImageStore
from mico_150k.export.job import ChosenShard, ExportJob
from mico_150k.export.trainer import Exported, PathTrainer
from mico_150k.files import disk_errors, settle, write_atomically
from mico_150k.machine import cores
from mico_150k.names import partial
from mico_150k.watch import Progress

WRITERS = min(max(cores(), 2), 8)
"""Threads that write images: more than cores only wait for each other where memory is the limit
(measured on two: four threads take a third longer), and few hide a network's latency."""


def export_paths(job: ExportJob, trainer: PathTrainer) -> Exported:
    """Write the images, then the records."""
    store = ImageStore(job.images)
    work = _Work(job, store)
    parts = [work.finish(shard) for shard in job.shards()]
    rows = (row for part in parts for row in _read_lines(part))
    files = _write_files(job, trainer, rows)
    return job.exported(unique_images=len(work.digests), record_files=files)


def relocate_paths(old: Exported, new: Exported) -> None:
    """Give every path in the records its new beginning."""
    for name in old.record_files:
        path = Path(new.root) / name
        _write_records(path, [_moved(row, old.images, new.images) for row in _read_records(path)])


def _write_files(
    job: ExportJob, trainer: PathTrainer, rows: Iterable[dict[str, Any]]
) -> dict[str, int]:
    """Write every record to its file; returns the rows of each file.

    Those of other files than the first wait in memory: few rows have an output of another's.
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

    _write_records(job.to / trainer.records, first())
    for name, records in others.items():
        _write_records(job.to / name, records)
    rest = {name: len(records) for name, records in others.items()}
    return {trainer.records: seen.total() - sum(rest.values()), **rest}


def _record(trainer: PathTrainer, row: dict[str, Any], images: str) -> dict[str, Any]:
    # Not Path: 650,000 of them take longer than all the rest.
    inputs = [f"{images}/{name}" for name in row["inputs"]]
    return trainer.record(inputs, f"{images}/{row['output']}", row["instruction"])


class _Work:
    """An export under way: which shards are done, and the images of those that are not."""

    def __init__(self, job: ExportJob, store: ImageStore) -> None:
        self._job = job
        self._store = store
        self.digests: set[str] = set()
        self._rows = self._bytes = 0

    def finish(self, shard: ChosenShard) -> Path:
        """Write a shard's images and its part, unless the part is there; returns the part."""
        part = self._job.folder.part(f"{shard.number:05d}.jsonl")
        rows = list(self._rows_of(shard))
        digests = {digest for row, _ in rows for digest in row}
        self.digests |= digests
        if not part.exists() or not digests <= self._store.known:
            self._write_images(shard, [row for row, _ in rows])
            self._store.settle(digests)
            lines = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for _, line in rows)
            write_atomically(part, lines.encode())
        self._rows += len(rows)
        self._tell(self._rows)
        return part

    def _rows_of(self, shard: ChosenShard) -> Iterator[tuple[list[str], dict[str, Any]]]:
        """Each row's digests, and its line of the part: names of images in the store."""
        columns = ["instruction", "digests", "formats"]
        for row, count in zip(shard.index.select(columns).to_pylist(), shard.inputs, strict=True):
            digests, formats = row["digests"], row["formats"]
            kept = [*range(count), len(digests) - 1]
            names = [ImageStore.name(digests[place], formats[place]) for place in kept]
            line = {"inputs": names[:-1], "output": names[-1], "instruction": row["instruction"]}
            yield [digests[place] for place in kept], line

    def _write_images(self, shard: ChosenShard, digests: list[list[str]]) -> None:
        missing = [not set(row) <= self._store.known for row in digests]
        to_fetch = shard.index.filter(pa.array(missing))
        wanted = set().union(*digests) - self._store.known
        done = 0
        with (
            ThreadPoolExecutor(WRITERS) as pool,
            closing(self._job.dataset.samples(to_fetch)) as groups,
        ):
            for samples in groups:
                images = {
                    image.digest: image
                    for sample in samples
                    for image in sample.images
                    if image.digest in wanted
                }
                self._bytes += sum(pool.map(self._store.put, images.values()))
                wanted -= images.keys()
                done += len(samples)
                self._tell(self._rows + done)

    def _tell(self, rows: int) -> None:
        fitted = self._job.fitted
        left_out = sum(fitted.left_out.values())
        self._job.on_progress(Progress(rows, fitted.index.num_rows, self._bytes, 0, left_out))


def _write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a JSON array or JSON lines, by the path's ending; one record in memory at a time."""
    is_array = path.suffix == ".json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(path):
        with partial(path).open("w", encoding="utf-8") as file:
            between = "[\n" if is_array else ""
            for record in records:
                file.write(f"{between}{json.dumps(record, ensure_ascii=False)}")
                between = ",\n" if is_array else "\n"
            file.write("\n]\n" if is_array else "\n")
        settle(path)


def _read_records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return list(_read_lines(path))
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _moved(record: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The record with its paths below `old` put below `new`; a text that looks alike stays."""

    def move(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, list):
            return [move(item) for item in value]
        if isinstance(value, str) and value.startswith(f"{old}/"):
            return new + value[len(old) :]
        return value

    return {key: move(value) for key, value in record.items()}
