"""`mico smoke`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.api.smoke import smoke_test
from mico_150k.cli.options import AsJson
from mico_150k.cli.terminal import say, show_json, show_line
from mico_150k.core.plural import counted
from mico_150k.smoke.facts import known
from mico_150k.smoke.finding import Outcome

_MARKS = {
    Outcome.RIGHT: "[green]right[/green]",
    Outcome.WRONG: "[red]wrong[/red]",
    Outcome.NOT_CHECKED: "[yellow]not checked here[/yellow]",
}


def smoke(
    trainer: Annotated[
        str, typer.Argument(metavar="TRAINER", help=f"Which trainer: {', '.join(known())}.")
    ],
    clone: Annotated[Path, typer.Argument(help="A clone of the trainer's repository.")],
    export: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder that `mico export` has written.")
    ],
    python: Annotated[
        str,
        typer.Option(
            metavar="PYTHON",
            help="The Python of the trainer's environment, `ENV/bin/python`; by default the "
            "`python` that the shell finds.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Check that a training would start, before a GPU is needed.

    It imports what the trainer imports, runs the export's train.sh up to its launch, the trainer's
    own parser on what that gives, and its dataset class on the first rows, all on a temporary copy
    of the clone. Set `MODEL`, `GPUS` and the like as for train.sh. It downloads nothing. The exit
    status is 1 if something is wrong.
    """
    findings = []
    for finding in smoke_test(trainer, clone, export=export, python=python):
        findings.append(finding)
        if not as_json:
            todo = "\n       {}" if finding.todo else "{}"
            line = _MARKS[finding.outcome] + "  {}: {}" + todo
            show_line(line, finding.subject, finding.what, finding.todo)
    faults = sum(finding.is_wrong for finding in findings)
    if as_json:
        show_json({"wrong": faults, "findings": [asdict(finding) for finding in findings]})
    unchecked = sum(finding.outcome is Outcome.NOT_CHECKED for finding in findings)
    say(
        "{} by {}: {}, {} not checked here", clone, trainer,
        counted(faults, "fault") if faults else "nothing is wrong", unchecked,
    )  # fmt: skip
    if faults:
        raise typer.Exit(1)
