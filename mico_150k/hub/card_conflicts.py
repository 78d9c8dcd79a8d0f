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
    """Raise `PushRefused` if a push would lose what a person wrote into the card on the Hub.

    Args:
        repository: The repository.
        folder: The dataset folder, for the message.
        here: The card to push.
        there: The card on the Hub.
        relicensed: Whether the push asks for another license.
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
    """Return the edits that a push of `here` over `there` would lose.

    Each is a header key, a section, or the text. Generated text is never reported, and neither is
    text that only one card has, because the two are merged. If the card on the Hub has not changed
    since it was pushed, it is older than any local edit, so nothing is lost.
    """
    if there.is_untouched and there.is_as_signed:
        return []
    if there.is_as_signed and not here.is_untouched:
        return []  # an edited local card that was pushed before
    if not there.body.strip():
        return []  # only a header, as the Hub's website creates it
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
