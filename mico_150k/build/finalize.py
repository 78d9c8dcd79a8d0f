"""The end of a build: the small configurations, the report, the card, and last the manifest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from mico_150k.build.plan import Plan
from mico_150k.build.sample_config import join_sample
from mico_150k.builders import BUILDERS
from mico_150k.card.card import Card
from mico_150k.card.text import CardText
from mico_150k.core.errors import BrokenFile, CountMismatch
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.index import count_duplicates, join_index
from mico_150k.dataset.records import FileRecord, ImageCounts, ShardRecord, sum_images
from mico_150k.dataset.report_rules import read_report
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.files import write_atomically, write_json
from mico_150k.io.json_lines import to_json_lines


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every row and image; `report.json`, and what `mico build` prints.

    `left_out` are rows by task, then by reason; `tasks` are rows written, and `images` images,
    by task. Of the rows written, `validation` are those of that split, by task. `bench` says
    what was read of MICo-Bench, and how many rows are in it by how they were found.
    """

    rows_read: int
    rows: int
    left_out: dict[str, dict[str, int]]
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
        """Rows left out by reason, over all tasks, the most common first."""
        return dict(sum(map(Counter, self.left_out.values()), Counter()).most_common())

    @classmethod
    def of_folder(cls, folder: Path) -> "Report":
        """The report of a finished build. Raises `NotADataset` where it is damaged."""
        return cls.from_dict(read_report(folder, DatasetFolder(folder).manifest))

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Report":
        """What `to_dict` made."""
        images = {task: ImageCounts(**counts) for task, counts in plain["images"].items()}
        return cls(**{**plain, "images": images})


def finish(
    workspace: Workspace,
    plan: Plan,
    made: dict[str, Any],
    records: list[ShardRecord],
    *,
    with_sample: bool,
) -> Report:
    """Write all that follows from the finished shards. Raises `CountMismatch`.

    `made` is what the manifest says of how: the identity as `build`, and the `commands`.
    """
    _check_counts(plan, records)
    folder = workspace.folder
    first = layout.shard_name(0)
    configs = {
        config: {layout.shard_name(record.number): record.files[config] for record in records}
        for config in BUILDERS
        if config in records[0].files
    }
    if with_sample:
        parts = [workspace.part(layout.SAMPLE, record.number) for record in records]
        with _damaged_parts(layout.SAMPLE):
            configs[layout.SAMPLE] = {
                first: join_sample(parts, folder / layout.SAMPLE / first, plan)
            }
    index = folder / layout.INDEX / first
    parts = [workspace.part(layout.INDEX, record.number) for record in records]
    with _damaged_parts(layout.INDEX):
        configs[layout.INDEX] = {first: join_index(parts, index)}
    left_out = [row for record in records for row in record.left_out]
    report = Report(
        rows_read=sum(record.rows_read for record in records),
        rows=sum(record.rows for record in records),
        left_out=by_task_and_reason(left_out),
        tasks=dict(sorted(sum((Counter(record.tasks) for record in records), Counter()).items())),
        images=sum_images(records),
        duplicates=asdict(count_duplicates(index)),
    )
    write_quarantine(folder / layout.QUARANTINE, left_out)
    write_json(folder / layout.REPORT, report.to_dict())
    source = [
        {"name": file.name, "rows": file.rows, "content": file.content} for file in plan.files
    ]
    shards = [
        {
            "name": layout.shard_name(record.number),
            "rows_read": record.rows_read,
            "rows": record.rows,
            "left_out": len(record.left_out),
        }
        for record in records
    ]
    manifest = make_manifest(made, source, shards, configs, report)
    card = Card.of_folder(folder, manifest, report.to_dict(), before=CardText(""))
    card = card.with_licence(workspace.licence)
    write_atomically(folder / layout.CARD, card.render().text.encode())
    workspace.keep_stamps()
    write_json(folder / layout.MANIFEST, manifest)
    workspace.remove_work()
    return report


@contextmanager
def _damaged_parts(config: str) -> Iterator[None]:
    """What pyarrow says of a part whose bytes have changed on the disk, with the way out."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's word, and not pyarrow's
            raise
        msg = (
            f"a part of {config} is damaged: {error}\n"
            "The same command with --recheck finds it, and builds its shard again."
        )
        raise BrokenFile(msg) from error


def _check_counts(plan: Plan, records: list[ShardRecord]) -> None:
    read = sum(record.rows_read for record in records)
    written = sum(record.rows for record in records)
    left_out = sum(len(record.left_out) for record in records)
    if not plan.rows == read == written + left_out or len(records) != plan.shards:
        msg = (
            f"the source has {plan.rows} rows; {read} were read, {written} written and "
            f"{left_out} left out, in {len(records)} of {plan.shards} shards. "
            "This is a fault in mico-150k: please report it."
        )
        raise CountMismatch(msg)


def by_task_and_reason(left_out: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Rows left out by task, then by reason."""
    counts = Counter((row["task"], row["reason"]) for row in left_out)
    by_task: dict[str, dict[str, int]] = {}
    for (task, reason), rows in sorted(counts.items()):
        by_task.setdefault(task, {})[reason] = rows
    return by_task


def write_quarantine(path: Path, left_out: list[dict[str, Any]]) -> None:
    """A line for each row; no file where there is none."""
    if left_out:
        write_atomically(path, to_json_lines(dict(sorted(row.items())) for row in left_out))
    else:
        path.unlink(missing_ok=True)


def make_manifest(
    made: dict[str, Any],
    source: list[dict[str, Any]],
    shards: list[dict[str, Any]],
    configs: Mapping[str, Mapping[str, FileRecord]],
    report: Report,
) -> dict[str, Any]:
    """What is in a dataset folder, by file, and what it was made of."""
    return {
        "format": layout.MANIFEST_FORMAT,
        **made,
        "rows_read": report.rows_read,
        "rows": report.rows,
        "left_out": report.reasons,
        "source": source,
        "shards": shards,
        "configs": {
            config: {name: asdict(file) for name, file in sorted(files.items())}
            for config, files in configs.items()
        },
    }
