"""The part of a repository at one revision that a push or a check reads."""

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
    """The files, the card and the manifest of a repository; None without a manifest of ours.

    A manifest of another format is reduced to the versions that wrote it, since a push of all
    configurations replaces it.
    """

    snapshot: Snapshot = Snapshot("", {})  # noqa: RUF009 - immutable
    card: CardText = CardText("")  # noqa: RUF009
    manifest: dict[str, Any] | None = None

    @classmethod
    def read(cls, repository: Repository, snapshot: Snapshot) -> "Content":
        """Read the content of a snapshot. Raises `HubError`, also if the manifest is damaged."""
        return cls(snapshot, _card(repository, snapshot), _manifest(repository, snapshot))

    @property
    def files(self) -> dict[str, RemoteFile]:
        """All files, by path."""
        return self.snapshot.files

    @property
    def is_published(self) -> bool:
        """Whether readers take the dataset for finished."""
        if self.manifest is not None:
            return True
        named = not {"configs", "dataset_info"}.isdisjoint(self.card.header or {})
        return named and not is_placeholder(self.card)


def _card(repository: Repository, snapshot: Snapshot) -> CardText:
    """Read the card; an empty card if the repository has none."""
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
        build = found.get("build")  # the other keys of another format are unknown
        versions = build.get("versions") if isinstance(build, dict) else None
        return {"format": found["format"], "build": {"versions": versions}}
    if faults := manifest_faults(found):
        way_out = "Remove it on the Hub with `hf repos delete-files`, and push again."
        msg = f"{repository.name} on the Hub: {summary(faults, way_out)}"
        raise PushRefused(msg)
    manifest: dict[str, Any] = found
    return manifest
