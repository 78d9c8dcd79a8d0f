"""`mico inspect` for a source: from footers and a few page headers, or from all images."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.build.build import CONFIGS, BuildOptions
from mico_150k.build.forecast import Forecast, make_forecast
from mico_150k.build.plan import Plan, make_plan
from mico_150k.build.worker import unit_rows
from mico_150k.core.errors import SourceError
from mico_150k.core.plural import counted
from mico_150k.core.progress import Progress
from mico_150k.core.sample import SkippedRow
from mico_150k.dataset import layout
from mico_150k.dataset.index import Duplicates, Repeats
from mico_150k.dataset.records import ImageCounts, ShardStats
from mico_150k.images.header import Verify
from mico_150k.sources import ReadOptions, Source, open_source
from mico_150k.sources.validate import RowValidator


@dataclass(frozen=True, slots=True, repr=False)
class SourceInspection:
    """The facts from a source's headers.

    Attributes:
        problems: The errors at which a build would stop.
        images: The result of reading every image, if that was requested.
    """

    location: str
    kind: str
    files: list[dict[str, Any]]
    tasks: dict[str, dict[str, int]]
    rows: int
    image_bytes: int
    shards: int
    forecast: Forecast | None
    problems: list[str]
    images: "ImageInspection | None" = None

    def __repr__(self) -> str:
        """The inspection in one line."""
        return (
            f"<{type(self).__name__} {self.location}: {self.kind}, "
            f"{counted(len(self.files), 'file')}, "
            f"{counted(self.rows, 'row')}, {counted(len(self.problems), 'problem')}>"
        )


@dataclass(frozen=True, slots=True)
class ImageInspection:
    """The result of reading every image.

    Attributes:
        skipped: The rows that a build would skip.
        reasons: Their numbers by reason, the most common first.
    """

    rows: int
    images: dict[str, ImageCounts]
    duplicates: Duplicates
    reasons: dict[str, int]
    skipped: list[dict[str, Any]]


def inspect_source(
    location: str, reading: ReadOptions
) -> tuple[SourceInspection, Source, Plan | None]:
    """Inspect a source by its headers.

    Args:
        location: The source, as `open_source` takes it.
        reading: How to read it.

    Returns:
        The inspection, which lists errors of single files as problems; the open source; and the
        plan of a build, None if it cannot be built.

    Raises:
        SourceNotFound: There is nothing at the location.
        EmptySource: It has no file of a source.
    """
    problems: list[SourceError] = []
    source = open_source(location, reading, problems)
    plan = forecast = None
    try:
        plan = make_plan(source)
        configs = len(BuildOptions().with_images)
        forecast = make_forecast(
            source, plan, configs, sample=layout.SAMPLE in CONFIGS, out=Path.cwd()
        )
    except SourceError as error:
        problems.append(error)
    tasks: dict[str, dict[str, int]] = {}
    for file in plan.files if plan else ():
        for task, rows in file.tasks.items():
            of_task = tasks.setdefault(task.value, {"files": 0, "rows": 0, "image_bytes": 0})
            of_task["files"] += 1
            of_task["rows"] += rows
            of_task["image_bytes"] += file.image_bytes * rows // file.rows
    inspection = SourceInspection(
        location=location,
        kind=source.kind,
        files=[file.describe() for file in source.files],
        tasks=dict(sorted(tasks.items())),
        rows=sum(file.rows for file in source.files),
        image_bytes=sum(file.image_bytes for file in source.files),
        shards=plan.shards if plan else 0,
        forecast=forecast,
        problems=[str(error) for error in problems],
    )
    return inspection, source, plan


def inspect_images(
    source: Source, plan: Plan, verify: Verify, on_progress: Callable[[Progress], None]
) -> ImageInspection:
    """Read every image as a build would, without writing anything."""
    validator = RowValidator(verify)
    tally = ShardStats()
    repeats = Repeats()
    seen = 0
    for unit in plan.units:
        for row in validator.examine(unit_rows(source, plan, unit)):
            tally.add(row)
            if isinstance(row, SkippedRow):
                continue
            seen += row.num_bytes
            repeats.add(row)
            on_progress(
                Progress(tally.rows_read, plan.rows, seen, plan.image_bytes, len(tally.skipped))
            )
    return ImageInspection(
        rows=tally.rows_read,
        images=tally.images(),
        duplicates=repeats.count(),
        reasons=dict(Counter(row.reason.value for row in tally.skipped).most_common()),
        skipped=[row.to_dict() for row in tally.skipped],
    )
