"""The state that a push aims at: shards by SHA-256, and small files by content."""

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
"""The files that a push publishes from `assets/`; it publishes no others."""
_OURS = (layout.QUARANTINE, *(f"{layout.ASSETS}/{name}" for name in (layout.PLOTS, layout.COLLAGE)))
"""Optional small files that a build writes; other files in `assets/` belong to users."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard, as recorded in the manifest."""

    bytes: int
    sha256: str

    def is_at(self, remote: RemoteFile | None) -> bool:
        """Whether the file on the Hub is this shard."""
        return remote is not None and (remote.size, remote.sha256) == (self.bytes, self.sha256)


def shards_of(configs: Mapping[str, Any]) -> dict[str, Shard]:
    """Return the shards that a manifest names in its `configs`, by path."""
    return {
        f"{config}/{name}": Shard(record["bytes"], record["sha256"])
        for config, files in configs.items()
        for name, record in files.items()
    }


def missing(shards: Mapping[str, Shard], there: Mapping[str, RemoteFile]) -> list[str]:
    """Return the paths of the shards that are missing on the Hub or differ there."""
    return [path for path, shard in shards.items() if not shard.is_at(there.get(path))]


@dataclass(frozen=True, slots=True)
class Publication:
    """The state of the repository after a push.

    `sent` are the configurations of this push; the manifest may have others of the same build that
    were pushed before. `shards` are keyed by path in the repository. `small` are the files that go
    into one commit with the card.
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
        """Plan the state after a push of these configurations, or of all of them.

        Args:
            folder: The dataset folder.
            repository: The name of the repository, `user/name`.
            configs: The configurations to push; empty for all.
            card: The folder's card.
            there: The current content of the repository.

        Raises:
            NotADataset: The folder is not a complete dataset.
            UnknownConfig: The folder lacks one of the configurations.
            PushRefused: The repository has other configurations of another build.
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
        """The card to publish."""
        return CardText(self.small[layout.CARD].decode())

    @property
    def total_bytes(self) -> int:
        """The bytes of all shards."""
        return sum(shard.bytes for shard in self.shards.values())

    def missing_shards(self, there: Mapping[str, RemoteFile]) -> list[str]:
        """Return the shards that are missing on the Hub or differ there."""
        return missing(self.shards, there)

    def changed_small(self, there: Mapping[str, RemoteFile]) -> dict[str, bytes]:
        """Return the small files that are missing on the Hub or differ there."""
        return {
            path: content
            for path, content in self.small.items()
            if path not in there or not there[path].holds(content)
        }

    def stale(self, there: Iterable[str]) -> list[str]:
        """List files of earlier pushes that are not part of this one."""
        return [
            path
            for path in there
            if (_is_shard(path) and path not in self.shards)
            or (path in _OURS and path not in self.small)
        ]


def check_own_files(folder: DatasetFolder) -> None:
    """Check that every file to be sent is a regular file inside the folder.

    A folder from a stranger may have links to private files, which must not be published. Missing
    files are not reported here.

    Raises:
        OutsideRoot: A file is a link that leads out of the folder.
        NotRegular: A file is not a regular file.
        PushRefused: The manifest names a file that is not a shard.
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
    """Yield the names of the small files in the folder, except the card and the manifest."""
    yield from (
        name for name in (layout.REPORT, layout.QUARANTINE) if os.path.lexists(folder / name)
    )
    for path in sorted((folder / layout.ASSETS).glob("*")):
        if _PICTURE.fullmatch(path.name):
            yield f"{layout.ASSETS}/{path.name}"
        elif not path.name.startswith("."):
            logger.warning("%s/%s is not an image: not uploaded", layout.ASSETS, excerpt(path.name))


def _is_shard(path: str) -> bool:
    """Whether a path in the repository is `<configuration>/<name of a shard>`."""
    config, _, name = path.partition("/")
    return config in COLUMNS and layout.is_shard(name)


def foreign_files(there: Iterable[str]) -> list[str]:
    """List files in the folders of configurations that no push has written."""
    return [
        path
        for path in there
        if path.partition("/")[0] in COLUMNS and "/" in path and not _is_shard(path)
    ]


def _wanted(manifest: dict[str, Any], configs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the configurations of this push in the card's order; `index` is always included."""
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
    """Merge the records of this push with those on the Hub, by configuration.

    Codes of another build are dropped: they must be computed again for this build, and may belong
    to rows that were taken down.
    """
    if there and len(wanted) < len(manifest["configs"]):
        require_format(there, f"{repository} on the Hub")  # else its other files would be lost
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
    """Whether two manifests are of the same build, ignoring the selected configurations."""
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
    """Return the folder's card under the repository's name, merged with manual edits.

    A card that was edited outside of its kept sections is not rendered again. If the result equals
    the card on the Hub, that card stays, so that manual edits can still be detected.
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
