"""The end of a refinement: it writes sample, benchmark, index, report, card and manifest."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from mico_150k.builders import BUILDERS
from mico_150k.card.card import Card
from mico_150k.card.file import read_card
from mico_150k.core.errors import CountMismatch
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.index import INDEX_COLUMNS, count_duplicates, write_index
from mico_150k.dataset.manifest import make_manifest
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.records import FileRecord, ImageCounts, ShardRecord
from mico_150k.dataset.report import Report, by_task_and_reason, write_quarantine
from mico_150k.dataset.report_rules import read_quarantine, read_report
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.arrow import array_of
from mico_150k.io.files import write_atomically, write_json
from mico_150k.refine.assignment import RowAssignments
from mico_150k.refine.benchmark_config import carry_bench, write_bench
from mico_150k.refine.decide import Decision, removed_before
from mico_150k.refine.repack import NewShard, refine_sample

Files = dict[str, dict[str, FileRecord]]
"""Configuration → file name → its record."""


def finish_refinement(
    workspace: Workspace,
    dataset: Dataset,
    decision: Decision,
    finished: Sequence[tuple[NewShard, ShardRecord]],
    made: dict[str, Any],
) -> Report:
    """Write all files that follow from the finished shards.

    Args:
        workspace: The new dataset folder.
        dataset: The dataset that is refined.
        decision: The assignment of its rows.
        finished: The new shards with their records.
        made: The manifest's keys `build` and `commands`.

    Raises:
        CountMismatch: The rows do not add up.
    """
    shards = [shard for shard, _ in finished]
    records = [record for _, record in finished]
    folder = workspace.folder
    assignments = decision.assignments
    configs: Files = {
        config: {
            layout.shard_name(record.number, record.split): record.files[config]
            for record in records
        }
        for config in BUILDERS
        if config in dataset.manifest["configs"]
    }
    if layout.SAMPLE in dataset.manifest["configs"]:
        path = folder / layout.SAMPLE / layout.shard_name(0)
        chosen = refine_sample(dataset, assignments, path, sample_seed(dataset))
        configs[layout.SAMPLE] = {path.name: chosen}
    configs[layout.INDEX] = _write_indexes(folder, decision, shards)
    shard_bytes = made["build"]["options"]["shard_bytes"]
    now = decision.removal.entries if decision.removal else frozenset[str]()
    removed = now.union(removed_before(dataset))
    if decision.bench:
        bench = decision.bench.bench
        configs[layout.BENCH] = write_bench(folder, bench, removed, shard_bytes)
    elif layout.BENCH in dataset.manifest["configs"]:
        configs[layout.BENCH] = carry_bench(folder, dataset, now)
    report = _report(dataset, decision, folder, configs)
    _check_counts(report, records)
    write_quarantine(folder / layout.QUARANTINE, list(_quarantined(dataset, decision)))
    write_json(folder / layout.REPORT, report.to_dict())
    written = [
        {"name": layout.shard_name(record.number, record.split), "rows": record.rows}
        for record in records
    ]
    source = dataset.manifest["source"]
    manifest = make_manifest(made, source, written, configs, report)
    manifest["removed"] = sorted(removed)
    assert dataset.folder is not None
    before = read_card(DatasetFolder(dataset.folder))
    card = Card.of_folder(folder, manifest, report.to_dict(), before=before)
    write_atomically(folder / layout.CARD, card.render().text.encode())
    write_json(folder / layout.MANIFEST, manifest)
    workspace.remove_work()
    return report


def require_readable(dataset: Dataset) -> None:
    """Read, before hours of work, the files that a refinement needs at its end.

    Raises:
        BrokenFile: One of them is damaged.
        NotADataset: The report is damaged.
        NotRegular: One of them is not a regular file.
        OutsideRoot: One of them leads out of the folder.
    """
    assert dataset.folder is not None
    read_card(DatasetFolder(dataset.folder))
    read_report(dataset.folder, dataset.manifest)
    for _ in read_quarantine(dataset.folder):
        pass


def sample_seed(dataset: Dataset) -> int:
    """The seed of the build that the dataset comes from: its sample stays nearly the same."""
    options = dataset.manifest["build"]["options"]
    return int(options.get("sample_seed", options["seed"]))


def _write_indexes(
    folder: Path, decision: Decision, shards: Sequence[NewShard]
) -> dict[str, FileRecord]:
    """The index of each split: the rows as they were, each with its new place."""
    files = {}
    for split in dict.fromkeys(shard.split for shard in shards):
        path = folder / layout.INDEX / layout.shard_name(0, split)
        tables = (_moved(decision, shard) for shard in shards if shard.split == split)
        files[path.name] = write_index(tables, path)
    return files


def _moved(decision: Decision, shard: NewShard) -> pa.Table:
    """A shard's rows of the index with the places that they have now.

    A benchmark that was given is the one beside: no mark speaks of an earlier one then.
    """
    rows = len(shard.places)
    new = {
        "shard": array_of([shard.number] * rows, pa.int32()),
        "row": array_of(range(rows), pa.int32()),
    }
    if decision.bench:
        overlaps = [decision.assignments.overlaps.get(place, "") for place in shard.places]
        new["overlap"] = array_of(overlaps, pa.string())
    table = decision.assignments.index_of(shard.places)
    columns = [new.get(name, table[name]) for name in INDEX_COLUMNS]
    return pa.table(columns, schema=table.schema)


def _report(dataset: Dataset, decision: Decision, folder: Path, configs: Files) -> Report:
    """Return the report on every row of the release: before this refinement, and now."""
    assignments = decision.assignments
    assert dataset.folder is not None
    before = Report.from_dict(read_report(dataset.folder, dataset.manifest))
    skipped = [{"task": row.task, "reason": reason} for row, reason, _ in assignments.reasons()]
    now = by_task_and_reason(skipped)
    tasks = Counter(assignments.rows[place].task for place in assignments.kept())
    validation = Counter(
        assignments.rows[place].task for place in assignments.kept(layout.VALIDATION)
    )
    return Report(
        rows_read=before.rows_read,
        rows=sum(tasks.values()),
        skipped={
            task: dict(
                sorted((Counter(before.skipped.get(task, {})) + Counter(now.get(task, {}))).items())
            )
            for task in sorted({*before.skipped, *now})
        },
        tasks=dict(sorted(tasks.items())),
        images=_images(before, assignments),
        duplicates=asdict(
            count_duplicates(*(folder / layout.INDEX / name for name in configs[layout.INDEX]))
        ),
        validation=dict(sorted(validation.items())),
        bench=_of_bench(decision.bench_report() or before.bench, configs),
    )


def _of_bench(said: dict[str, Any], configs: Files) -> dict[str, Any]:
    """What is said of the benchmark, less the cases that a takedown has taken."""
    if not said or layout.BENCH not in configs:  # a download may lack it
        return {}
    cases = sum(file.rows for file in configs[layout.BENCH].values())
    skipped = Counter(said["skipped"])
    skipped[Reason.REMOVED.value] += said["cases"] - cases
    return {**said, "cases": cases, "skipped": dict(+skipped)}


def _images(before: Report, assignments: RowAssignments) -> dict[str, ImageCounts]:
    """Images by task: of the rows that stay, and of those that were ever skipped."""
    passed, changed, skipped = Counter[str](), Counter[str](), Counter[str]()
    causes: dict[str, Counter[str]] = {}
    for place, (task, actions) in enumerate(
        zip(
            assignments.index["task"].to_pylist(),
            assignments.index["actions"].to_pylist(),
            strict=True,
        )
    ):
        if assignments.split(place) is None:
            skipped[task] += len(actions)
            continue
        for action in actions:
            if action:
                changed[task] += 1
                causes.setdefault(task, Counter()).update(action.split("+"))
            else:
                passed[task] += 1
    return {
        task: ImageCounts(
            passed=passed[task],
            changed=changed[task],
            skipped=skipped[task] + (counts.skipped if counts else 0),
            re_encoded=dict(sorted(causes.get(task, {}).items())),
        )
        for task in sorted({*before.images, *passed, *changed})
        for counts in [before.images.get(task)]
    }


def _check_counts(report: Report, records: list[ShardRecord]) -> None:
    written = sum(record.rows for record in records)
    if not report.rows == written == report.rows_read - sum(report.reasons.values()):
        msg = (
            f"{counted(report.rows_read, 'row')} read, {written} of {report.rows} written, and "
            f"{sum(report.reasons.values())} skipped. This is a bug in mico-150k: please report "
            "it."
        )
        raise CountMismatch(msg)


def _quarantined(dataset: Dataset, decision: Decision) -> Iterator[dict[str, Any]]:
    """What was skipped before, and now; `config` is said of cases of the benchmark."""
    assert dataset.folder is not None
    for row in read_quarantine(dataset.folder):
        if "config" not in row or decision.bench is None:
            yield row
    yield from (row.to_dict() for row in decision.assignments.left_out())
    if decision.bench:
        yield from ({**row.to_dict(), "config": layout.BENCH} for row in decision.bench.skipped)
