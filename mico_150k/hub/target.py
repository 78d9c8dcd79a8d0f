"""The state that a push aims at: shards by their SHA-256, and small files by their content."""

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.card.card import Card
from mico_150k.card.text import CardText
from mico_150k.core.errors import PushRefused, UnknownConfig
from mico_150k.core.excerpt import excerpt
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS
from mico_150k.dataset.folder import DatasetFolder, require_format
from mico_150k.dataset.report_rules import read_report
from mico_150k.hub.content import Content
from mico_150k.hub.repository import RemoteFile
from mico_150k.io.regular import Root, read_small

logger = logging.getLogger(__name__)

_PICTURE = re.compile(r"\w[\w .,()@+-]*\.(png|jpe?g|webp|gif|svg)", re.IGNORECASE)
"""What may lie in `assets/`: nothing else that somebody has put there is published."""
_OURS = (layout.QUARANTINE, *(f"{layout.ASSETS}/{name}" for name in (layout.PLOTS, layout.COLLAGE)))
"""Small files that we have or not; others in `assets/` are people's."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as the manifest has it."""

    bytes: int
    sha256: str

    def is_at(self, remote: RemoteFile | None) -> bool:
        """Whether this is what the Hub holds."""
        return remote is not None and (remote.size, remote.sha256) == (self.bytes, self.sha256)


def shards_of(configs: Mapping[str, Any]) -> dict[str, Shard]:
    """The shards that a manifest names in its `configs`, by path."""
    return {
        f"{config}/{name}": Shard(record["bytes"], record["sha256"])
        for config, files in configs.items()
        for name, record in files.items()
    }


def missing(shards: Mapping[str, Shard], there: Mapping[str, RemoteFile]) -> list[str]:
    """The paths of those shards that are not among the Hub's files, or not as they should be."""
    return [path for path, shard in shards.items() if not shard.is_at(there.get(path))]


@dataclass(frozen=True, slots=True)
class Publication:
    """The state that a push ends in.

    `sent` are the configurations of this push: those of the manifest that are not were pushed
    before, of the same build. `shards` are by path in the repository, `small` are files that go
    in one commit with the card.
    """

    folder: Path
    manifest: dict[str, Any]
    sent: tuple[str, ...]
    shards: dict[str, Shard]
    small: dict[str, bytes]

    @classmethod
    def of_folder(
        cls,
        folder: DatasetFolder,
        repository: str,
        configs: Iterable[str],
        card: CardText,
        there: Content,
    ) -> "Publication":
        """What a push of these configurations, or of all, makes of what is `there`.

        `card` is the folder's. Raises `NotADataset`, `UnknownConfig`, and `PushRefused` where the
        repository has other configurations of another build.
        """
        manifest = folder.manifest
        wanted = _wanted(manifest, tuple(configs))
        manifest = {
            **manifest,
            "configs": _joined(repository, manifest, wanted, there.manifest or {}),
        }
        shards = shards_of(manifest["configs"])
        root = Root.at(folder.path)
        joined_card = _card(folder, repository, manifest, card, there.card)
        small = {
            layout.CARD: joined_card.text.encode(),
            layout.MANIFEST: _json(manifest),
            **{name: read_small(root.file(name)) for name in _small_files(folder.path)},
        }
        return cls(folder.path, manifest, wanted, shards, small)

    @property
    def card(self) -> CardText:
        """The card that it gets."""
        return CardText(self.small[layout.CARD].decode())

    @property
    def total_bytes(self) -> int:
        """Of all shards."""
        return sum(shard.bytes for shard in self.shards.values())

    def missing_shards(self, there: Mapping[str, RemoteFile]) -> list[str]:
        """Shards that are not there, or not as they should be."""
        return missing(self.shards, there)

    def changed_small(self, there: Mapping[str, RemoteFile]) -> dict[str, bytes]:
        """Small files that are not there, or with another content."""
        return {
            path: content
            for path, content in self.small.items()
            if path not in there or not there[path].holds(content)
        }

    def stale(self, there: Iterable[str]) -> list[str]:
        """Files that an earlier push has left, and this one does not have."""
        return [
            path
            for path in there
            if (_is_shard(path) and path not in self.shards)
            or (path in _OURS and path not in self.small)
        ]


