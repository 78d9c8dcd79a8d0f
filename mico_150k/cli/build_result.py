"""The summary at the end of `mico build`: the rows, and the next commands."""

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from rich.table import Table

from mico_150k.api.build_to_hub import HubBuildResult
from mico_150k.build.build import BuildResult
from mico_150k.builders import TRAINERS
from mico_150k.cli.clock import elapsed
from mico_150k.cli.terminal import say
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.machine import gigabytes
from mico_150k.io.storage import is_url
from mico_150k.loaders.first_row import FirstRows

_SECONDS = 60.0
"""The seconds to wait for a row to show at the end: the dataset is already complete."""


def say_built(result: BuildResult) -> None:
    """Report the end of a build: how many rows were written and skipped."""
    report = result.report
    say(
        "[green]done[/green]: {}; {}, {} in {}, {}{}",
        rows_in_words(report.rows_read, report.rows, report.reasons),
        counted(result.files, "file"),
        gigabytes(result.bytes),
        result.location,
        elapsed(),
        resumed_in_words(result.resumed, result.shards),
    )
    if report.reasons:
        say("      {}/{} lists the skipped rows", result.location, layout.QUARANTINE)


def say_published(result: HubBuildResult) -> None:
    """Report the end of a build to the Hub."""
    if result.was_published:
        say("[green]done[/green]: {} holds this very build already", result.url)
        return
    say(
        "[green]done[/green]: {}; {}, {}; verified, {} at {}, {}{}",
        rows_in_words(result.rows_read, result.rows, result.skipped),
        counted(result.files, "shard"),
        gigabytes(result.bytes),
        result.url,
        result.commit[:8],
        elapsed(),
        resumed_in_words(result.resumed, result.shards),
    )


def say_next(result: BuildResult | HubBuildResult, configs: Sequence[str]) -> None:
    """Show the next commands; `configs` are the configurations that were written."""
    config = next((config for config in configs if config in TRAINERS), configs[0])
    if isinstance(result, HubBuildResult):
        place = "/".join(result.url.rsplit("/", 2)[1:])
        commands = [f"mico preview {place}"]
    else:
        place = result.location
        here = shlex.quote(place)
        commands = [f"mico check {here}", f"mico preview {here}"]
        if config in TRAINERS and not is_url(place):
            out = shlex.quote(f"{place}-{config}")
            commands.append(f"mico export {config} {here} --out {out}")
    if not is_url(place):
        named = ", ".join(json.dumps(text, ensure_ascii=False) for text in (place, config))
        commands.append(f"load_dataset({named})  # in Python")
    for number, command in enumerate(commands):
        say("{} {}", "     " if number else "next:", command)


def rows_in_words(read: int, written: int, skipped: Mapping[str, int]) -> str:
    """Summarize a source's rows; `skipped` maps reasons to rows."""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    total = f"{read - written:,} skipped" + (f" ({reasons})" if reasons else "")
    return f"{counted(read, 'row')} read, {written:,} written, {total}"


def resumed_in_words(resumed: int, shards: int) -> str:
    """Return how much of a build an earlier run finished; empty if nothing."""
    if not resumed:
        return ""
    if resumed == shards:
        return " (it was finished before)"
    return f" ({resumed} of {counted(shards, 'shard')} were finished before)"


def first_rows(folder: Path) -> Table:
    """Return the first row of each configuration, as `load_dataset` returns it.

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
