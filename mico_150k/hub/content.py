"""What a repository holds at a revision, as far as a push or a check must read it."""

import json
from dataclasses import dataclass
from typing import Any

from mico_150k import names
from mico_150k.card_text import CardText
from mico_150k.hub.placeholder import is_placeholder
from mico_150k.hub.repository import RemoteFile, Repository, Snapshot


@dataclass(frozen=True, slots=True)
class Content:
    """Its files, its card, and our manifest; None where it has none."""

    snapshot: Snapshot = Snapshot("", {})  # noqa: RUF009 - never changed
    card: CardText = CardText("")  # noqa: RUF009
    manifest: dict[str, Any] | None = None

    @classmethod
    def read(cls, repository: Repository, snapshot: Snapshot) -> "Content":
        """What there is in a snapshot. Raises `HubError`."""
        return cls(snapshot, _card(repository, snapshot), _manifest(repository, snapshot))

    @property
    def files(self) -> dict[str, RemoteFile]:
        """All of them, by path."""
        return self.snapshot.files

    @property
    def is_published(self) -> bool:
        """Whether readers take it for finished."""
        if self.manifest is not None:
            return True
        named = not {"configs", "dataset_info"}.isdisjoint(self.card.header or {})
        return named and not is_placeholder(self.card)


def _card(repository: Repository, snapshot: Snapshot) -> CardText:
    """The card; an empty one where there is none."""
    if names.CARD not in snapshot.files:
        return CardText("")
    return CardText(repository.read(names.CARD, snapshot.commit).decode(errors="replace"))


def _manifest(repository: Repository, snapshot: Snapshot) -> dict[str, Any] | None:
    if names.MANIFEST not in snapshot.files:
        return None
    try:
        found = json.loads(repository.read(names.MANIFEST, snapshot.commit))
    except ValueError:
        return None
    ours = isinstance(found, dict) and found.get("format") == names.MANIFEST_FORMAT
    return found if ours else None
