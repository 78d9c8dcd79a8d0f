"""`mico push`."""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.api.card import make_license
from mico_150k.api.push import plan_push, run_push
from mico_150k.card.file import License
from mico_150k.cli.hub import say_transfer, say_wait
from mico_150k.cli.options import (
    AsJson,
    LicenseLink,
    LicenseName,
    LicenseOption,
)
from mico_150k.cli.terminal import say, show_json, showing
from mico_150k.core.errors import NoLicense
from mico_150k.core.plural import counted
from mico_150k.hub.push import Push, PushOptions, PushProgress, PushResult, PushStrategy
from mico_150k.hub.repository import DEFAULT_BRANCH
from mico_150k.io.machine import gigabytes


def push(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder on this machine.")],
    repository: Annotated[
        str,
        typer.Argument(
            metavar="USER/NAME", help="Where to push it: `USER/NAME` or `hf://datasets/USER/NAME`."
        ),
    ],
    config: Annotated[
        list[str] | None,
        typer.Option(help="Push only this configuration; repeatable. `index` always comes along."),
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="Make the repository private; refused where it is public already."
        ),
    ] = False,
    revision: Annotated[str, typer.Option(help="The branch to push to.")] = DEFAULT_BRANCH,
    tag: Annotated[str, typer.Option(help="A tag for the resulting commit.")] = "",
    license: LicenseOption = None,
    license_name: LicenseName = "",
    license_link: LicenseLink = "",
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace what people have changed in the card on the Hub."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Push a dataset folder to the Hub, whose readers see a complete dataset at every moment.

    Re-run it after any interruption: only what is missing is uploaded. A repository that is
    published already is updated by a pull request, which is read back and merged.
    """
    options = PushOptions(
        configs=tuple(config or ()),
        private=private,
        revision=revision,
        tag=tag,
        license=make_license(license, license_name, license_link),
        overwrite=overwrite,
    )
    planned = _prepare(dataset, repository, options)
    _say_outlook(planned)
    if dry_run:
        if as_json:
            show_json({"strategy": planned.way.value, **asdict(planned.forecast)})
        say("[green]done[/green]: nothing was sent (--dry-run)")
        return
    result = run_push(planned, say_progress)
    with showing():
        if as_json:
            show_json(asdict(result))
    say_pushed(result, planned.way)


def _prepare(folder: Path, repository: str, options: PushOptions) -> Push:
    """Plan the push; asks for a missing license at a terminal."""
    try:
        return plan_push(folder, repository, options, say_wait)
    except NoLicense:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        answer = typer.prompt("License of the dataset, as `cc-by-nc-4.0`", err=True)
        stated = replace(options, license=License(answer.strip()))
        return plan_push(folder, repository, stated, say_wait)


def _say_outlook(planned: Push) -> None:
    forecast = planned.forecast
    if planned.way is PushStrategy.NOTHING:
        say("{} holds all of it already", planned.repository.name)
        return
    new = "a new repository, " if planned.creates else ""
    say("{}: {}{}", planned.repository.name, new, planned.way.value)
    say_transfer(
        forecast, f"{forecast.files:,} of {counted(forecast.total_files, 'shard')} to send"
    )


def say_progress(progress: PushProgress) -> None:
    """Report how much of the dataset the Hub holds."""
    say(
        "{} of {} on the Hub, {} of {}",
        f"{progress.files:,}",
        counted(progress.total_files, "shard"),
        gigabytes(progress.bytes),
        gigabytes(progress.total_bytes),
    )


def say_pushed(result: PushResult, way: PushStrategy) -> None:
    """Report the result of a push."""
    if way is PushStrategy.NOTHING:
        say("[green]done[/green]: nothing to send; {} is up to date", result.url)
        return
    say(
        "[green]done[/green]: {} sent, {}{}; verified, {} at {}, {} s",
        counted(result.files, "shard"),
        gigabytes(result.bytes),
        f", {result.removed} removed" if result.removed else "",
        result.url,
        result.commit[:8],
        f"{result.seconds:.1f}",
    )
