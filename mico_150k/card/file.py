"""Read the card of a dataset folder, and rewrite it without losing what a person added."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mico_150k.card.card import Card
from mico_150k.card.header import LICENSE_KEYS
from mico_150k.card.licenses import IDENTIFIERS
from mico_150k.card.text import CardText
from mico_150k.core.errors import BrokenFile, OutputRefused, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.report_rules import read_report
from mico_150k.io.files import write_atomically
from mico_150k.io.regular import Root, read_small

OTHER = "other"
"""The Hub's identifier for a license outside its list; such a license needs a name."""


@dataclass(frozen=True, slots=True)
class License:
    """A publisher's license: the Hub's identifier, as `cc-by-nc-4.0`, or `other` with a name."""

    identifier: str
    name: str = ""
    link: str = ""

    def __post_init__(self) -> None:
        """Raise `UsageError` for what the Hub would not take."""
        if self.identifier not in IDENTIFIERS:
            alike = get_close_matches(self.identifier.lower(), sorted(IDENTIFIERS), 3)
            msg = (
                f"{excerpt(self.identifier)!r} is not a license that the Hub knows, such as "
                f"{' or '.join(alike or ('cc-by-nc-4.0', 'apache-2.0'))} "
                "(huggingface.co/docs/hub/repositories-licenses).\nAnother one is named by "
                "`mico card` or `mico push`: --license other --license-name NAME --license-link URL"
            )
            raise UsageError(msg)
        if self.identifier == OTHER and not self.name:
            msg = "A license `other` needs a name: `mico card` and `mico push` take --license-name."
            raise UsageError(msg)

    @property
    def header(self) -> dict[str, str]:
        """The keys of a card's header."""
        values = (self.identifier, self.name, self.link)
        return {key: value for key, value in zip(LICENSE_KEYS, values, strict=True) if value}

    def is_stated_by(self, card: CardText) -> bool:
        """Whether a card's header states exactly this license."""
        stated = {key: value for key, value in (card.header or {}).items() if key in LICENSE_KEYS}
        return stated == self.header


def read_card(folder: DatasetFolder) -> CardText:
    """Read the folder's card; an empty one where there is none.

    Raises:
        BrokenFile: It cannot be read, or is not UTF-8.
        NotRegular: It is not a regular file.
        OutsideRoot: It is a link that leads out of the folder.
    """
    path = folder.path / layout.CARD
    try:
        return card_text(read_small(Root.at(folder.path).file(layout.CARD)), str(path))
    except FileNotFoundError:
        return CardText("")
    except OSError as error:
        msg = f"{path} cannot be read: {excerpt(error)}"
        raise BrokenFile(msg) from error


def card_text(data: bytes, name: str) -> CardText:
    """Decode a card. Raises `BrokenFile`, which calls the card `name`."""
    try:
        return CardText(data.decode())
    except UnicodeDecodeError as error:
        msg = (
            f"{name} is not UTF-8: {excerpt(error)}\n"
            "Save it as UTF-8, or remove it and run `mico card`, which writes a new one."
        )
        raise BrokenFile(msg) from error


def make_card(
    folder: DatasetFolder,
    license: License | None = None,
    *,
    manifest: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> CardText:
    """Make the card again; nothing is written.

    Args:
        folder: The dataset folder.
        license: Another license to state, if any.
        manifest: Another manifest to describe, if any.
        overwrite: Whether changes outside of the kept sections may be lost.

    Raises:
        NotADataset: The manifest or the report cannot be relied on.
        OutputRefused: A person changed what would be lost.
    """
    before = read_card(folder)
    if before.text and not before.is_untouched and not overwrite:
        msg = (
            f"{folder.path / layout.CARD} was changed outside of the sections that are kept, and "
            "this change would be lost. Move it between two lines `<!-- by hand: NAME -->` and "
            "`<!-- end: NAME -->`, or discard it with `mico card --overwrite`."
        )
        raise OutputRefused(msg)
    manifest = manifest or folder.manifest
    report = read_report(folder.path, manifest)
    card = Card.of_folder(folder.path, manifest, report, before=before)
    return card.with_license(license.header if license else {}).render()


def write_card(
    folder: DatasetFolder, license: License | None = None, *, overwrite: bool = False
) -> CardText:
    """Make the card again and write it. Raises what `make_card` and `DatasetFolder.held` raise."""
    with folder.held():
        card = make_card(folder, license, overwrite=overwrite)
        write_atomically(folder.path / layout.CARD, card.text.encode())
    return card
