"""`mico check`."""

from dataclasses import asdict
from typing import Annotated

import typer

from mico_150k.api.check import check_dataset
from mico_150k.cli.hub import say_wait
from mico_150k.cli.options import AsJson
from mico_150k.cli.terminal import say, show_json, show_line
from mico_150k.cli.unused import is_given, refuse
from mico_150k.core.plural import counted
from mico_150k.hub.repository import DEFAULT_BRANCH


def check(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            help="A dataset: a folder, `USER/NAME` on the Hub (with `@revision`), or a URL."
        ),
    ],
    hashes: Annotated[
        bool, typer.Option(help="Compare every file's SHA-256, or only its size.")
    ] = True,
    remote: Annotated[
        str,
        typer.Option(
            metavar="USER/NAME",
            help="Compare this repository on the Hub with the folder's manifest instead.",
        ),
    ] = "",
    revision: Annotated[
        str, typer.Option(help="With --remote: a branch, tag or commit.")
    ] = DEFAULT_BRANCH,
    as_json: AsJson = False,
) -> None:
    """Check that a dataset is whole, loads, and shows in the Hub's viewer.

    With `--remote`, it checks that the Hub holds every file of the folder's manifest, by size and
    SHA-256, and that `load_dataset` reads a row of each configuration there. The exit status is 1
    if something is wrong.
    """
    if is_given(context, "remote"):
        refuse(context, ("hashes",), "a folder: the Hub states every SHA-256, and none is read.")
    else:
        refuse(context, ("revision",), "--remote.")
    findings = []
    for finding in check_dataset(
        dataset, hashes=hashes, remote=remote, revision=revision, on_wait=say_wait
    ):
        findings.append(finding)
        if not as_json:
            mark = "[red]wrong[/red]" if finding.fault else "[green]ok[/green]   "
            show_line(mark + "  {}: {}", finding.where, finding.what)
    faults = sum(finding.fault for finding in findings)
    if as_json:
        show_json({"faults": faults, "findings": [asdict(finding) for finding in findings]})
    say("{}: {}", remote or dataset, counted(faults, "fault") if faults else "all is well")
    if faults:
        raise typer.Exit(1)
