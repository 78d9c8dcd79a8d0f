"""`mico inspect`."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from string import digits
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mico_150k.api.inspect import inspect_source
from mico_150k.cli.inspect_dataset import find_dataset, show_dataset
from mico_150k.cli.options import (
    AllowOutside,
    AsJson,
    Exclude,
    Map,
    TaskMap,
    VerifyOption,
    make_reading,
)
from mico_150k.cli.terminal import duration, make_table, progress, say, show, show_json
from mico_150k.cli.unused import refuse, refuse_others
from mico_150k.core.errors import SourceError
from mico_150k.core.plural import counted
from mico_150k.images.header import Verify
from mico_150k.io.machine import gigabytes
from mico_150k.sources import DEMO

if TYPE_CHECKING:
    from mico_150k.dataset.records import ImageCounts
    from mico_150k.inspection.source import ImageInspection, SourceInspection

MOST_LISTED = 20
"""The most skipped rows that are listed one by one; `--json` has them all."""


def inspect(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE|DATASET",
            help="A source or a dataset: a folder, `USER/NAME` on the Hub (with `@revision`), or "
            "a URL. `demo` is built in.",
        ),
    ] = DEMO,
    images: Annotated[
        bool,
        typer.Option(
            "--images", help="Read every image, and say which would be re-encoded or skipped."
        ),
    ] = False,
    map_: Map = None,
    task_map: TaskMap = None,
    exclude: Exclude = None,
    allow_outside: AllowOutside = False,
    verify: VerifyOption = Verify.STRUCTURE,
    plots: Annotated[
        bool,
        typer.Option(
            "--plots",
            help="For a dataset: write plots and a collage for its card into its `assets/`.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is in a source and what a build of it needs, or what is in a dataset.

    For a source, it reads only headers: megabytes of a terabyte, also over the network. The exit
    status is 1 if a build would stop. For a dataset, it reads only the manifest and `index`, and
    shows rows, sizes, lengths, reuse, and the rows that each trainer's limits skip.
    """
    if not images:
        refuse(context, ("verify",), "--images.")
    if dataset := find_dataset(source):
        refuse_others(
            context,
            ("source", "plots", "as_json"),
            f"a source; {source} is a dataset, whose images were checked when it was built.",
        )
        show_dataset(dataset, plots=plots, as_json=as_json)
        return
    refuse(
        context,
        ("plots",),
        f"a finished dataset, which {source} is not.",
    )
    reading = make_reading(map_, task_map, exclude, allow_outside=allow_outside)
    say("reading headers of {}", source)
    with progress("reading images") as on_progress:
        inspection = inspect_source(
            source,
            columns=reading.columns,
            tasks=reading.tasks,
            exclude=reading.exclude,
            allow_outside=allow_outside,
            images=images,
            verify=verify.value,
            on_progress=on_progress,
        )
    if as_json:
        show_json(asdict(inspection))
    else:
        _show_source(inspection)
        if inspection.images:
            _show_images(inspection.images)
    for problem in inspection.problems:
        say("[red]wrong[/red]  {}", problem)
    if inspection.problems:
        msg = f"{counted(len(inspection.problems), 'problem')} that a build would stop at."
        raise SourceError(msg)


def _show_source(inspection: "SourceInspection") -> None:
    show(
        f"{inspection.location}: {inspection.kind}, {counted(len(inspection.files), 'file')}, "
        f"{counted(inspection.rows, 'row')}, {gigabytes(inspection.image_bytes)} of images"
    )
    show(_task_table(inspection))
    for shape, files in _by_shape(inspection.files).items():
        show(f"{counted(len(files), 'file')} with {shape}")
        for line in folded(files[0].get("columns", {})):
            show(f"    {line}")
        if len(files) > 1:
            show(f"    such as {files[0]['file']}")
    show(_file_table(inspection.files))
    if forecast := inspection.forecast:
        free = "" if forecast.free is None else f" ({gigabytes(forecast.free)} are free here)"
        show(
            f"a build of all configurations: {counted(inspection.shards, 'shard')}, "
            f"{gigabytes(forecast.output)} on disk{free}, about "
            f"{gigabytes(forecast.memory)} memory and {duration(forecast.seconds)} of one worker"
        )


def _task_table(inspection: "SourceInspection") -> Table:
    table = make_table("task", "files", "rows", "images")
    for task, counts in inspection.tasks.items():
        table.add_row(
            task, str(counts["files"]), str(counts["rows"]), gigabytes(counts["image_bytes"])
        )
    return table


def _by_shape(files: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        groups.setdefault(file["shape"], []).append(file)
    return groups


def folded(columns: dict[str, str]) -> Iterator[str]:
    """Yield a line per column; columns of one kind that differ only in their number share one."""

    def family(column: str) -> tuple[str, str]:
        return column.rstrip(digits), columns[column]

    for (_, kind), members in groupby(columns, key=family):
        first, *others = members
        yield f"{first} … {others[-1]}: {kind}" if others else f"{first}: {kind}"


def _file_table(files: list[dict[str, Any]]) -> Table:
    """Return a table of the files that take the most memory to read."""
    table = make_table(
        "file",
        "task",
        "rows",
        "row groups",
        "largest group",
        "image pages",
        "largest page",
        "memory",
        text=("task",),
    )
    by_memory = sorted(files, key=lambda file: (-file["memory_bytes"], file["file"]))
    for file in by_memory[:MOST_LISTED]:
        pages = file.get("image_pages")
        table.add_row(
            file["file"],
            file["task"] or "by row",
            str(file["rows"]),
            str(file.get("row_groups", "")),
            gigabytes(file["largest_row_group_bytes"]) if pages else "",
            f"{'' if file['image_pages_counted'] else '~'}{pages}" if pages else "",
            gigabytes(file["largest_page_bytes"]) if pages else "",
            gigabytes(file["memory_bytes"]),
        )
    if len(files) > MOST_LISTED:
        table.add_row(f"and {len(files) - MOST_LISTED} more", *[""] * 7)
    return table


def _show_images(found: "ImageInspection") -> None:
    table = make_table(
        "task", "as they are", "re-encoded", "causes", "in skipped rows", text=("causes",)
    )
    for task, counts in found.images.items():
        table.add_row(
            task, str(counts.passed), str(counts.changed), _causes(counts), str(counts.skipped)
        )
    show(table)
    same = found.duplicates
    show(
        f"{counted(same.images, 'image')}, {same.unique_images:,} of them different, "
        f"{same.shared_images:,} used more than once; "
        f"{counted(same.identical_rows, 'row repeats', 'rows repeat')} another"
    )
    reasons = "".join(f", {rows} {reason}" for reason, rows in found.reasons.items())
    read = counted(found.rows, "row")
    show(f"{read} read, {len(found.skipped):,} would be skipped{reasons}")
    for row in found.skipped[:MOST_LISTED]:
        image = f", image {row['image']}" if row["image"] is not None else ""
        show(f"    {row['file']}, row {row['row']}{image}: {row['reason']} {row['detail']}")
    if len(found.skipped) > MOST_LISTED:
        show(f"    and {len(found.skipped) - MOST_LISTED} more: --json lists them all")


def _causes(counts: "ImageCounts") -> str:
    return ", ".join(f"{images} {cause}" for cause, images in counts.re_encoded.items())
