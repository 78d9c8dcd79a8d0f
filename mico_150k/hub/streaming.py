"""Shards go to the Hub as they are finished, and leave the disk: for one smaller than the data.

It is a first push: a placeholder for the card keeps readers away from what is not finished. The
card is what `mico_150k.hub.push` sends at the end, with the small configurations.
"""

from pathlib import Path

from mico_150k.build.executors import shards_at_once
from mico_150k.core.errors import PushRefused
from mico_150k.dataset import layout
from mico_150k.dataset.records import ShardRecord
from mico_150k.hub.placeholder import is_placeholder, put_placeholder
from mico_150k.hub.remote_state import RemoteState, create
from mico_150k.hub.repository import BATCH_FILES, DEFAULT_BRANCH, Repository, Snapshot
from mico_150k.hub.sync import sync_until_equal
from mico_150k.hub.target import Shard
from mico_150k.io.machine import free_space


class StreamingPush:
    """A repository that takes a build's shards, some at a time: each commit is of many files."""

    def __init__(
        self, repository: Repository, folder: Path, state: RemoteState, *, keep: bool, private: bool
    ) -> None:
        """`prepare` is the way to make one. `keep` leaves the files here as well."""
        self.state = state
        self._repository = repository
        self._folder = folder
        self._keep = keep
        self._private = private
        self._known = state.content.snapshot
        self._waiting: list[ShardRecord] = []

    @classmethod
    def prepare(
        cls, repository: Repository, folder: Path, *, keep: bool, private: bool
    ) -> "StreamingPush":
        """Look at what the repository holds; sends nothing.

        Raises `UsageError`, `HubError` in all its kinds, and `PushRefused` where it is published
        already: readers must not see a new build beside an old card.
        """
        state = RemoteState.look(repository, DEFAULT_BRANCH, private=private)
        if state.content.is_published:
            msg = (
                f"{repository.url} is published already, and its readers would see half of each "
                "build. Build without --push, and then `mico push`: that goes by a pull request."
            )
            raise PushRefused(msg)
        return cls(repository, folder, state, keep=keep, private=private)

    def begin(self) -> None:
        """Make the repository where there is none, and keep its readers away meanwhile."""
        if self.state.private is None:
            create(self._repository, private=self._private)
        if not is_placeholder(self.state.content.card):
            self._known = put_placeholder(self._repository, DEFAULT_BRANCH, self.state.content.card)

    @property
    def shards_here(self) -> int | None:
        """As `ShardSink` says."""
        return None if self._keep else shards_at_once(1)

    def holds(self, record: ShardRecord) -> bool:
        """Whether the Hub has all files of a shard."""
        return not _missing(_shards(record), self._known)

    def take(self, record: ShardRecord) -> None:
        """Take a finished shard, and send it with others: once they are many, or room is short."""
        self._waiting.append(record)
        files = sum(len(waiting.files) for waiting in self._waiting)
        if files + len(record.files) > BATCH_FILES or self._is_short_of_room():
            self.deliver()

    def deliver(self) -> None:
        """Send what waits, look that it is there by its SHA-256, and remove it here."""
        shards = {
            path: shard for record in self._waiting for path, shard in _shards(record).items()
        }
        if _missing(shards, self._known):
            self._known = sync_until_equal(
                self._repository,
                DEFAULT_BRANCH,
                lambda snapshot: _missing(shards, snapshot),
                lambda paths, snapshot: self._repository.upload(
                    self._folder, paths, DEFAULT_BRANCH, _ADD_SHARDS, snapshot.commit
                ),
                self._known,
            )
        self._waiting.clear()
        if not self._keep:
            for path in shards:
                (self._folder / path).unlink(missing_ok=True)

    def _is_short_of_room(self) -> bool:
        """Whether what the build writes until it hands over the next shard may not fit."""
        if self.shards_here is None:
            return False
        largest = max(sum(file.bytes for file in record.files.values()) for record in self._waiting)
        free = free_space(self._folder)
        return free is not None and free < self.shards_here * largest


def _missing(shards: dict[str, Shard], there: Snapshot) -> list[str]:
    return [path for path, shard in shards.items() if not shard.is_at(there.files.get(path))]


def _shards(record: ShardRecord) -> dict[str, Shard]:
    name = layout.shard_name(record.number, record.split)
    return {
        f"{config}/{name}": Shard(file.bytes, file.sha256) for config, file in record.files.items()
    }


_ADD_SHARDS = "Add shards"
