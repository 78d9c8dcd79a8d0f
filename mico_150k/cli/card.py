"""`mico card`."""

from pathlib import Path
from typing import Annotated

import typer

from mico_150k.card.file import write_card
from mico_150k.cli.options import LicenseLink, LicenseName, LicenseOption, make_license
from mico_150k.cli.terminal import say
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder


def card(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    license: LicenseOption = None,
    license_name: LicenseName = None,
    license_link: LicenseLink = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Lose what was changed outside of kept sections.")
    ] = False,
) -> None:
    """Write the card (`README.md`) again: header, tables, pictures of `assets/`.

    What a person adds stays: keys of the header, and all that stands between the lines
    `<!-- by hand: NAME -->` and `<!-- end: NAME -->`.
    """
    written = write_card(
        DatasetFolder(dataset),
        make_license(license, license_name, license_link),
        overwrite=overwrite,
    )
    stated = (written.header or {}).get("license")
    kept = ", ".join(written.sections)
    say(
        "[green]done[/green]: {}, {}{}",
        dataset / layout.CARD,
        f"licence {stated}" if stated else "no licence stated yet: --licence",
        f", kept: {kept}" if kept else "",
    )