def check_own_files(folder: DatasetFolder) -> None:
    """Raise where a file to be sent is anything but a regular one inside the folder.

    A folder may come from a stranger, and what its links lead to is not theirs to publish. Files
    that are not there are others' to miss. Raises `OutsideRoot`, `NotRegular`, and `PushRefused`.
    """
    root = Root.at(folder.path)
    _check_file(root, layout.MANIFEST)  # before it is read
    shards = [
        f"{config}/{name}" for config, files in folder.manifest["configs"].items() for name in files
    ]
    for name in shards:
        if not _is_shard(name):
            msg = (
                f"{folder.path}: its {layout.MANIFEST} names {excerpt(name)}, which is not a shard."
            )
            raise PushRefused(msg)
    for name in (layout.CARD, *_small_files(folder.path), *shards):
        _check_file(root, name)


def _check_file(root: Root, name: str) -> None:
    with suppress(FileNotFoundError):
        root.file(name)


def _small_files(folder: Path) -> Iterator[str]:
    """The small files besides the card and the manifest, by their names in the folder."""
    yield from (
        name for name in (layout.REPORT, layout.QUARANTINE) if os.path.lexists(folder / name)
    )
    for path in sorted((folder / layout.ASSETS).glob("*")):
        if _PICTURE.fullmatch(path.name):
            yield f"{layout.ASSETS}/{path.name}"
        elif not path.name.startswith("."):
            logger.warning("%s/%s is not an image: not uploaded", layout.ASSETS, excerpt(path.name))


def _is_shard(path: str) -> bool:
    """Whether a path there is that of a shard: a folder of a configuration, and a shard's name."""
    config, _, name = path.partition("/")
    return config in COLUMNS and layout.is_shard(name)


def foreign_files(there: Iterable[str]) -> list[str]:
    """Files in the folders of configurations that no push can have left."""
    return [
        path
        for path in there
        if path.partition("/")[0] in COLUMNS and "/" in path and not _is_shard(path)
    ]


def _wanted(manifest: dict[str, Any], configs: tuple[str, ...]) -> tuple[str, ...]:
    """The configurations of this push, in the card's order; `index` always."""
    for config in configs:
        if config not in manifest["configs"]:
            there = ", ".join(manifest["configs"])
            msg = f"The dataset folder has no configuration {config!r}; it has {there}."
            raise UnknownConfig(msg)
    chosen = {*configs, layout.INDEX} if configs else set(manifest["configs"])
    return tuple(config for config in COLUMNS if config in chosen)


def _joined(
    repository: str,
    manifest: dict[str, Any],
    wanted: tuple[str, ...],
    there: Mapping[str, Any],
) -> dict[str, Any]:
    """Configuration → its files' records: those of this push and those that are there already.

    Codes that are there of another build go: they are made again of this one, and may be of rows
    that were taken down.
    """
    if there and len(wanted) < len(manifest["configs"]):
        require_format(there, f"{repository} on the Hub")  # its other files would be lost
    others = {k: v for k, v in there.get("configs", {}).items() if k not in wanted}
    is_same = are_same_rows(manifest, there)
    if not is_same:
        others.pop(layout.CODES, None)
    if others and not is_same:
        msg = (
            f"{repository} also holds {', '.join(others)} of another build, whose rows would not "
            "match. Build and push these as well, or remove their folders on the Hub first."
        )
        raise PushRefused(msg)
    joined = {**others, **{config: manifest["configs"][config] for config in wanted}}
    return {config: joined[config] for config in COLUMNS if config in joined}


def are_same_rows(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two manifests are of one build, but for the configurations that were asked for."""
    first, second = (
        {**build, "options": {**build.get("options", {}), "configs": None}}
        for build in (one.get("build", {}), other.get("build", {}))
    )
    return first == second


def _card(
    folder: DatasetFolder,
    repository: str,
    manifest: dict[str, Any],
    here: CardText,
    there: CardText,
) -> CardText:
    """The folder's card under the repository's name, with what was added by hand in either.

    A card that was changed outside of its kept sections is taken as it is. Where that makes what
    is there already, it stays, so that it is still known whether a person has changed it.
    """
    if here.is_untouched:
        report = read_report(folder.path, manifest)
        card = Card.of_folder(folder.path, manifest, report, before=here, name=repository)
        joined = card.joined_with(there).render()
    else:
        joined = here.sign_again()
    return there if there.says(joined) else joined


def _json(plain: dict[str, Any]) -> bytes:
    return (json.dumps(plain, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()
