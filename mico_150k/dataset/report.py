"""`report.json`, which accounts for every row, and `quarantine.jsonl`, which lists skipped ones."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.records import ImageCounts
from mico_150k.dataset.report_rules import read_report
from mico_150k.io.files import write_atomically
from mico_150k.io.json_lines import to_json_lines


@dataclass(frozen=True, slots=True)
class Report:
    """The account of all rows and images: `report.json`, and what `mico build` prints.

    Attributes:
        skipped: Rows skipped, by task, then by reason.
        tasks: Rows written, by task.
        images: Images, by task.
        validation: The rows of the split `validation`, by task.
        bench: What was read of MICo-Bench, and the rows in it by how they were found.
    """

    rows_read: int
    rows: int
    skipped: dict[str, dict[str, int]]
    tasks: dict[str, int]
    images: dict[str, ImageCounts]
    duplicates: dict[str, int]
    validation: dict[str, int] = field(default_factory=dict)
    bench: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @property
    def reasons(self) -> dict[str, int]:
        """Rows skipped by reason, over all tasks, the most common first."""
        return dict(sum(map(Counter, self.skipped.values()), Counter()).most_common())

    @classmethod
    def of_folder(cls, folder: Path) -> "Report":
        """The report of a finished build. Raises `NotADataset` where it is damaged."""
        return cls.from_dict(read_report(folder, DatasetFolder(folder).manifest))

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Report":
        """What `to_dict` made."""
        images = {task: ImageCounts(**counts) for task, counts in plain["images"].items()}
        return cls(**{**plain, "images": images})


def by_task_and_reason(skipped: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Rows skipped by task, then by reason."""
    counts = Counter((row["task"], row["reason"]) for row in skipped)
    by_task: dict[str, dict[str, int]] = {}
    for (task, reason), rows in sorted(counts.items()):
        by_task.setdefault(task, {})[reason] = rows
    return by_task


def write_quarantine(path: Path, skipped: list[dict[str, Any]]) -> None:
    """A line for each row; no file where there is none."""
    if skipped:
        write_atomically(path, to_json_lines(dict(sorted(row.items())) for row in skipped))
    else:
        path.unlink(missing_ok=True)
