"""The storage of a source: a local folder, or anything that fsspec reads, such as `hf://`."""

import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, unquote

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.asyn import AsyncFileSystem
from fsspec.core import strip_protocol, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from mico_150k.core.errors import (
    BrokenFile,
    MicoError,
    NotRegular,
    PathOutsideSource,
    SourceError,
    SourceLost,
    SourceNotFound,
)
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out
from mico_150k.core.sample import is_text
from mico_150k.io.hub import BUCKETS, hub_url, require_buckets, why_unreadable
from mico_150k.io.regular import Root, open_regular, require_regular
from mico_150k.io.retry import again

T = TypeVar("T")


_OF_THIS_MACHINE = ("file://", "local://")


def is_url(location: str) -> bool:
    """Whether a location is a URL rather than a local path."""
    return "://" in location


def local_or_url(location: str, **options: Any) -> tuple[fsspec.AbstractFileSystem, str]:  # noqa: ANN401 - any file system's
    """Return the file system of a location, and the path in it.

    fsspec's own `url_to_fs` takes `::` in a folder's name for a chain of file systems.

    Args:
        location: A local path or a URL.
        options: Arguments for the file system of a URL.

    Raises:
        UsageError: It is a bucket on the Hub, and the client knows none.
    """
    if location.startswith(BUCKETS):
        require_buckets(location)
    if is_url(location) and not location.startswith(_OF_THIS_MACHINE):
        found: tuple[fsspec.AbstractFileSystem, str] = url_to_fs(location, **options)
        return found
    return LocalFileSystem(), strip_protocol(location)


