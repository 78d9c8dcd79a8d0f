"""`mico check`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.check import check_dataset
from mico_150k.cli.options import AsJson
from mico_150k.cli.terminal import say, show_json
from mico_150k.dataset_folder import DatasetFolder


def check(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    hashes: Annotated[
        bool, typer.Option(help="Read every byte and compare SHA-256; sizes alone without.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Is the folder what its manifest says, would it load, would the Hub's viewer show it?

    Exit status 1 where something is wrong.
    """
    findings = []
    for finding in check_dataset(DatasetFolder(dataset), hashes=hashes):
        findings.append(finding)
        mark = "[red]wrong[/red]" if finding.fault else "[green]ok[/green]   "
        if not as_json:
            say(mark + "  {}: {}", finding.where, finding.what)
    faults = sum(finding.fault for finding in findings)
    if as_json:
        show_json({"faults": faults, "findings": [asdict(finding) for finding in findings]})
    say("{}: {}", dataset, f"{faults} faults" if faults else "all is well")
    if faults:
        raise typer.Exit(1)
