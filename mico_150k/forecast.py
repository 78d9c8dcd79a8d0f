"""What a build will need: bytes on disk, and memory."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from mico_150k.errors import DiskTooSmall
from mico_150k.plan import SAMPLE_ROWS, Plan
from mico_150k.row_group import MAX_BYTES
from mico_150k.sources.source import Source

BASE_MEMORY = 200 << 20
"""Of Python with pyarrow and Pillow."""
INDEX_ROW_BYTES = 700
ASSUMED_SPEED = 250 << 20
"""Bytes written a second, of one worker: for a first guess at the time, before anything runs."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes and seconds. Of the source's headers, so an estimate to some percent.

    `images` are the bytes of all images once; `output` is what all configurations that are
    asked for will take together; `memory` is one worker's peak; `free` is what the disk has.
    """

    rows: int
    images: int
    output: int
    memory: int
    seconds: float
    free: int

    def check_disk(self, folder: Path, there: int) -> None:
        """Raise `DiskTooSmall` where the disk cannot take what `there` does not cover yet."""
        if self.output - there > self.free:
            msg = (
                f"{folder}: the build will need {gigabytes(self.output - there)} more, "
                f"and the disk has {gigabytes(self.free)} free.\n"
                "Fewer configurations need less: --config bagel writes that one alone."
            )
            raise DiskTooSmall(msg)


def make_forecast(source: Source, plan: Plan, configs: int, *, sample: bool, out: Path) -> Forecast:
    """The forecast for `configs` configurations with images, and `sample` or not."""
    share = min(1.0, SAMPLE_ROWS / plan.rows) if sample and plan.rows else 0.0
    output = round(plan.image_bytes * (configs + share)) + plan.rows * INDEX_ROW_BYTES
    return Forecast(
        rows=plan.rows,
        images=plan.image_bytes,
        output=output,
        memory=reading_memory(source, plan) + 3 * MAX_BYTES + BASE_MEMORY,
        seconds=output / ASSUMED_SPEED,
        free=shutil.disk_usage(_existing(out)).free,
    )


def reading_memory(source: Source, plan: Plan) -> int:
    """What the hungriest unit holds: all of its files are open at once."""
    return max(
        (sum(source.files[place].memory for place in unit.files) for unit in plan.units), default=0
    )


def gigabytes(size: float) -> str:
    """`1.2 GB`, `340 MB`: decimal, as disks are sold and the Hub counts."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 1e3:.3g} kB"


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
