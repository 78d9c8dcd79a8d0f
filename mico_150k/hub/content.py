"""The content of a repository at a revision, as far as a push or a check reads it."""

from dataclasses import dataclass
from typing import Any

from mico_150k.card.text import CardText
from mico_150k.core.errors import PushRefused
from mico_150k.core.faults import summary
from mico_150k.dataset import layout
from mico_150k.dataset.formats import is_manifest
from mico_150k.dataset.manifest_rules import manifest_faults
from mico_150k.hub.placeholder import is_placeholder
from mico_150k.hub.repository import RemoteFile, Repository, Snapshot
from mico_150k.io.json_lines import parse_json


@dataclass(frozen=True, slots=True)
class Content:
    """Its files, its card, and our manifest; None where it has none.

    A manifest of another format is reduced to who wrote it: a push of everything replaces it.
    """

    snapshot: Snapshot = Snapshot("", {})  # noqa: RUF009 - never changed
    card: CardText = CardText("")  # noqa: RUF009
    manifest: dict[str, Any] | None = None

    @classmethod
    def read(cls, repository: Repository, snapshot: Snapshot) -> "Content":
        """What there is in a snapshot. Raises `HubError`, also where the manifest is damaged."""
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
    if layout.CARD not in snapshot.files:
        return CardText("")
    return CardText(repository.read(layout.CARD, snapshot.commit).decode(errors="replace"))


def _manifest(repository: Repository, snapshot: Snapshot) -> dict[str, Any] | None:
    if layout.MANIFEST not in snapshot.files:
        return None
    try:
        found = parse_json(repository.read(layout.MANIFEST, snapshot.commit))
    except ValueError:
        return None
    if not is_manifest(found):
        return None
    if found["format"] != layout.MANIFEST_FORMAT:
        build = found.get("build")  # no rule of ours is for the rest of it
        versions = build.get("versions") if isinstance(build, dict) else None
        return {"format": found["format"], "build": {"versions": versions}}
    if faults := manifest_faults(found):
        way_out = "Remove it on the Hub with `hf repos delete-files`, and push again."
        msg = f"{repository.name} on the Hub: {summary(faults, way_out)}"
        raise PushRefused(msg)
    manifest: dict[str, Any] = found
    return manifest
