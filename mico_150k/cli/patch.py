"""`mico patch`."""

from pathlib import Path
from typing import Annotated

import typer

from mico_150k.cli.terminal import say, show_bytes
from mico_150k.trainers.patches import PATCHES, get_patch
from mico_150k.trainers.patches.clone import make_changes, plan_changes


def patch(
    model: Annotated[str, typer.Argument(help=f"Whose code: {', '.join(PATCHES)}.")],
    clone: Annotated[Path, typer.Argument(help="A clone of the trainer's repository.")],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print a diff for `git apply` on stdout, and change nothing."
        ),
    ] = False,
) -> None:
    """Make the code changes that a trainer needs: a few lines that call this package.

    Run again, it changes nothing more. A clone that is not as expected is left as it is.
    """
    chosen = get_patch(model)
    changes = plan_changes(chosen, clone)
    if dry_run:
        for change in changes:
            show_bytes(change.diff.encode())
    else:
        make_changes(changes)
    for change in changes:
        say("{} {}", "would change" if dry_run else "changed", change.path)
    if not changes:
        say("nothing to change: {} has it all", clone)
    say("[green]done[/green]: {} of {} files of {}", len(changes), len(chosen.files), clone)
