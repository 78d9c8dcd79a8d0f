"""Estimates what an export will fetch and write, from the manifest and the index."""

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
    """The estimated rows and bytes of an export.

    The manifest has the size of each file, but not of each image, so byte counts are estimates.
    `rows` of the `chosen` rows are exported. `fetched` bytes come from another machine; `written`
    bytes go to `folder`. `free` is the free space on its disk, None if unknown.
    """

    chosen: int
    rows: int
    fetched: int
    written: int
    folder: Path
    free: int | None

    @classmethod
    def of(cls, job: ExportJob, fetched: float, written: float, folder: Path) -> "ExportForecast":
        """Make the forecast for a folder, which need not exist yet."""
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
        """Raise `DiskTooSmall` if the export does not fit on the disk."""
        require_room(
            self.folder,
            self.written,
            self.free,
            "the export will need about {} more",
            "\nChoose fewer rows with --where, --sample or --limit, or another disk.",
        )


def forecast_images(job: ExportJob, known: Collection[str]) -> ExportForecast:
    """Estimate an export of image files.

    The bytes of a row are divided among its images by pixel count.

    Args:
        job: The planned export.
        known: Digests of the images that are already on disk.
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
    """Estimate an export of shards.

    A linked file is rewritten if the readers need its row groups to be split.

    Args:
        job: The planned export.
        missing: The shards that are not exported yet.
        linked: Names of the files that can be links to the dataset's own.
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
    """Estimate the bytes of the linked files that are rewritten to split their row groups."""
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
    """Yield the digest and the area, in pixels, of each image of these rows."""
    columns = ("digests", "widths", "heights")
    of_rows = zip(*(index[name].to_pylist() for name in columns), strict=True)
    for digests, widths, heights in of_rows:
        for digest, width, height in zip(digests, widths, heights, strict=True):
            yield digest, width * height


def _file_of(job: ExportJob, config: str, shard: ChosenShard) -> Mapping[str, Any]:
    """Return a shard's record in a configuration, or in one with the same images."""
    configs = job.dataset.manifest["configs"]
    found = configs.get(config) or configs[job.dataset.whole_config]
    record: Mapping[str, Any] = found[layout.shard_name(shard.number)]
    return record


def _groups_bytes(file: Mapping[str, Any], rows: Iterable[int]) -> float:
    """Estimate the bytes of the row groups that hold these rows, if all have the same size."""
    groups, total = file["row_groups"], file["rows"]
    return float(file["bytes"] / groups * len({row * groups // total for row in rows}))
