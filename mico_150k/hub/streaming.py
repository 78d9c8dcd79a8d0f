"""Uploads shards as they finish and removes them here, for a disk smaller than the data.

It is a first push: a placeholder for the card keeps readers away from what is not finished. The
card is what `mico_150k.hub.push` sends at the end, with the small configurations.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.build.executors import shards_at_once
from mico_150k.core.errors import PushRefused
from mico_150k.dataset import layout
from mico_150k.dataset.records import ShardRecord
from mico_150k.hub.placeholder import is_placeholder, put_placeholder
from mico_150k.hub.remote_state import RemoteState, create
from mico_150k.hub.repository import BATCH_FILES, DEFAULT_BRANCH, Repository, Snapshot
from mico_150k.hub.sync import sync_until_equal
from mico_150k.hub.target import Shard, missing, shards_of
from mico_150k.io.machine import free_space

OnSent = Callable[[int, int], None]
"""Told of the shards that the Hub holds by now: their files, and bytes."""


@dataclass(frozen=True, slots=True)
class HubTarget:
    """A repository that a build is to send its shards to, as it was found.

    `private` is what was asked for.
    """

    repository: Repository
    private: bool
    state: RemoteState

    @classmethod
    def look(cls, repository: Repository, *, private: bool = False) -> "HubTarget":
        """Look at what the repository holds; sends nothing.

        Raises `UsageError`, and `HubError` in all its kinds.
        """
        state = RemoteState.look(repository, DEFAULT_BRANCH, private=private)
        return cls(repository, private, state)

    def holds_build(self, identity: dict[str, Any], configs: Iterable[str]) -> bool:
        """Whether this very build is published there, with these configurations and each shard."""
        manifest = self.state.content.manifest or {}
        there = manifest.get("configs", {})
        return (
            manifest.get("build") == identity
            and set(configs) <= set(there)
            and not missing(shards_of(there), self.state.content.files)
        )

    def refuse_published(self) -> None:
        """Raise `PushRefused` where it is published already.

        Readers must not see a new build beside an old card.
        """
        if self.state.content.is_published:
            name = self.repository.name
            msg = (
                f"{self.repository.url} is already published, and its readers would see "
                "unfinished builds. Build into a folder and push it, which uses a pull "
                "request:\n"
                f"mico build SOURCE --out FOLDER && mico push FOLDER {name}"
            )
            raise PushRefused(msg)


class StreamingPush:
    """The `ShardSink` that sends a build's shards, some at a time: each commit is of many files."""

    def __init__(
        self,
        target: HubTarget,
        folder: Path,
        *,
        workers: int = 1,
        on_sent: OnSent = lambda _, __: None,
    ) -> None:
        """Nothing is sent before `begin`. `folder` is the build's, by so many `workers`."""
        self.holds_parts = False
        self.shards_here = shards_at_once(workers)
        self._target = target
        self._repository = target.repository
        self._folder = folder
        self._known = target.state.content.snapshot
        self._on_sent = on_sent
        self._files = self._bytes = 0
        self._waiting: list[ShardRecord] = []

    def begin(self) -> None:
        """Create the repository where there is none, and keep its readers away meanwhile."""
        state = self._target.state
        if state.private is None:
            create(self._repository, private=self._target.private)
        if not is_placeholder(state.content.card):
            self._known = put_placeholder(self._repository, DEFAULT_BRANCH, state.content.card)

    def holds(self, record: ShardRecord) -> bool:
        """Whether the Hub has all files of a shard."""
        return not missing(_shards(record), self._known.files)

    def take(self, record: ShardRecord) -> None:
        """Take a finished shard, and send it with others: once they are many, or room is short."""
        self._waiting.append(record)
        files = sum(len(waiting.files) for waiting in self._waiting)
        if files + len(record.files) > BATCH_FILES or self._is_short_of_room():
            self.deliver()

    def deliver(self) -> None:
        """Send the waiting shards, verify them by SHA-256, and remove them here."""
        shards = {
            path: shard for record in self._waiting for path, shard in _shards(record).items()
        }
        if missing(shards, self._known.files):
            self._known = sync_until_equal(
                self._repository,
                DEFAULT_BRANCH,
                lambda snapshot: missing(shards, snapshot.files),
                lambda paths, snapshot: self._repository.upload(
                    self._folder, paths, DEFAULT_BRANCH, snapshot.commit
                ),
                self._known,
            )
        self._waiting.clear()
        for path in shards:
            (self._folder / path).unlink(missing_ok=True)
        if shards:
            self._files += len(shards)
            self._bytes += sum(shard.bytes for shard in shards.values())
            self._on_sent(self._files, self._bytes)

    def _is_short_of_room(self) -> bool:
        """Whether what the build writes until it hands over the next shard may not fit."""
        largest = max(sum(file.bytes for file in record.files.values()) for record in self._waiting)
        free = free_space(self._folder)
        return free is not None and free < self.shards_here * largest


def lost_shards(folder: Path, configs: Mapping[str, Any], there: Snapshot) -> list[str]:
    """Those of a finished build's configurations that lie neither in its folder nor on the Hub."""
    return [
        path for path in missing(shards_of(configs), there.files) if not (folder / path).is_file()
    ]


def _shards(record: ShardRecord) -> dict[str, Shard]:
    name = layout.shard_name(record.number, record.split)
    return {
        f"{config}/{name}": Shard(file.bytes, file.sha256) for config, file in record.files.items()
    }
