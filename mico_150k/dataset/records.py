"""The records of a build: one for each shard, and their sums."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from mico_150k.core.sample import Sample, SkippedRow
from mico_150k.dataset import layout

_CONFIG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One Parquet file. `arrow_bytes` is its size in memory, as a card's `dataset_size` counts."""

    bytes: int
    sha256: str
    rows: int
    row_groups: int
    arrow_bytes: int


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """Images of the rows of one task.

    `re_encoded` counts by cause; an image with two causes counts in both, once in
    `changed`. `skipped` are images of rows that were not written.
    """

    passed: int = 0
    changed: int = 0
    skipped: int = 0
    re_encoded: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """One shard in all its configurations. `files` are by configuration, `images` by task.

    `parts` are what it leaves of the small configurations until they are joined.
    """

    number: int
    rows_read: int
    rows: int
    tasks: dict[str, int]
    images: dict[str, ImageCounts]
    files: dict[str, FileRecord]
    skipped: tuple[dict[str, Any], ...]
    split: str = layout.SPLIT
    parts: dict[str, FileRecord] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "ShardRecord":
        """What `to_dict` made. Raises KeyError, TypeError and ValueError on anything else."""
        for config in (*plain["files"], *plain["parts"]):
            if not _CONFIG.fullmatch(config):  # it becomes a folder's name
                msg = f"there is no configuration {config!r}"
                raise ValueError(msg)
        return cls(
            number=plain["number"],
            rows_read=plain["rows_read"],
            rows=plain["rows"],
            tasks=plain["tasks"],
            images={task: ImageCounts(**counts) for task, counts in plain["images"].items()},
            files={config: FileRecord(**file) for config, file in plain["files"].items()},
            skipped=tuple(plain["skipped"]),
            split=plain["split"],
            parts={config: FileRecord(**part) for config, part in plain["parts"].items()},
        )


class ShardStats:
    """Counts rows and images while a shard is written."""

    def __init__(self) -> None:
        """Nothing counted yet."""
        self.tasks: Counter[str] = Counter()
        self.skipped: list[SkippedRow] = []
        self._passed: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()
        self._skipped_images: Counter[str] = Counter()
        self._causes: dict[str, Counter[str]] = {}

    @property
    def rows_read(self) -> int:
        """Rows that were counted: written, or skipped."""
        return self.tasks.total() + len(self.skipped)

    def add(self, row: Sample | SkippedRow) -> None:
        """Count a row that was read."""
        if isinstance(row, SkippedRow):
            self.skipped.append(row)
            self._skipped_images[row.task.value] += row.images
        else:
            self._count(row)

    def record(
        self,
        number: int,
        files: dict[str, FileRecord],
        split: str = layout.SPLIT,
        parts: dict[str, FileRecord] | None = None,
    ) -> ShardRecord:
        """What was counted, as the record of a shard that consists of `files` and `parts`."""
        return ShardRecord(
            number=number,
            rows_read=self.rows_read,
            rows=self.tasks.total(),
            tasks=dict(sorted(self.tasks.items())),
            images=self.images(),
            files=files,
            skipped=tuple(row.to_dict() for row in self.skipped),
            split=split,
            parts=parts or {},
        )

    def _count(self, sample: Sample) -> None:
        task = sample.task.value
        self.tasks[task] += 1
        for image in sample.images:
            if image.actions:
                self._changed[task] += 1
                self._causes.setdefault(task, Counter()).update(image.actions)
            else:
                self._passed[task] += 1

    def images(self) -> dict[str, ImageCounts]:
        """Image counts by task."""
        tasks = sorted({*self._passed, *self._changed, *self._skipped_images})
        return {
            task: ImageCounts(
                passed=self._passed[task],
                changed=self._changed[task],
                skipped=self._skipped_images[task],
                re_encoded=dict(sorted(self._causes.get(task, {}).items())),
            )
            for task in tasks
        }


def sum_images(records: Iterable[ShardRecord]) -> dict[str, ImageCounts]:
    """Image counts by task over all shards."""
    total: dict[str, ImageCounts] = {}
    for record in records:
        for task, counts in record.images.items():
            before = total.get(task, ImageCounts())
            total[task] = ImageCounts(
                passed=before.passed + counts.passed,
                changed=before.changed + counts.changed,
                skipped=before.skipped + counts.skipped,
                re_encoded=dict(
                    sorted((Counter(before.re_encoded) + Counter(counts.re_encoded)).items())
                ),
            )
    return dict(sorted(total.items()))
