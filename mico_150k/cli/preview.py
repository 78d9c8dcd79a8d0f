"""`mico preview`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.api.preview import PAGE, ROWS, preview_dataset
from mico_150k.cli.options import Where
from mico_150k.cli.terminal import progress, say
from mico_150k.core.plural import counted
from mico_150k.io.machine import gigabytes


def preview(
    dataset: Annotated[
        str,
        typer.Argument(
            help="A dataset: a folder, `USER/NAME` on the Hub (with `@revision`), or a URL."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path(PAGE),
    rows: Annotated[int, typer.Option(min=1, max=2000, help="How many rows to show.")] = ROWS,
    where: Where = None,
    seed: Annotated[int, typer.Option(help="Decides which rows are shown.")] = 0,
) -> None:
    """Write one HTML page that shows inputs, instruction and output of some rows of each task.

    It needs no server and loads nothing. From the Hub, only the row groups that it shows are
    fetched.
    """
    started = time.monotonic()
    say("reading the index of {}", dataset)
    with progress("reading rows") as on_progress:
        written = preview_dataset(
            dataset, out, rows=rows, where=where, seed=seed, on_progress=on_progress
        )
    say(
        "[green]done[/green]: {} of {} in {}, {}, {} s",
        f"{written.rows:,}",
        counted(written.total, "row"),
        written.path,
        gigabytes(written.bytes),
        f"{time.monotonic() - started:.1f}",
    )
