"""`mico patch`."""

from pathlib import Path
from typing import Annotated

import typer

from mico_150k.api.patch import patch_clone
from mico_150k.cli.terminal import say, show_bytes
from mico_150k.core.plural import counted
from mico_150k.trainers.patches import PATCHES, get_patch


def patch(
    trainer: Annotated[
        str, typer.Argument(metavar="TRAINER", help=f"Whose code: {', '.join(PATCHES)}.")
    ],
    clone: Annotated[Path, typer.Argument(help="A clone of the trainer's repository.")],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Change nothing, and print a diff for `git apply`."),
    ] = False,
) -> None:
    """Make the code changes that a trainer needs: a few lines that call this package.

    Running it again changes nothing more. A clone that is not as expected is left as it is.
    """
    changes = patch_clone(trainer, clone, dry_run=dry_run)
    for change in changes:
        if dry_run:
            show_bytes(change.diff.encode())
        say("{} {}", "would change" if dry_run else "changed", change.path)
    if not changes:
        say("nothing to change: {} has it all", clone)
    files = len(get_patch(trainer).files)
    say("[green]done[/green]: {} of {} of {}", len(changes), counted(files, "file"), clone)
