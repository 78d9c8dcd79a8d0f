"""`mico check`."""

import shlex
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.cli.hub import open_repository
from mico_150k.cli.options import AsJson
from mico_150k.cli.terminal import say, show_json
from mico_150k.cli.unused import is_given, refuse
from mico_150k.core.errors import NotADataset
from mico_150k.core.excerpt import excerpt
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.verify import check_remote
from mico_150k.inspection.check import check_dataset, check_place
from mico_150k.sources.layouts import looks_like_source


def check(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    hashes: Annotated[
        bool, typer.Option(help="Read every byte and compare SHA-256; sizes alone without.")
    ] = True,
    remote: Annotated[
        str,
        typer.Option(
            metavar="USER/NAME",
            help="Compare this repository on the Hub with the folder's manifest instead.",
        ),
    ] = "",
    revision: Annotated[str, typer.Option(help="With --remote: a branch, tag or commit.")] = "main",
    as_json: AsJson = False,
) -> None:
    """Is the folder what its manifest says, would it load, would the Hub's viewer show it?

    With `--remote`: does the Hub hold every file of the manifest, by size and SHA-256, and does
    `load_dataset` give a row of each configuration there? Exit status 1 where something is wrong.
    """
    if is_given(context, "remote"):
        refuse(context, ("hashes",), "a folder: the Hub tells every SHA-256, and none is read.")
    else:
        refuse(context, ("revision",), "--remote.")
    folder = DatasetFolder(dataset)
    if not DatasetFolder.is_one(dataset) and looks_like_source(dataset):
        here = shlex.quote(excerpt(dataset))
        msg = (
            f"{excerpt(dataset)} is no dataset folder but a source: `mico inspect {here}` says "
            f"what is in it, and `mico build {here}` makes a dataset of it."
        )
        raise NotADataset(msg)
    checks = (
        check_remote(open_repository(remote), revision, folder)
        if remote
        else chain(check_place(dataset), check_dataset(folder, hashes=hashes))
    )
    findings = []
    for finding in checks:
        findings.append(finding)
        mark = "[red]wrong[/red]" if finding.fault else "[green]ok[/green]   "
        if not as_json:
            say(mark + "  {}: {}", finding.where, finding.what)
    faults = sum(finding.fault for finding in findings)
    if as_json:
        show_json({"faults": faults, "findings": [asdict(finding) for finding in findings]})
    say("{}: {}", remote or dataset, f"{faults} faults" if faults else "all is well")
    if faults:
        raise typer.Exit(1)