@dataclass(frozen=True, slots=True)
class Storage:
    """A root folder on a file system; paths below it are relative and use slashes.

    On this machine only regular files are opened.

    Attributes:
        inside: Local files must lie in this root, if it is given.
        file: The name of a file that the user named directly; it may be a link.
        file_path: The path of that file.
    """

    fs: fsspec.AbstractFileSystem
    root: str
    location: str
    inside: Root | None = None
    file: str = ""
    file_path: str = ""

    @classmethod
    def at(cls, location: str, *, allow_outside: bool = False) -> tuple["Storage", str | None]:
        """Open a location.

        Args:
            location: A folder, a file or a URL. `USER/NAME` is a dataset on the Hub unless a
                local file or folder has that name.
            allow_outside: Whether links may lead out of the folder.

        Returns:
            The folder and None, or a file's folder and the file's name.

        Raises:
            SourceNotFound: There is nothing at the location, or it cannot be read.
        """
        if not is_text(location):
            msg = (
                f"{excerpt(location)}: this name is not UTF-8, and no dataset could state it. "
                "Rename it, or name a link to it."
            )
            raise SourceNotFound(msg)
        try:
            if not location:
                raise FileNotFoundError  # noqa: TRY301 - to fsspec, it is the working directory
            fs, path = local_or_url(hub_url(location))
            path = path.rstrip("/") or "/"
            info = fs.info(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            msg = f"{location or '(nothing)'}: no such file or folder."
            raise SourceNotFound(why_unreadable(location, error) or msg) from error
        except MicoError:
            raise
        except Exception as error:  # every file system has its own way to say no
            msg = f"{location}: cannot be opened: {_said(error)}"
            raise SourceNotFound(why_unreadable(location, error) or msg) from error
        location = hub_url(location)
        is_local = isinstance(fs, LocalFileSystem)
        if info["type"] == "directory":
            inside = Root.at(path) if is_local and not allow_outside else None
            return cls(fs, path, location, inside), None
        bare = path
        if _is_http(fs):  # its query is no part of its name
            location, bare = (url.partition("#")[0].partition("?")[0] for url in (location, path))
        folder, name = posixpath.split(bare)
        if location.endswith("/") or folder.endswith(":"):  # a page, such as http://host/data/
            msg = (
                f"{location}: no folder whose files can be listed. "
                "Name one file, or download them and name the folder."
            )
            raise SourceNotFound(msg)
        name = unquote(name) if _is_http(fs) else name
        inside = Root.at(folder) if is_local and not allow_outside else None
        place = posixpath.dirname(location) or "."
        return cls(fs, folder, place, inside, name, path), name

    @property
    def is_local(self) -> bool:
        """Whether the files are on this machine."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def name(self) -> str:
        """The root folder's own name."""
        return posixpath.basename(self.root)

    def path(self, name: str) -> str:
        """Return the file system's path of a file below the root; for a web server, its URL."""
        if name and name == self.file:
            return self.file_path
        return _join(self.root, quote(name) if _is_http(self.fs) else name)

    @property
    def snapshot_hint(self) -> str:
        """The advice for links that lead outside because the Hub's cache was given by a link."""
        if self.inside and not self.inside.blobs and Root.at(self.inside.real).blobs:
            snapshot = excerpt(self.inside.real)
            return f"\nIt is a link to a snapshot in the Hub's cache: name that, {snapshot}"
        return ""

    def holds(self, name: str) -> bool:
        """Whether a file or folder lies inside once its links are resolved."""
        return self.inside is None or name == self.file or self.inside.holds(self.path(name))

    def all_files(self) -> list[str]:
        """Return every file below the root, including hidden ones."""
        return [posixpath.relpath(path, self.root) for path in self.fs.find(self.root)]

    def find(self, *endings: str) -> list[str]:
        """Return the files below the root with one of the endings, sorted, without hidden ones."""
        return sorted(
            name
            for name in self.all_files()
            if name.lower().endswith(endings) and not is_hidden(name)
        )

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """Open a file of a source for reading.

        Raises:
            BrokenFile: It cannot be opened.
        """
        try:
            handle = self.open(name)
        except PathOutsideSource:
            raise
        except NotRegular as error:
            msg = f"{error} {leave_out(name)}"
            raise BrokenFile(msg) from error
        except Exception as error:  # every file system has its own way to say no
            if said := why_unreadable(self.location, error):
                raise SourceError(said) from error
            msg = f"{excerpt(name)}: cannot be opened: {_said(error)}\n{leave_out(name)}"
            raise BrokenFile(msg) from error
        with handle:
            yield handle

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading at any position, without reading ahead over a network.

        Raises:
            NotRegular: It is not a regular file.
            PathOutsideSource: It leads out of the root.
            OSError: The file system cannot open it, as a rule with this type.
        """
        if self.is_local:
            return open_regular(self._here(name))
        return self._own_fs().open(  # type: ignore[no-any-return]
            self.path(name), "rb", cache_type="none"
        )

    def _here(self, name: str) -> str:
        """Return the path of a regular local file."""
        path = self.path(name)
        if not self.holds(name):
            raise leads_out(self, name)
        require_regular(path)
        return path

    def parquet(
        self,
        name: str,
        metadata: pq.FileMetaData | None = None,
        *,
        local_buffer: int = 0,
        remote_buffer: int = 0,
    ) -> pq.ParquetFile:
        """Open a Parquet file.

        `pre_buffer` stays off: with it, pyarrow's threads release a handle after the read has
        ended, and abort a process that ends at that time (9 of 150 on a busy machine).

        Args:
            name: The file below the root.
            metadata: Its footer, if it was read before.
            local_buffer: Buffer size in bytes for a local file; 0 reads column chunks whole.
            remote_buffer: The same for a remote file.
        """
        source = self._here(name) if self.is_local else self.open(name)
        buffer = local_buffer if self.is_local else remote_buffer
        return pq.ParquetFile(
            source,
            metadata=metadata,
            pre_buffer=False,
            buffer_size=buffer,
            page_checksum_verification=True,
        )

    def again(self, call: Callable[[], T]) -> T:
        """Return what a call that reads here returns; for remote files, network failures retry."""
        return call() if self.is_local else again(call)

    @contextmanager
    def losses(self, name: str) -> Iterator[None]:
        """Turn the file system's errors about a file that was there before into `SourceLost`."""
        try:
            yield
        except (MicoError, pa.ArrowException):
            raise
        except Exception as error:
            # pyarrow reports damage as a bare OSError without a number.
            if type(error) is OSError and not error.errno:
                raise
            if self.is_local and not isinstance(error, OSError):
                raise
            msg = (
                f"{name} of {self.location} was there at the start, and can no longer be read: "
                f"{error or type(error).__name__}\n"
                "Finished shards are kept: re-run the command when it is there again."
            )
            raise SourceLost(msg) from error

    def mtime_token(self, name: str) -> str:
        """Return a token that changes with the file: a hash on the Hub, else size and time."""
        info: dict[str, Any] = self.fs.info(self.path(name))
        named = (
            (info.get("lfs") or {}).get("sha256"),
            info.get("blob_id"),
            info.get("xet_hash"),  # all that a bucket says
            info.get("ETag"),
        )
        if content := next(filter(None, named), None):
            return str(content)
        if self.is_local:
            status = os.stat(self.path(name))
            return f"{status.st_size}-{status.st_mtime_ns}"
        return f"{info.get('size')}-{info.get('mtime') or info.get('last_modified')}"

    def state(self, name: str) -> str:
        """Return the current `mtime_token`, without cached information."""
        here = replace(self, fs=self._own_fs())
        if not self.is_local:
            here.fs.invalidate_cache(self.path(name))
        return here.mtime_token(name)

    def identity(self, name: str) -> tuple[int, int]:
        """Return the device and inode of a local file; (0, 0) for a remote one.

        Compare them only while the file is open: some file systems assign new ones later.
        """
        if not self.is_local:
            return (0, 0)
        status = os.stat(self.path(name))
        return status.st_dev, status.st_ino

    def _own_fs(self) -> fsspec.AbstractFileSystem:
        """Return the file system; a forked process makes its own."""
        fs = self.fs
        if isinstance(fs, AsyncFileSystem) and getattr(fs, "_pid", None) != os.getpid():
            return type(fs)(*fs.storage_args, **fs.storage_options)
        return fs


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder on its path, is hidden."""
    return any(part.startswith(".") for part in name.split("/"))


def leads_out(storage: Storage, link: str) -> PathOutsideSource:
    """Return the error for a link that leads out of the folder."""
    target = os.path.realpath(storage.path(link))
    return PathOutsideSource(
        f"{excerpt(link)} is a link that leads out of {excerpt(storage.location)}, to "
        f"{excerpt(target)}.\nIf what lies there is yours to publish: --allow-outside. "
        f"{leave_out(link)}{storage.snapshot_hint}"
    )


def _is_http(fs: fsspec.AbstractFileSystem) -> bool:
    return "http" in fs.protocol  # a name, or several


def _join(folder: str, path: str) -> str:
    """Join the two to one path without `..`; keep both slashes of a URL's protocol."""
    protocol, separator, rest = folder.rpartition("://")
    return f"{protocol}{separator}{posixpath.normpath(posixpath.join(rest, path))}"


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
