"""Shards go to the Hub as they are finished, and leave the disk: for one smaller than the data.

It is a first push: without a card readers do not take what is there for finished. The card is
what `mico_150k.hub.push` sends at the end, with the small configurations.
"""

from pathlib import Path

from mico_150k import names
from mico_150k.errors import PushRefused
from mico_150k.hub import preflight
from mico_150k.hub.publication import Shard
from mico_150k.hub.remote_check import read_manifest, read_remote_card
from mico_150k.hub.repository import DEFAULT_BRANCH, RemoteFile, Repository, require_client
from mico_150k.hub.settling import until_so
from mico_150k.records import ShardRecord


class StreamingPush:
    """A repository that takes a build's shards one by one."""

    def __init__(self, repository: Repository, folder: Path, *, keep: bool) -> None:
        """`begin` is the way to make one. `keep` leaves the files here as well."""
        self._repository = repository
        self._folder = folder
        self._keep = keep
        self._there: dict[str, RemoteFile] = {}

    @classmethod
    def begin(
        cls, repository: Repository, folder: Path, *, keep: bool, private: bool
    ) -> "StreamingPush":
        """Make the repository where there is none, and look at what it holds.

        Raises `UsageError`, `HubError` in all its kinds, and `PushRefused` where it is published
        already: readers must not see a new build beside an old card.
        """
        require_client()
        preflight.check_account(repository.account(), repository)
        repository.create(private=private)
        repository.check_writable()
        snapshot = repository.snapshot(DEFAULT_BRANCH)
        header = read_remote_card(repository, snapshot).header or {}
        if read_manifest(repository, snapshot) is not None or "dataset_info" in header:
            msg = (
                f"{repository.url} is published already, and its readers would see half of each "
                "build. Build without --push, and then `mico push`: that goes by a pull request."
            )
            raise PushRefused(msg)
        push = cls(repository, folder, keep=keep)
        push._there = snapshot.files
        return push

    @property
    def keeps(self) -> bool:
        """Whether shards stay here as well."""
        return self._keep

    def holds(self, record: ShardRecord) -> bool:
        """Whether the Hub has all files of a shard."""
        return all(shard.is_at(self._there.get(path)) for path, shard in _shards(record).items())

    def take(self, record: ShardRecord) -> None:
        """Send a finished shard, look that it is there by its SHA-256, and remove it here."""
        shards = _shards(record)
        if not self.holds(record):
            until_so(
                self._repository,
                DEFAULT_BRANCH,
                lambda snapshot: [
                    path
                    for path, shard in shards.items()
                    if not shard.is_at(snapshot.files.get(path))
                ],
                lambda paths, snapshot: self._repository.upload(
                    self._folder, paths, DEFAULT_BRANCH, _ADD_SHARD, snapshot.commit
                ),
            )
            self._there |= {
                path: RemoteFile(shard.bytes, shard.sha256, "") for path, shard in shards.items()
            }
        if not self._keep:
            for path in shards:
                (self._folder / path).unlink(missing_ok=True)


def _shards(record: ShardRecord) -> dict[str, Shard]:
    name = names.shard_name(record.number, record.split)
    return {
        f"{config}/{name}": Shard(file.bytes, file.sha256) for config, file in record.files.items()
    }


_ADD_SHARD = "Add a shard"
