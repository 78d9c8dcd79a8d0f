"""What `mico build` shows at its end: what became of the rows, and the first of them."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from rich.table import Table

from mico_150k.api.build_to_hub import HubBuildResult
from mico_150k.build.build import BuildResult
from mico_150k.cli.terminal import say
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.machine import gigabytes
from mico_150k.loaders.first_row import FirstRows

_SECONDS = 60.0
"""For a row that is shown at the end: whoever waits has the dataset already."""


def say_built(result: BuildResult) -> None:
    """The last line of a build."""
    report = result.report
    say(
        "[green]done[/green]: {}; {} files, {} in {}, {} s{}",
        rows_in_words(report.rows_read, report.rows, report.reasons),
        result.files,
        gigabytes(result.bytes),
        result.location,
        f"{result.seconds:.1f}",
        f" ({result.resumed} of {result.shards} shards were there)" if result.resumed else "",
    )


def say_published(result: HubBuildResult) -> None:
    """The last line of a build to the Hub."""
    if result.was_published:
        say("[green]done[/green]: {} holds this very build already", result.url)
        return
    say(
        "[green]done[/green]: {}; {} shards, {}; verified, {} at {}, {} s{}",
        rows_in_words(result.rows_read, result.rows, result.skipped),
        result.files,
        gigabytes(result.bytes),
        result.url,
        result.commit[:8],
        f"{result.seconds:.1f}",
        f" ({result.resumed} of {result.shards} shards were there)" if result.resumed else "",
    )


def rows_in_words(read: int, written: int, skipped: Mapping[str, int]) -> str:
    """What became of a source's rows; `skipped` are rows by reason."""
    reasons = "".join(f", {count} {reason}" for reason, count in skipped.items())
    return f"{read} rows read, {written} written, {read - written} skipped{reasons}"


def first_rows(folder: Path) -> Table:
    """The first row of each configuration, as `load_dataset` gives it.

    Raises `RowUnreadable`, OSError.
    """
    table = Table(title=f'load_dataset("{folder}", configuration, split="train"): the first row')
    table.add_column("configuration", style="bold")
    table.add_column("row")
    with closing(FirstRows(str(folder.absolute()), seconds=_SECONDS)) as rows:
        for config in DatasetFolder(folder).configs:
            row = rows.read(config, layout.main_split(config))
            cells = row.cells if row else {}
            table.add_row(config, "\n".join(f"{name}: {cell}" for name, cell in cells.items()))
    return table
