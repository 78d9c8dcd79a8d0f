"""Uploads shards as they finish and removes them locally, for a disk smaller than the dataset.

A placeholder card keeps readers away from the unfinished dataset, as in a first push. At the end,
`mico_150k.hub.push` uploads the card and the small configurations.
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
"""Called with the number of files and bytes of the shards that the Hub holds so far."""


@dataclass(frozen=True, slots=True)
class HubTarget:
    """A repository that a build uploads its shards to, with its state before the build.

    `private` is whether a private repository is requested.
    """

    repository: Repository
    private: bool
    state: RemoteState

    @classmethod
    def look(cls, repository: Repository, *, private: bool = False) -> "HubTarget":
        """Read the state of the repository, without uploading anything.

        Raises:
            UsageError: The installed client cannot push.
            HubError: The Hub cannot be reached or refuses the push.
        """
        state = RemoteState.look(repository, DEFAULT_BRANCH, private=private)
        return cls(repository, private, state)

    def holds_build(self, identity: dict[str, Any], configs: Iterable[str]) -> bool:
        """Whether this very build is published with these configurations and all their shards."""
        manifest = self.state.content.manifest or {}
        there = manifest.get("configs", {})
        return (
            manifest.get("build") == identity
            and set(configs) <= set(there)
            and not missing(shards_of(there), self.state.content.files)
        )

    def refuse_published(self) -> None:
        """Raise `PushRefused` if a dataset is already published in the repository.

        Readers must not see a new build with an old card.
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
    """A `ShardSink` that uploads a build's shards in batches, many files in each commit."""

    def __init__(
        self,
        target: HubTarget,
        folder: Path,
        *,
        workers: int = 1,
        on_sent: OnSent = lambda _, __: None,
    ) -> None:
        """Keep the arguments; `begin` sends the first request.

        Args:
            target: The repository.
            folder: The dataset folder of the build.
            workers: The number of processes that build shards.
            on_sent: Called after each upload.
        """
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
        """Create the repository if necessary, and put a placeholder card there."""
        state = self._target.state
        if state.private is None:
            create(self._repository, private=self._target.private)
        if not is_placeholder(state.content.card):
            self._known = put_placeholder(self._repository, DEFAULT_BRANCH, state.content.card)

    def holds(self, record: ShardRecord) -> bool:
        """Whether the Hub has all files of a shard."""
        return not missing(_shards(record), self._known.files)

    def take(self, record: ShardRecord) -> None:
        """Queue a finished shard; upload the queue once it is long or disk space is short."""
        self._waiting.append(record)
        files = sum(len(waiting.files) for waiting in self._waiting)
        if files + len(record.files) > BATCH_FILES or self._is_short_of_room():
            self.deliver()

    def deliver(self) -> None:
        """Upload the queued shards, verify them by SHA-256, and remove them locally."""
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
        """Whether the disk may fill up before the build delivers its next shard."""
        largest = max(sum(file.bytes for file in record.files.values()) for record in self._waiting)
        free = free_space(self._folder)
        return free is not None and free < self.shards_here * largest


def lost_shards(folder: Path, configs: Mapping[str, Any], there: Snapshot) -> list[str]:
    """Return the shards of a finished build that are neither in its folder nor on the Hub."""
    return [
        path for path in missing(shards_of(configs), there.files) if not (folder / path).is_file()
    ]


def _shards(record: ShardRecord) -> dict[str, Shard]:
    name = layout.shard_name(record.number, record.split)
    return {
        f"{config}/{name}": Shard(file.bytes, file.sha256) for config, file in record.files.items()
    }
