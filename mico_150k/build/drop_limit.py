"""Counts a build's progress, and stops it when too many rows are skipped."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from mico_150k.build.plan import Plan
from mico_150k.build.worker import GroupProgress, ReadProgress
from mico_150k.core.errors import TooManySkipped
from mico_150k.core.plural import counted
from mico_150k.core.progress import Progress
from mico_150k.core.reasons import Reason
from mico_150k.dataset.records import ShardRecord

TOLERANCE = 0.01
"""The fraction of rows that may be skipped before a build stops."""


class DropLimit:
    """Adds up the progress of all units, and stops the build when too many rows are skipped."""

    def __init__(
        self,
        plan: Plan,
        tolerance: float,
        finished: Iterable[ShardRecord] = (),
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Start counting.

        Args:
            plan: The build's plan.
            tolerance: The fraction of rows that may be skipped.
            finished: The shards from earlier runs.
            on_progress: Called with the progress.
        """
        self._plan = plan
        self._tolerance = tolerance
        self._on_progress = on_progress
        self._rows = self._written = self._read = 0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, dict[str, Any]] = {}
        for record in finished:
            self._rows += record.rows_read
            self._reasons.update(row["reason"] for row in record.skipped)
            self._examples.update({row["reason"]: row for row in record.skipped})

    def begin(self) -> None:
        """Report the beginning: reading the first row group may take long."""
        self._tell()

    def on_group(self, group: GroupProgress | ReadProgress) -> None:
        """Count one row group, or the bytes read for one; raises `TooManySkipped`."""
        if isinstance(group, ReadProgress):
            self._read += group.image_bytes
            self._tell()
            return
        self._rows += group.rows_read
        self._written += group.image_bytes
        self._reasons.update(row.reason.value for row in group.skipped)
        self._examples.update({row.reason.value: row.to_dict() for row in group.skipped})
        self.check()
        self._tell()

    def _tell(self) -> None:
        """Report the progress to the caller."""
        # Images of skipped rows are read and not written, and the last words of a reader may lack.
        self._read = max(self._read, self._written)
        self._on_progress(
            Progress(
                rows=self._rows,
                total_rows=self._plan.rows,
                written=self._written,
                total_bytes=self._plan.image_bytes,
                skipped=self._reasons.total(),
                read=self._read,
            )
        )

    def check(self) -> None:
        """Raise `TooManySkipped` if more rows are skipped than is allowed."""
        total = self._reasons.total()
        if total > self._tolerance * self._plan.rows:
            raise self._too_many(total)

    def _too_many(self, total: int) -> TooManySkipped:
        reason, count = self._reasons.most_common(1)[0]
        example = self._examples[reason]
        image = f", image {example['image']}" if example["image"] is not None else ""
        return TooManySkipped(
            f"{total:,} of {counted(self._rows, 'row')} so far cannot be used, more than the "
            f"allowed {self._tolerance:.2%} of {counted(self._plan.rows, 'row')}.\n"
            f"Most often: {reason} ({Reason(reason).meaning}), {counted(count, 'row')}; the "
            f"latest is {example['file']}, row {example['row']}{image}: "
            f"{example['detail'] or example['reason']}\n"
            "`mico inspect SOURCE --images` lists them all. To continue without them: "
            f"--tolerance {min(1, max(0.05, 2 * total / self._plan.rows)):.2f}"
        )
