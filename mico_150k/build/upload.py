"""A dataset folder on any file system that fsspec writes to, or in a bucket of the Hub.

Shards go there as they are finished, each with its record last; the small files are made here and
go at the end, the manifest last of all. A build goes on from what is there, on any machine.
"""

import json
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from mico_150k.build.executors import shards_at_once
from mico_150k.core.errors import OutputRefused, RemoteError
from mico_150k.dataset import layout
from mico_150k.dataset.records import ShardRecord
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.places import HubBucket, RemoteUrl
from mico_150k.io.remote_files import BucketFiles, RemoteFiles
from mico_150k.io.storage import local_or_url
from mico_150k.io.temporary import temporary_folder


class RemoteFolder:
    """A dataset folder elsewhere, with a folder `here` that holds all but the shards.

    It is the `ShardSink` of a build: its shards never stay here. There are no locks over a network:
    whoever begins writes down there which build it is, and then looks whether another has.
    """

    holds_parts = True

    def __init__(self, files: RemoteFiles, here: Path) -> None:
        """`open` is the way to make one."""
        self._files = files
        self._here = Workspace(here, (), files.location)
        self._seen: dict[str, int] = {}
        self.location = files.location

    @classmethod
    def open(
        cls, place: RemoteUrl | HubBucket, here: Path, *, private: bool = False, parts: bool = True
    ) -> "RemoteFolder":
        """The folder at a URL or in a bucket, and what a build of it needs here to go on.

        A bucket that is not there is created, `private` or not. Without `parts`, what a build is
        completed with is not fetched.

        Raises `OutputRefused` where it holds something else, and `RemoteError`.
        """
        files: RemoteFiles
        if isinstance(place, HubBucket):
            files = BucketFiles(place)
            files.create(private=private)
        else:
            try:
                # What other processes write is to be seen.
                fs, root = local_or_url(place.location, use_listings_cache=False)
            except (ImportError, ValueError) as error:
                msg = f"--out {place}: {error}"
                raise OutputRefused(msg) from error
            files = RemoteFiles(fs, root.rstrip("/"), place.location)
        remote = cls(files, here)
        remote._restore(parts=parts)
        return remote

    @property
    def shards_here(self) -> int:
        """As `ShardSink` says."""
        return shards_at_once(1)

    def claim(self) -> None:
        """Say there which build it is, before its first shard.

        Of two that do so at once, at least one sees the other's claim: each has a name of its own.

        Raises `OutputRefused` where another build has begun there.
        """
        if not self._here.begun_partitions():
            self._here.claim_partition(1, 1)
        here, token = self._here.claims, self._here.token
        folder, wanted = self._name(here), self._here.identity
        before = self._files.names(folder)
        mine = self._named(path for path in here.glob(f"*.{token}.json") if path.name not in before)
        self._files.put(mine)
        while others := [name for name in self._files.names(folder) if f".{token}." not in name]:
            other = here / others[0]
            self._files.get(self._named([other]))
            if other.exists():  # else that build has seen ours, and was refused itself
                self._files.remove(mine)
                other.replace(self._here.identity_file)
                self._here.holds(wanted)  # raises, and says what differs
        files = [self._here.identity_file]
        if self._here.license_file.exists():
            files.append(self._here.license_file)
        self._files.put(self._named(files))

    def fetch_index(self) -> None:
        """Bring the index of a finished build here: its card is written from it."""
        if (self._here.folder / layout.MANIFEST).exists():
            self._files.get(self._named([self._here.folder / layout.INDEX / layout.shard_name(0)]))

    def holds(self, record: ShardRecord) -> bool:
        """Whether all files and parts of a shard are there, in their size."""
        wanted = self._sizes(record)
        if unknown := [name for name, size in wanted.items() if self._seen.get(name) != size]:
            self._seen |= self._files.sizes(unknown)
        return all(self._seen.get(name) == size for name, size in wanted.items())

    def take(self, record: ShardRecord) -> None:
        """Fetch what is to be joined of a shard whose files are there."""
        if not self.holds(record):
            name = layout.shard_name(record.number, record.split)
            msg = (
                f"{self.location} lacks files of {name}, which was finished: something has "
                "removed them."
            )
            raise RemoteError(msg)
        parts = self._here.parts(record)
        self._files.get(self._named(path for path in parts if not path.exists()))
        for path, part in parts.items():
            if not path.exists() or path.stat().st_size != part.bytes:
                msg = f"{self.location}: {self._name(path)} differs from what was uploaded."
                raise RemoteError(msg)
        self._here.keep(record)

    def deliver(self) -> None:
        """Nothing waits: `send` was whole."""

    def send(self, workspace: Workspace, record: ShardRecord) -> None:
        """Send a shard that was finished in another workspace, and remove it there."""
        sizes = _sizes(record)
        shard = {name: workspace.folder / name for name in sizes}
        self._files.put(shard | self._named(workspace.parts(record), workspace))
        there = self._files.sizes(sizes)
        for name, size in sizes.items():
            if there.get(name) != size:
                msg = f"{self.location}: {name} has another size there than what was uploaded."
                raise RemoteError(msg)
            shard[name].unlink()
        self._files.put(
            self._named([workspace.record_file(record.number, record.split)], workspace)
        )

    def records(self, numbers: Iterable[int]) -> Iterator[ShardRecord]:
        """The records there of these shards, in their order."""
        there = set(self._files.names(self._name(self._here.record_file(0).parent)))
        with temporary_folder() as folder:
            copies = Workspace(folder, ())
            wanted = [
                number for number in sorted(numbers) if copies.record_file(number).name in there
            ]
            self._files.get(self._named(map(copies.record_file, wanted), copies))
            for number in wanted:
                # None while it is being written: not every storage shows a file whole.
                if record := copies.record(number):
                    yield record

    def publish(self) -> None:
        """Send what was made here at the end of a build, the manifest last."""
        folder = self._here.folder
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        last = folder / layout.MANIFEST
        self._files.put(self._named(path for path in files if path != last))
        self._files.put(self._named([last]))
        if layout.WORK in self._files.names():
            self._files.remove([layout.WORK])

    def totals(self) -> tuple[int, int]:
        """Files and bytes of what is published: of shards, and of the small files."""
        manifest = json.loads((self._here.folder / layout.MANIFEST).read_text())
        shards = {
            f"{config}/{name}": file["bytes"]
            for config, files in manifest["configs"].items()
            for name, file in files.items()
        }
        small = {
            path.relative_to(self._here.folder).as_posix(): path.stat().st_size
            for path in self._here.folder.rglob("*")
            if path.is_file() and path.name != layout.MTIME_TOKENS
        }
        together = {**small, **shards}
        return len(together), sum(together.values())

    def _restore(self, *, parts: bool) -> None:
        """Bring here what a build goes on from, or what a finished one has said."""
        there = self._files.names()
        if layout.MANIFEST in there:
            wanted = {layout.MANIFEST, layout.REPORT, layout.CARD, layout.MTIME_TOKENS}
            self._files.get(self._named(self._here.folder / name for name in wanted & set(there)))
        elif layout.WORK in there:
            work = self._here.work
            folders = [work, self._here.claims, self._here.record_file(0).parent]
            if parts:
                folders += [work / layout.INDEX, work / layout.SAMPLE]
            files = [
                folder / name
                for folder in folders
                for name in self._files.names(self._name(folder))
                if posixpath.splitext(name)[1] in {".json", ".parquet"}
            ]
            self._files.get(self._named(files))
            self._seen = self._files.sizes(
                name
                for record in self._here.records(
                    elsewhere=lambda _: True, parts_elsewhere=True
                ).values()
                for name in self._sizes(record)
            )
        elif there:
            msg = (
                f"{self.location} is not empty, and not a folder that `mico build` has begun.\n"
                "Nothing in it was changed. Choose another place with --out."
            )
            raise OutputRefused(msg)

    def _sizes(self, record: ShardRecord) -> dict[str, int]:
        """The files there of a shard, and its parts."""
        parts = self._here.parts(record).items()
        return _sizes(record) | {self._name(path): part.bytes for path, part in parts}

    def _name(self, path: Path, workspace: Workspace | None = None) -> str:
        return path.relative_to((workspace or self._here).folder).as_posix()

    def _named(self, paths: Iterable[Path], workspace: Workspace | None = None) -> dict[str, Path]:
        return {self._name(path, workspace): path for path in paths}


def _sizes(record: ShardRecord) -> dict[str, int]:
    name = layout.shard_name(record.number, record.split)
    return {f"{config}/{name}": file.bytes for config, file in record.files.items()}
