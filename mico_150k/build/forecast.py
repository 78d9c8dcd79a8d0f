"""Estimates the disk space, the memory and the number of workers of a build."""

from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

from mico_150k.build.plan import Plan
from mico_150k.core.errors import MemoryTooSmall
from mico_150k.dataset.row_group import MAX_BYTES
from mico_150k.images.room import COMMON_ROOM
from mico_150k.io.machine import cores, free_memory, free_space, gigabytes, require_room
from mico_150k.sources.source import Source

_MEGABYTE = 10**6
BASE_MEMORY = 200 << 20
"""Of Python with pyarrow and Pillow."""
WRITING_MEMORY = BASE_MEMORY + 6 * MAX_BYTES + COMMON_ROOM
"""Of a worker besides what its source needs: a row group, its Arrow arrays, those that are
ahead of it, what they cost, and an image of a common size while it is decoded.

Measured: with all configurations, a file of 0.51 GB makes a worker peak at 1.56 GB."""
BYTES_WORTH_A_WORKER = 500 << 20
"""Of images; a process needs a second to begin."""
INDEX_ROW_BYTES = 700
ASSUMED_SPEED = 250 << 20
"""Bytes written a second, of one worker: for a first guess at the time, before anything runs."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a build needs, estimated from the source's headers to within a few percent.

    Attributes:
        images: Bytes of all images, counted once.
        output: Bytes of all requested configurations together.
        small: The part of `output` that index and sample take.
        memory: Peak memory of one worker in bytes.
        free: Free bytes on the disk; None if unknown.
    """

    rows: int
    images: int
    output: int
    small: int
    memory: int
    seconds: float
    free: int | None

    def check_disk(self, folder: Path, there: int, share: float = 1.0, kept: float = 1.0) -> None:
        """Check the disk space for the rest of a build.

        Index and sample need their space twice: as parts, and joined.

        Args:
            folder: The dataset folder.
            there: Bytes that are already written.
            share: The fraction of the build that is done here.
            kept: The fraction of its shards that lies here at once.

        Raises:
            DiskTooSmall: The rest does not fit.
        """
        shards = self.output - self.small
        needed = round(share * (shards * kept + 2 * self.small)) - there
        require_room(
            folder,
            needed,
            free_space(folder),
            "the build will need {} more",
            "\nFewer configurations need less: --config bagel writes only that one.",
        )


def make_forecast(source: Source, plan: Plan, configs: int, *, sample: bool, out: Path) -> Forecast:
    """Return the forecast for `configs` configurations with images, with or without `sample`."""
    sampled = sum(map(len, plan.sample.values())) if sample else 0
    small = plan.image_bytes * sampled // max(1, plan.rows) + plan.rows * INDEX_ROW_BYTES
    output = plan.image_bytes * configs + small
    return Forecast(
        rows=plan.rows,
        images=plan.image_bytes,
        output=output,
        small=small,
        memory=building_memory(source, plan, 1),
        seconds=output / ASSUMED_SPEED,
        free=free_space(out),
    )


def building_memory(source: Source, plan: Plan, workers: int) -> int:
    """Return the peak memory, in bytes, of building with this many workers.

    It assumes that the largest units are built at the same time, with all their files open.
    Several workers need a parent process as well.
    """
    reading = (sum(source.files[place].memory for place in unit.files) for unit in plan.units)
    largest = nlargest(workers, reading)
    parent = BASE_MEMORY if workers > 1 else 0
    return parent + sum(need + WRITING_MEMORY for need in largest or [0])


def choose_workers(
    source: Source, plan: Plan, asked: int | None = None, max_memory: int | None = None
) -> int:
    """Return the number of worker processes for a build.

    By default it is one for each core, as long as each has several shards to write and enough
    memory for its units.

    Args:
        source: The source.
        plan: The build's plan.
        asked: The number that the user asked for.
        max_memory: The limit in bytes; by default, and at most, all free memory.

    Raises:
        MemoryTooSmall: The workers that were asked for need more. A single worker is refused
            only if `max_memory` is given.
    """
    free = free_memory()
    limit = min(max_memory or free, free)
    fast = min(cores(), len(plan.units), max(1, plan.image_bytes // BYTES_WORTH_A_WORKER))
    workers = asked or max(1, fast)
    while workers > 1 and not asked and building_memory(source, plan, workers) > limit:
        workers -= 1
    needed = building_memory(source, plan, workers)
    if needed > limit and (workers > 1 or max_memory):
        raise _too_little(source, plan, workers, limit, max_memory)
    return workers


def image_room(source: Source, plan: Plan, workers: int, max_memory: int | None) -> int | None:
    """Return the bytes that each worker may use to decode one image within `max_memory`.

    None, for no limit, if `max_memory` is not given: the free memory is only an estimate.
    """
    if max_memory is None:
        return None
    left = max_memory - building_memory(source, plan, workers)
    return COMMON_ROOM + max(0, left) // workers


def _too_little(
    source: Source, plan: Plan, workers: int, limit: int, max_memory: int | None
) -> MemoryTooSmall:
    largest = max(source.files, key=lambda file: file.memory)
    allowed = f"{gigabytes(limit)} are free on this machine"
    if limit == max_memory:
        unit = f" (for gigabytes, write {limit}GB)" if limit < _MEGABYTE else ""
        allowed = f"--max-memory allows {gigabytes(limit)}{unit}"
    fitting = next(
        (n for n in range(workers - 1, 0, -1) if building_memory(source, plan, n) <= limit), 0
    )
    way_out = (
        f"Use --workers {fitting}."
        if fitting
        else f"A single worker needs {gigabytes(building_memory(source, plan, 1))}."
    )
    return MemoryTooSmall(
        f"a build with --workers {workers} needs "
        f"{gigabytes(building_memory(source, plan, workers))}, and "
        f"{allowed}: a reader must hold the largest pages of a file, "
        f"{gigabytes(largest.memory)} of {largest.name}.\n{way_out}"
    )
