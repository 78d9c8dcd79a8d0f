"""A dataset folder on any file system that fsspec writes to, such as `s3://bucket/mico-150k`.

Shards go there as they are finished, each with its record last; the small files are made here and
go at the end, the manifest last of all. A build goes on from what is there, on any machine.
"""

import json
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import fsspec

from mico_150k.build.executors import shards_at_once
from mico_150k.core.errors import OutputRefused, RemoteError
from mico_150k.dataset import layout
from mico_150k.dataset.records import ShardRecord
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.prefetch import map_ordered
from mico_150k.io.storage import local_or_url

GETS_AT_ONCE = 16
"""Small files that are fetched at once: each waits for a network's latency."""


class RemoteFolder:
    """A dataset folder elsewhere, with a folder `here` that holds all but the shards.

    It is the `ShardSink` of a build: its shards never stay here. One build at a time writes to it.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str, location: str, here: Path) -> None:
        """`open` is the way to make one."""
        self._fs = fs
        self._root = root
        self._here = Workspace(here, ())
        self.location = location

    @classmethod
    def open(cls, location: str, here: Path) -> "RemoteFolder":
        """The folder at a URL, and what a build of it needs here to go on.

        Raises `OutputRefused` where it holds something else, and `RemoteError`.
        """
        try:
            # What other processes write is to be seen.
            fs, root = local_or_url(location, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            msg = f"--out {location}: {error}"
            raise OutputRefused(msg) from error
        remote = cls(fs, root.rstrip("/"), location, here)
        remote._restore()
        return remote

    @property
    def shards_here(self) -> int:
        """As `ShardSink` says."""
        return shards_at_once(1)

    def send_identity(self) -> None:
        """Say there which build it is, before its first shard."""
        self._put(self._here.identity_file)
        if self._here.license_file.exists():
            self._put(self._here.license_file)

    def fetch_index(self) -> None:
        """Bring the index of a finished build here: its card is written from it."""
        if (self._here.folder / layout.MANIFEST).exists():
            self._get(self._here.folder / layout.INDEX / layout.shard_name(0))

    def holds(self, record: ShardRecord) -> bool:
        """Whether all files of a shard are there, in their size."""
        return all(self._size(name) == size for name, size in _sizes(record).items())

    def take(self, record: ShardRecord) -> None:
        """Fetch what is to be joined of a shard whose files are there."""
        if not self.holds(record):
            name = layout.shard_name(record.number, record.split)
            msg = (
                f"{self.location} lacks files of {name}, which was finished: something has "
                "removed them."
            )
            raise RemoteError(msg)
        for path, part in self._here.parts(record).items():
            if not path.exists():
                self._get(path)
            if not path.exists() or path.stat().st_size != part.bytes:
                msg = f"{self.location}: {self._name(path)} differs from what was uploaded."
                raise RemoteError(msg)
        self._here.keep(record)

    def deliver(self) -> None:
        """Nothing waits: `send` was whole."""

    def send(self, workspace: Workspace, record: ShardRecord) -> None:
        """Send a shard that was finished in another workspace, and remove it there."""
        for name, size in _sizes(record).items():
            self._put(workspace.folder / name, workspace)
            if self._size(name) != size:
                msg = f"{self.location}: {name} has another size there than what was uploaded."
                raise RemoteError(msg)
            (workspace.folder / name).unlink()
        for path in workspace.parts(record):
            self._put(path, workspace)
        self._put(workspace.record_file(record.number, record.split), workspace)

    def records(self, numbers: Iterable[int]) -> Iterator[ShardRecord]:
        """The records there of these shards, in their order."""
        there = set(self._list(self._name(self._here.record_file(0).parent)))
        for number in sorted(numbers):
            path = self._here.record_file(number)
            if path.name in there:
                with self._talking():
                    data = self._fs.cat_file(self._path(self._name(path)))
                try:
                    record = ShardRecord.from_dict(json.loads(data))
                except (ValueError, KeyError, TypeError):
                    continue  # it is being written: not every storage shows a file whole
                yield record

    def publish(self) -> None:
        """Send what was made here at the end of a build, the manifest last."""
        folder = self._here.folder
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        last = folder / layout.MANIFEST
        for path in [*(path for path in files if path != last), last]:
            self._put(path)
        if layout.WORK in self._list(""):
            with self._talking():
                self._fs.rm(self._path(layout.WORK), recursive=True)

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

    def _restore(self) -> None:
        """Bring here what a build goes on from, or what a finished one has said."""
        there = self._list("")
        if layout.MANIFEST in there:
            wanted = {layout.MANIFEST, layout.REPORT, layout.CARD, layout.MTIME_TOKENS}
            for name in wanted & set(there):
                self._get(self._here.folder / name)
        elif layout.WORK in there:
            folders = ("", layout.INDEX, layout.SAMPLE, self._here.record_file(0).parent.name)
            files = [
                self._here.work / folder / name
                for folder in folders
                for name in self._list(posixpath.join(layout.WORK, folder))
                if posixpath.splitext(name)[1] in {".json", ".parquet"}
            ]
            for _ in map_ordered((partial(self._get, path) for path in files), GETS_AT_ONCE):
                pass
        elif there:
            msg = (
                f"{self.location} is not empty, and not a folder that `mico build` has begun.\n"
                "Nothing in it was changed. Choose another place with --out."
            )
            raise OutputRefused(msg)

    def _name(self, path: Path, workspace: Workspace | None = None) -> str:
        return path.relative_to((workspace or self._here).folder).as_posix()

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root

    def _list(self, folder: str) -> list[str]:
        """Names of what is in a folder there; none where there is no such folder."""
        with self._talking():
            try:
                found: list[str] = self._fs.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
        return [posixpath.basename(path.rstrip("/")) for path in found]

    def _size(self, name: str) -> int | None:
        with self._talking():
            try:
                info = self._fs.info(self._path(name))
            except FileNotFoundError:
                return None
        return int(info["size"])

    def _put(self, path: Path, workspace: Workspace | None = None) -> None:
        target = self._path(self._name(path, workspace))
        with self._talking():
            self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
            self._fs.put_file(str(path), target)

    def _get(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._talking():
            try:
                self._fs.get_file(self._path(self._name(path)), str(path))
            except FileNotFoundError:
                path.unlink(missing_ok=True)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # every file system has its own way to say no
            msg = (
                f"{self.location}: {type(error).__name__}: {error}\n"
                "Finished shards are kept there: re-run the command to resume."
            )
            raise RemoteError(msg) from error


def _sizes(record: ShardRecord) -> dict[str, int]:
    name = layout.shard_name(record.number, record.split)
    return {f"{config}/{name}": file.bytes for config, file in record.files.items()}
