"""What a build will need: bytes on disk, and memory."""

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
    """Bytes and seconds. Of the source's headers, so an estimate to some percent.

    `images` are the bytes of all images once; `output` is what all configurations that are
    asked for will take together, `small` those of the index and the sample among it; `memory`
    is one worker's peak; `free` is what the disk has, where it tells.
    """

    rows: int
    images: int
    output: int
    small: int
    memory: int
    seconds: float
    free: int | None

    def check_disk(self, folder: Path, there: int, share: float = 1.0, kept: float = 1.0) -> None:
        """Raise `DiskTooSmall` where the disk cannot take what `there` does not cover yet.

        `share` is how much of the build is done here, and `kept` how much of its shards lies
        here at once. Index and sample lie here twice, in parts until they are joined.
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
    """The forecast for `configs` configurations with images, and `sample` or not."""
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
    """What so many workers hold at most, when the hungriest units meet.

    All files of a unit are open at once. Several workers have a parent besides.
    """
    reading = (sum(source.files[place].memory for place in unit.files) for unit in plan.units)
    hungriest = nlargest(workers, reading)
    parent = BASE_MEMORY if workers > 1 else 0
    return parent + sum(need + WRITING_MEMORY for need in hungriest or [0])


def choose_workers(
    source: Source, plan: Plan, asked: int | None = None, max_memory: int | None = None
) -> int:
    """How many worker processes a build gets: as many as `asked` for, or as make it fast.

    That is one for each core, as long as each has some shards to write and memory to read its
    units. `max_memory` are bytes, all that is free where none is given; more than is free is not
    believed. Raises `MemoryTooSmall` where what was asked for needs more; one worker may try,
    unless `max_memory` says no.
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
    """What each of so many workers may take to decode one image, that `max_memory` is kept.

    None, without a limit, where none is given: what a machine has free is an estimate.
    """
    if max_memory is None:
        return None
    left = max_memory - building_memory(source, plan, workers)
    return COMMON_ROOM + max(0, left) // workers


def _too_little(
    source: Source, plan: Plan, workers: int, limit: int, max_memory: int | None
) -> MemoryTooSmall:
    hungriest = max(source.files, key=lambda file: file.memory)
    allowed = f"this machine has free {gigabytes(limit)}"
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
        f"{gigabytes(hungriest.memory)} of {hungriest.name}.\n{way_out}"
    )
