"""The end of a build: it writes the small configurations, report and card, then the manifest."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from mico_150k.build.plan import Plan
from mico_150k.build.sample_config import join_sample
from mico_150k.builders import BUILDERS
from mico_150k.card.card import Card
from mico_150k.card.text import CardText
from mico_150k.core.errors import BrokenFile, CountMismatch
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.dataset.index import count_duplicates, join_index
from mico_150k.dataset.manifest import make_manifest
from mico_150k.dataset.records import ShardRecord, sum_images
from mico_150k.dataset.report import Report, by_task_and_reason, write_quarantine
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.files import write_atomically, write_json


def finish(
    workspace: Workspace,
    plan: Plan,
    made: dict[str, Any],
    records: list[ShardRecord],
    *,
    with_sample: bool,
) -> Report:
    """Write all files that follow from the finished shards.

    Args:
        workspace: The dataset folder.
        plan: The build's plan.
        made: The manifest's keys `build` (the identity) and `commands`.
        records: All finished shards.
        with_sample: Whether to write the configuration `sample`.

    Raises:
        CountMismatch: Rows written and skipped do not add up to the rows read.
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
    skipped = [row for record in records for row in record.skipped]
    report = Report(
        rows_read=sum(record.rows_read for record in records),
        rows=sum(record.rows for record in records),
        skipped=by_task_and_reason(skipped),
        tasks=dict(sorted(sum((Counter(record.tasks) for record in records), Counter()).items())),
        images=sum_images(records),
        duplicates=asdict(count_duplicates(index)),
    )
    write_quarantine(folder / layout.QUARANTINE, skipped)
    write_json(folder / layout.REPORT, report.to_dict())
    source = [
        {"name": file.name, "rows": file.rows, "content_hash": file.content_hash}
        for file in plan.files
    ]
    shards = [
        {
            "name": layout.shard_name(record.number),
            "rows_read": record.rows_read,
            "rows": record.rows,
            "skipped": len(record.skipped),
        }
        for record in records
    ]
    manifest = make_manifest(made, source, shards, configs, report)
    card = Card.of_folder(folder, manifest, report.to_dict(), before=CardText(""))
    card = card.with_license(workspace.license)
    write_atomically(folder / layout.CARD, card.render().text.encode())
    workspace.keep_mtime_tokens()
    write_json(folder / layout.MANIFEST, manifest)
    workspace.remove_work()
    return report


@contextmanager
def _damaged_parts(config: str) -> Iterator[None]:
    """Turn pyarrow's error about a part that was damaged on disk into one with advice."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's word, and not pyarrow's
            raise
        msg = (
            f"a part of {config} is damaged: {error}\n"
            "Re-run the command with --recheck: it finds the shard and rebuilds it."
        )
        raise BrokenFile(msg) from error


def _check_counts(plan: Plan, records: list[ShardRecord]) -> None:
    read = sum(record.rows_read for record in records)
    written = sum(record.rows for record in records)
    skipped = sum(len(record.skipped) for record in records)
    if not plan.rows == read == written + skipped or len(records) != plan.shards:
        msg = (
            f"the source has {counted(plan.rows, 'row')}; {read} read, {written} written and "
            f"{skipped} skipped, in {len(records)} of {counted(plan.shards, 'shard')}. This is a "
            "bug in mico-150k: please report it."
        )
        raise CountMismatch(msg)
