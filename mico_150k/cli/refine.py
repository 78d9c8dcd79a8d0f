"""`mico refine`."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mico_150k.api.refine import refine_dataset
from mico_150k.build.build import BuildResult
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.cli.build_result import resumed_in_words, rows_in_words
from mico_150k.cli.clock import elapsed
from mico_150k.cli.options import AsJson, Where
from mico_150k.cli.terminal import progress, say, show, show_json, showing, tally
from mico_150k.cli.unused import is_given, refuse
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.machine import gigabytes
from mico_150k.refine.options import OnStep
from mico_150k.refine.refinement import Refinement
from mico_150k.refine.validation_split import MAX_LOSS


def refine(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="A dataset folder on this machine.")],
    out: Annotated[str, typer.Option(metavar="FOLDER", help="The folder to write.")],
    remove: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST",
            help="A takedown list: a file with a row's id or an image's digest on each line.",
        ),
    ] = None,
    where: Where = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="ROWS", help="Keep that many rows at random.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            metavar="MICO_BENCH",
            help="Drop the rows that are in the benchmark, and add it as the configuration "
            "`bench`.",
        ),
    ] = None,
    mark: Annotated[
        bool,
        typer.Option("--mark", help="Keep those rows, and name them in `overlap` of `index`."),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Compare images by their bytes alone; none is decoded."),
    ] = False,
    validation: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="ROWS",
            help="Move that many rows of all tasks to a split `validation`, and drop rows that "
            "share an input image with them.",
        ),
    ] = None,
    max_loss: Annotated[
        float,
        typer.Option(min=0, max=1, help="The share of rows that --validation may cost."),
    ] = MAX_LOSS,
    seed: Annotated[int, typer.Option(help="Decides --sample and --validation.")] = 0,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Stop when more than this share of the benchmark is unusable."
        ),
    ] = TOLERANCE,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another dataset in the folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Derive a dataset from an existing one: decontaminated, split, filtered, or rows taken down.

    Shards that stay as they are become links. Re-run the command to resume after an interruption.
    """
    if not is_given(context, "benchmark"):
        refuse(context, ("mark", "exact", "tolerance"), "--benchmark: what is found of it.")
    if not is_given(context, "validation"):
        refuse(context, ("max_loss",), "--validation: how many rows such a split may cost.")
        if not is_given(context, "sample"):
            refuse(context, ("seed",), "--sample and --validation.")
    planned: list[Refinement] = []

    def say_outlook(refinement: Refinement) -> None:
        planned.append(refinement)
        _say_outlook(refinement)

    say("reading the index of {}", dataset)
    with _steps("comparing") as on_step, progress("refining") as on_progress:
        result = refine_dataset(
            dataset,
            out,
            remove=remove,
            where=where,
            sample=sample,
            benchmark=benchmark,
            mark=mark,
            exact=exact,
            validation=validation,
            max_loss=max_loss,
            seed=seed,
            tolerance=tolerance,
            overwrite=overwrite,
            on_step=on_step,
            on_outlook=say_outlook,
            on_progress=on_progress,
        )
    (refinement,) = planned
    with showing():
        if as_json:
            rows = len(refinement.decision.assignments.rows)
            show_json({**asdict(result), "linked": refinement.linked, "dataset_rows": rows})
        else:
            show(_splits(result.folder))
    _say_refined(result, refinement)


def _say_outlook(planned: Refinement) -> None:
    assignments = planned.decision.assignments
    say(
        "{} of {} stay, {} of them for validation → {}, {} of them links; about {} to write in {}",
        f"{len(assignments.kept()):,}",
        counted(len(assignments.rows), "row"),
        f"{len(assignments.kept(layout.VALIDATION)):,}",
        counted(len(planned.shards), "shard"),
        planned.linked,
        gigabytes(planned.bytes_to_write()),
        planned.out,
    )


@contextmanager
def _steps(title: str) -> Iterator[OnStep]:
    """Show a `tally` for each comparison, one after the other."""
    with ExitStack() as stack:
        counted = ""
        count: Callable[[int, int], None]

        def step(things: str, done: int, total: int) -> None:
            nonlocal counted, count
            if things != counted:
                stack.close()
                counted, count = things, stack.enter_context(tally(title, things))
            count(done, total)
            if done == total:  # its bar must go before the next bar and before the shards' own
                stack.close()
                counted = ""

        yield step


def _splits(folder: Path) -> Table:
    """Return a table of what `load_dataset` finds: configurations, splits, rows."""
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
    assignments = planned.decision.assignments
    skipped = Counter(reason.value for _, reason, _ in assignments.reasons())
    marked = len(assignments.overlaps)
    say(
        "[green]done[/green]: {}{}; {} of {} linked, {} in {}, {}{}",
        rows_in_words(len(assignments.rows), result.report.rows, skipped),
        f", {marked:,} marked" if marked else "",
        planned.linked,
        counted(result.shards, "shard"),
        gigabytes(result.bytes),
        result.location,
        elapsed(),
        resumed_in_words(result.resumed, result.shards),
    )
    if layout.CODES in planned.dataset.configs:
        say(
            "{} is not carried over, since rows change: `mico pretokenize {}` makes it again",
            layout.CODES,
            result.location,
        )
