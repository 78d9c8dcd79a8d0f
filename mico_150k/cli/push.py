"""`mico push`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.card_file import Licence, write_card
from mico_150k.cli.options import (
    AsJson,
    LicenceLink,
    LicenceName,
    LicenceOption,
    make_licence,
)
from mico_150k.cli.terminal import say, show_json
from mico_150k.dataset_folder import DatasetFolder
from mico_150k.errors import NoLicence
from mico_150k.forecast import gigabytes
from mico_150k.hub.push import Push, PushOptions, PushProgress, PushResult, Way
from mico_150k.hub.repository import DEFAULT_BRANCH, Repository

SPEEDS = ((100, "100 Mbit/s"), (1000, "1 Gbit/s"))


def push(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="Where to push it.")],
    config: Annotated[
        list[str] | None,
        typer.Option(help="A configuration to push; all by default. `index` always comes along."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Create the repository for the owner's eyes alone.")
    ] = False,
    revision: Annotated[str, typer.Option(help="The branch to push to.")] = DEFAULT_BRANCH,
    tag: Annotated[str, typer.Option(help="A name for the state that comes of it.")] = "",
    licence: LicenceOption = "",
    licence_name: LicenceName = "",
    licence_link: LicenceLink = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look and say what would be sent; send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Push a dataset folder to the Hub, so that readers see a whole state at all times.

    Only what is missing is sent: run it again after any interruption. A repository that is
    published already is updated by a pull request, which is read back and merged.
    """
    folder = DatasetFolder(dataset)
    given = make_licence(licence, licence_name, licence_link)
    if given:
        write_card(folder, given)
    options = PushOptions(tuple(config or ()), private, revision, tag)
    planned = _prepare(folder, repository, options)
    forecast = planned.forecast
    say("{}", _outlook(planned))
    for warning in forecast.warnings:
        say("[yellow]note[/yellow]: {}", warning)
    if dry_run:
        if as_json:
            show_json({"way": planned.way.value, **asdict(forecast)})
        say("[green]done[/green]: nothing was sent (--dry-run)")
        return
    result = planned.run(_say_progress)
    if as_json:
        show_json(asdict(result))
    say_pushed(result, planned.way)


def _prepare(folder: DatasetFolder, repository: str, options: PushOptions) -> Push:
    """Plan; a person at a terminal is asked for the licence where none is stated."""
    try:
        return Push.prepare(folder, Repository(repository), options)
    except NoLicence:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        answer = typer.prompt("Licence of the dataset, as `cc-by-nc-4.0`", err=True)
        write_card(folder, Licence(answer.strip()))
        return Push.prepare(folder, Repository(repository), options)


def _outlook(planned: Push) -> str:
    forecast = planned.forecast
    if planned.way is Way.NOTHING:
        return f"{planned.repository.name} holds all of it already"
    times = " or ".join(
        f"{_duration(forecast.seconds(megabits))} at {name}" for megabits, name in SPEEDS
    )
    stale = f", {forecast.stale} old files to remove" if forecast.stale else ""
    new = "a new repository, " if planned.creates else ""
    return (
        f"{planned.repository.name}: {new}{planned.way.value}\n"
        f"{forecast.files} of {len(planned.publication.shards)} shards to send, "
        f"{gigabytes(forecast.bytes)}, of which Xet will transfer about "
        f"{gigabytes(forecast.new)}: {times}{stale}; {gigabytes(forecast.total)} in all"
    )


def _duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < _MINUTE * 2:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < _HOUR * 2 else f"{seconds / _HOUR:.1f} h"


def _say_progress(progress: PushProgress) -> None:
    say(
        "{}/{} shards on the Hub, {} of {}",
        progress.files,
        progress.total_files,
        gigabytes(progress.bytes),
        gigabytes(progress.total_bytes),
    )


def say_pushed(result: PushResult, way: Way) -> None:
    """The last line of a push."""
    if way is Way.NOTHING:
        say("[green]done[/green]: nothing to send; {} is up to date", result.url)
        return
    say(
        "[green]done[/green]: {} shards sent, {}{}; verified, {} at {}, {} s",
        result.files,
        gigabytes(result.bytes),
        f", {result.removed} removed" if result.removed else "",
        result.url,
        result.commit[:8],
        f"{result.seconds:.1f}",
    )


_MINUTE, _HOUR = 60, 3600
