"""Finds edits of the card on the Hub that a push would lose."""

from mico_150k.card.header import LICENSE_KEYS, by_hand, differing_by_hand
from mico_150k.card.text import CardText
from mico_150k.core.errors import PushRefused
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.repository import Repository


def refuse_to_lose(
    repository: Repository,
    folder: DatasetFolder,
    here: CardText,
    there: CardText,
    *,
    relicensed: bool,
) -> None:
    """Raise `PushRefused` where a push of the card `here` would lose what a person wrote there.

    `relicensed` is whether another license is asked for.
    """
    lost = lost_edits(here, there)
    if relicensed:
        lost = [what for what in lost if what not in LICENSE_KEYS]
    if lost:
        msg = (
            f"{layout.CARD} of {repository.url} was edited by hand, and this push would discard: "
            f"{', '.join(lost)}.\n"
            f"Copy what you want to keep into {folder.path / layout.CARD}, or discard it with "
            "--overwrite."
        )
        raise PushRefused(msg)


def lost_edits(here: CardText, there: CardText) -> list[str]:
    """What of the card that is there would be lost: keys of its header, sections, its text.

    Nothing that we have written is missed, nor what only one of them has: that is joined. A card
    that is as it was pushed is older than what was changed here since.
    """
    if there.is_untouched and there.is_as_signed:
        return []
    if there.is_as_signed and not here.is_untouched:
        return []  # a person's text of here, pushed before
    if not there.body.strip():
        return []  # a header alone, as the Hub's site makes it
    text_is_lost = not there.is_untouched and there.own != here.own
    sections = [
        f"section {name!r}"
        for name, text in there.sections.items()
        if here.sections.get(name, text).strip() != text.strip()
    ]
    return [
        *(["text outside of kept sections"] if text_is_lost else []),
        *sections,
        *differing_by_hand(by_hand(here.header), by_hand(there.header)),
    ]
