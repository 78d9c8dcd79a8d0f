"""`mico preview`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.cli.terminal import progress, say
from mico_150k.io.machine import gigabytes


def preview(
    dataset: Annotated[
        str, typer.Argument(help="A dataset folder, `USER/NAME` on the Hub, or a URL.")
    ],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("preview.html"),
    rows: Annotated[int, typer.Option(min=1, max=2000, help="How many rows to show.")] = 60,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="Only rows for which this holds, over the columns of `index`: "
            "`task = 'hoi' and num_inputs <= 5`.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which rows are shown.")] = 0,
) -> None:
    """Write a page to look at: inputs, instruction and output of some rows of each task.

    One file that needs no server and loads nothing. Of a dataset on the Hub, only the row groups
    of the rows that are shown are fetched.
    """
    # It brings duckdb and Pillow, which `mico --help` can do without.
    from mico_150k.dataset.reader import open_dataset
    from mico_150k.inspection.page import write_preview
    from mico_150k.inspection.page_rows import Choice

    started = time.monotonic()
    say("reading the index of {}", dataset)
    opened = open_dataset(dataset)
    with progress("reading rows") as on_progress:
        written = write_preview(opened, out, Choice(rows, where, seed), on_progress)
    say(
        "[green]done[/green]: {} of {} rows in {}, {}, {} s",
        written.rows,
        f"{written.total:,}",
        written.path,
        gigabytes(written.bytes),
        f"{time.monotonic() - started:.1f}",
    )
