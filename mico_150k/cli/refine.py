"""`mico build` of a dataset folder: another one, without what must not be in it."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from rich.table import Table

from mico_150k.build.build import BuildResult
from mico_150k.cli.terminal import progress, say, show, show_json, showing, tally
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.machine import gigabytes
from mico_150k.refine.options import OnStep, RefineOptions
from mico_150k.refine.refinement import Refinement

OF_A_DATASET = "Of a dataset folder"
"""The help's panel for the options that need one."""


def refine(
    dataset: str,
    out: Path,
    options: RefineOptions,
    tolerance: float,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make another dataset folder of one."""
    options.require_something(dataset)
    started = time.monotonic()
    say("reading the index of {}", dataset)
    with _steps("looking at") as on_step:
        planned = Refinement.prepare(dataset, out, options, tolerance=tolerance, on_step=on_step)
    fates = planned.decision.fates
    say(
        "{} of {} rows stay, {} of them for validation → {} shards, {} of them links; "
        "about {} to write in {}",
        len(fates.kept()),
        len(fates.rows),
        len(fates.kept(layout.VALIDATION)),
        len(planned.shards),
        planned.linked,
        gigabytes(planned.bytes_to_write()),
        out,
    )
    with progress("building") as on_progress:
        result = planned.run(overwrite=overwrite, on_progress=on_progress)
    # Most of the time goes by before the first shard, where pictures are looked at.
    result = replace(result, seconds=time.monotonic() - started)
    with showing():
        if as_json:
            plain = {**asdict(result), "folder": str(result.folder)}
            show_json({**plain, "linked": planned.linked, "dataset_rows": len(fates.rows)})
        else:
            show(_splits(result.folder))
    _say_refined(result, planned)


@contextmanager
def _steps(title: str) -> Iterator[OnStep]:
    """A `tally` of each thing that is looked at, one after the other."""
    with ExitStack() as stack:
        counted = ""
        count: Callable[[int, int], None]

        def step(things: str, done: int, total: int) -> None:
            nonlocal counted, count
            if things != counted:
                stack.close()
                counted, count = things, stack.enter_context(tally(title, things))
            count(done, total)

        yield step


def _splits(folder: Path) -> Table:
    """What `load_dataset` finds: configurations, splits, rows."""
    table = Table(title=f'load_dataset("{folder}", configuration, split=split)')
    for column in ("configuration", "split", "rows", "files"):
        table.add_column(
            column, justify="left" if column in {"configuration", "split"} else "right"
        )
    dataset = DatasetFolder(folder)
    for config, records in dataset.manifest["configs"].items():
        for split, files in dataset.splits(config).items():
            rows = sum(records[file.name]["rows"] for file in files)
            table.add_row(config, split, str(rows), str(len(files)))
    return table


def _say_refined(result: BuildResult, planned: Refinement) -> None:
    left_out: dict[str, int] = {}
    for _, reason, _ in planned.decision.fates.reasons():
        left_out[reason.value] = left_out.get(reason.value, 0) + 1
    reasons = "".join(f", {rows} {reason}" for reason, rows in left_out.items())
    marked = len(planned.decision.fates.overlaps)
    say(
        "[green]done[/green]: {} rows read, {} written, {} left out{}{}; {} of {} shards linked, "
        "{} in {}, {} s{}",
        len(planned.decision.fates.rows),
        result.report.rows,
        sum(left_out.values()),
        reasons,
        f", {marked} marked" if marked else "",
        planned.linked,
        result.shards,
        gigabytes(result.bytes),
        result.folder,
        f"{result.seconds:.1f}",
        f" ({result.resumed} of {result.shards} shards were there)" if result.resumed else "",
    )
    if layout.CODES in planned.dataset.configs:
        say(
            "{} is left out, since rows are: `mico pretokenize {}` makes it again",
            layout.CODES,
            result.folder,
        )
