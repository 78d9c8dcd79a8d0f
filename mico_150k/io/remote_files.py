"""The files of a folder elsewhere, for whoever writes there: behind any URL, or in a Hub bucket.

Names are relative to the folder. A bucket is asked by the Hub's own functions, which take many
files in one request: by fsspec, each file of a dataset would cost several of the requests that the
Hub counts.
"""

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from mico_150k.core.errors import OutputRefused, RemoteError
from mico_150k.io.hub import why_no_bucket
from mico_150k.io.places import HubBucket
from mico_150k.io.prefetch import map_ordered
from mico_150k.io.storage import local_or_url

if TYPE_CHECKING:
    from huggingface_hub import HfApi

GETS_AT_ONCE = 16
"""Small files that are fetched at once: each waits for a network's latency."""
_FEW = 10
"""Files of one folder whose sizes are asked for one by one; those of more are listed."""


class RemoteFiles:
    """A folder on any file system that fsspec writes to. Every method raises `RemoteError`."""

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str, location: str) -> None:
        """`location` is the folder's URL."""
        self._fs = fs
        self._root = root
        self.location = location

    def names(self, folder: str = "") -> list[str]:
        """Names of what is in a folder; none where there is no such folder."""
        with self._talking():
            try:
                found = self._list(folder)
            except FileNotFoundError:
                return []
        return [posixpath.basename(path.rstrip("/")) for path in found]

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """The sizes of those of these files that are there."""
        found: dict[str, int] = {}
        with self._talking():
            for folder, of_folder in groupby(sorted(names, key=_folder), key=_folder):
                wanted = set(of_folder)
                if len(wanted) <= _FEW:
                    sizes = ((name, self._size(name)) for name in wanted)
                    found |= {name: size for name, size in sizes if size is not None}
                    continue
                for info in self._fs.ls(self._path(folder), detail=True):
                    name = posixpath.join(folder, posixpath.basename(info["name"]))
                    if name in wanted:
                        found[name] = int(info["size"])
        return found

    def put(self, files: Mapping[str, Path]) -> None:
        """Send files of this machine."""
        with self._talking():
            for name, path in files.items():
                target = self._path(name)
                self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
                self._fs.put_file(str(path), target)

    def get(self, files: Mapping[str, Path]) -> None:
        """Fetch files; what is not there is removed here."""
        for path in files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._talking():
            gets = (partial(self._get, name, path) for name, path in files.items())
            for _ in map_ordered(gets, GETS_AT_ONCE):
                pass

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, and folders with all that is in them, that are there."""
        with self._talking():
            for name in names:
                self._fs.rm(self._path(name), recursive=True)

    def _get(self, name: str, path: Path) -> None:
        try:
            self._fs.get_file(self._path(name), str(path))
        except FileNotFoundError:
            path.unlink(missing_ok=True)

    def _list(self, folder: str) -> list[str]:
        found: list[str] = self._fs.ls(self._path(folder), detail=False)
        return found

    def _size(self, name: str) -> int | None:
        try:
            return int(self._fs.info(self._path(name))["size"])
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root

    def _why(self, error: Exception) -> str:
        return f"{type(error).__name__}: {error}"

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # every file system has its own way to say no
            msg = (
                f"{self.location}: {self._why(error)}\n"
                "Finished shards are kept there: re-run the command to resume."
            )
            raise RemoteError(msg) from error


class BucketFiles(RemoteFiles):
    """A folder in a bucket of the Hub."""

    def __init__(self, bucket: HubBucket) -> None:
        """Nothing is asked yet. Raises `UsageError` for a client that knows no buckets."""
        from huggingface_hub import constants

        # In a worker process, the client would ask its own environment for it.
        self._endpoint = constants.ENDPOINT
        self._bucket = bucket
        fs, root = local_or_url(str(bucket), endpoint=self._endpoint)
        super().__init__(fs, root, str(bucket))

    def create(self, *, private: bool) -> None:
        """Create the bucket where there is none.

        Raises `OutputRefused` where it is there and public, and is to be `private`.
        """
        from huggingface_hub.errors import BucketNotFoundError

        with self._talking():
            try:
                is_private = self._api.bucket_info(self._bucket.name).private
            except BucketNotFoundError:
                self._api.create_bucket(self._bucket.name, private=private or None, exist_ok=True)
                is_private = private
        if private and not is_private:
            msg = (
                f"{self.location}: the bucket exists and is public. Make it private on "
                f"{self._endpoint}/buckets/{self._bucket.name}, or run without --private."
            )
            raise OutputRefused(msg)

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """As `RemoteFiles` says."""
        wanted = {self._in_bucket(name): name for name in names}
        with self._talking():
            there = self._api.get_bucket_paths_info(self._bucket.name, list(wanted))
            return {wanted[file.path]: file.size for file in there}

    def put(self, files: Mapping[str, Path]) -> None:
        """As `RemoteFiles` says."""
        with self._talking():
            self._api.batch_bucket_files(
                self._bucket.name,
                add=[(str(path), self._in_bucket(name)) for name, path in files.items()],
            )

    def get(self, files: Mapping[str, Path]) -> None:
        """As `RemoteFiles` says."""
        if not files:
            return
        wanted = {self._in_bucket(name): path for name, path in files.items()}
        for path in wanted.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._talking():
            there = {
                file.path: file
                for file in self._api.get_bucket_paths_info(self._bucket.name, list(wanted))
            }
            for name in wanted.keys() - there:
                wanted[name].unlink(missing_ok=True)
            self._api.download_bucket_files(
                self._bucket.name, [(file, str(wanted[name])) for name, file in there.items()]
            )

    def remove(self, names: Iterable[str]) -> None:
        """As `RemoteFiles` says."""
        with self._talking():
            paths = {
                file.path
                for path in map(self._in_bucket, names)
                for file in self._api.list_bucket_tree(self._bucket.name, path, recursive=True)
                # The Hub lists what begins so, and not only what is in the folder.
                if file.type == "file" and (file.path == path or file.path.startswith(f"{path}/"))
            }
            self._api.batch_bucket_files(self._bucket.name, delete=sorted(paths))

    def _list(self, folder: str) -> list[str]:
        # What other processes write is to be seen.
        found: list[str] = self._fs.ls(self._path(folder), detail=False, refresh=True)
        return found

    @property
    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi(endpoint=self._endpoint)

    def _in_bucket(self, name: str) -> str:
        return posixpath.join(self._bucket.folder, name)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        with _without_bars(), super()._talking():
            yield

    def _why(self, error: Exception) -> str:
        return why_no_bucket(self._bucket.name, error) or super()._why(error)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Have the client draw no bars: whoever builds has one."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    # A user who wants them for certain says so in the environment.
    if are_progress_bars_disabled() or os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS"):
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _folder(name: str) -> str:
    return posixpath.dirname(name)
