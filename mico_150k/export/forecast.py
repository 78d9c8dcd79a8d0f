"""What an export will fetch and write, by the manifest and the index, before it does."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mico_150k.dataset import layout
from mico_150k.export.job import ChosenShard, ExportJob
from mico_150k.io.files import same_disk
from mico_150k.io.machine import existing, free_space, require_room


@dataclass(frozen=True, slots=True)
class ExportForecast:
    """Rows, and bytes, estimated: a file's size is known, and that of each image in it is not.

    `rows` of those `chosen` are exported. `fetched` come from another machine; `written` go to
    `folder`, whose disk has `free`, where it tells.
    """

    chosen: int
    rows: int
    fetched: int
    written: int
    folder: Path
    free: int | None

    @classmethod
    def of(cls, job: ExportJob, fetched: float, written: float, folder: Path) -> "ExportForecast":
        """The forecast for a folder that need not be there yet."""
        fitted = job.fitted
        return cls(
            fitted.chosen,
            fitted.index.num_rows,
            round(fetched),
            round(written),
            folder,
            free_space(folder),
        )

    def check_disk(self) -> None:
        """Raise `DiskTooSmall` where the disk cannot take it."""
        require_room(
            self.folder,
            self.written,
            self.free,
            "the export will need about {} more",
            "\nChoose fewer rows with --where, --sample or --limit, or another disk.",
        )


def forecast_images(job: ExportJob, known: Collection[str]) -> ExportForecast:
    """An export of images as files, of which `known` digests are there.

    An image is taken to have the bytes of its share of the pixels.
    """
    fetched = written = 0.0
    seen = set(known)
    for shard in job.shards():
        file = _file_of(job, job.dataset.whole_config, shard)
        digests = shard.index["digests"].to_pylist()
        pixels = list(_pixels(shard.index))
        areas = dict(pixels)
        new = areas.keys() - seen
        seen |= new
        rows_bytes = file["bytes"] * len(digests) / file["rows"]
        share = sum(areas[digest] for digest in new) / sum(area for _, area in pixels)
        written += rows_bytes * share
        places = shard.index["row"].to_pylist()
        wanted = [place for place, row in zip(places, digests, strict=True)
                  if not new.isdisjoint(row)]  # fmt: skip
        fetched += _groups_bytes(file, wanted)
    return ExportForecast.of(job, 0 if job.dataset.folder else fetched, written, job.images)


def forecast_shards(
    job: ExportJob, missing: Iterable[ChosenShard], linked: Collection[str]
) -> ExportForecast:
    """An export of shards, of which some are missing, and the `linked` ones would be links.

    Where row groups are to be split for the readers, a link becomes a file of its own.
    """
    fetched = written = 0.0
    can_link = job.dataset.folder is not None and same_disk(job.dataset.folder, existing(job.to))
    for shard in missing:
        file = _file_of(job, job.trainer.name, shard)
        if not can_link or layout.shard_name(shard.number) not in linked:
            written += file["bytes"] * shard.index.num_rows / file["rows"]
            fetched += _groups_bytes(file, shard.index["row"].to_pylist())
    if can_link and job.readers:
        written += _split_bytes(job, linked, job.readers.count)
    return ExportForecast.of(job, 0 if job.dataset.folder else fetched, written, job.to)


def _split_bytes(job: ExportJob, linked: Collection[str], readers: int) -> int:
    """Bytes of the linked files that will be written again to split row groups of theirs."""
    files = job.dataset.manifest["configs"][job.trainer.name]
    found = [files[name] for name in linked]
    left_over = -sum(file["row_groups"] for file in found) % readers
    size = 0
    for file in sorted(found, key=lambda file: int(file["row_groups"] - file["rows"])):
        if left_over <= 0:
            break
        left_over -= file["rows"] - file["row_groups"]
        size += file["bytes"]
    return size


def _pixels(index: pa.Table) -> Iterator[tuple[str, int]]:
    """The digest and the area of each image of these rows."""
    columns = ("digests", "widths", "heights")
    of_rows = zip(*(index[name].to_pylist() for name in columns), strict=True)
    for digests, widths, heights in of_rows:
        for digest, width, height in zip(digests, widths, heights, strict=True):
            yield digest, width * height


def _file_of(job: ExportJob, config: str, shard: ChosenShard) -> Mapping[str, Any]:
    """A shard's record, in a configuration or one with the same images."""
    configs = job.dataset.manifest["configs"]
    found = configs.get(config) or configs[job.dataset.whole_config]
    record: Mapping[str, Any] = found[layout.shard_name(shard.number)]
    return record


def _groups_bytes(file: Mapping[str, Any], rows: Iterable[int]) -> float:
    """Bytes of the row groups that hold these rows, where all are of one size."""
    groups, total = file["row_groups"], file["rows"]
    return float(file["bytes"] / groups * len({row * groups // total for row in rows}))
