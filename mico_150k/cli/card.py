"""`mico card`."""

from pathlib import Path
from typing import Annotated

import typer

from mico_150k.api.card import write_card
from mico_150k.cli.options import LicenseLink, LicenseName, LicenseOption
from mico_150k.cli.terminal import say
from mico_150k.dataset import layout


def card(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder on this machine.")],
    license: LicenseOption = None,
    license_name: LicenseName = "",
    license_link: LicenseLink = "",
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace what was changed outside of kept sections."),
    ] = False,
) -> None:
    """Write the card (`README.md`) again: header, tables, and the images of `assets/`.

    What you add is kept: keys of the header, and everything between the lines
    `<!-- by hand: NAME -->` and `<!-- end: NAME -->`.
    """
    written = write_card(
        dataset,
        license=license,
        license_name=license_name,
        license_link=license_link,
        overwrite=overwrite,
    )
    stated = (written.header or {}).get("license")
    kept = ", ".join(written.sections)
    say(
        "[green]done[/green]: {}, {}{}",
        dataset / layout.CARD,
        f"license {stated}" if stated else "no license stated yet: --license",
        f", kept: {kept}" if kept else "",
    )
