"""Where a source lies: a local folder, or anything that fsspec reads, such as `hf://`."""

import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, TypeVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from mico_150k.again import again
from mico_150k.errors import (
    BrokenFile,
    MicoError,
    PathOutsideSource,
    SourceLost,
    SourceNotFound,
)
from mico_150k.images.probe import MAX_BYTES
from mico_150k.pattern import leave_out
from mico_150k.reason import Reason
from mico_150k.sample import Missing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Storage:
    """A root folder on a file system; every path below is relative to it and uses slashes."""

    fs: fsspec.AbstractFileSystem
    root: str
    location: str

    @classmethod
    def at(cls, location: str) -> tuple["Storage", str | None]:
        """The folder at `location` and None, or a file's folder and the file's name.

        Raises `SourceNotFound`.
        """
        try:
            if not location:
                raise FileNotFoundError  # noqa: TRY301 - to fsspec, it is the working directory
            fs, path = url_to_fs(location)
            path = path.rstrip("/") or "/"
            info = fs.info(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            msg = f"{location or '(nothing)'}: no such file or folder."
            raise SourceNotFound(msg) from error
        except Exception as error:  # every file system has its own way to say no
            msg = f"{location}: cannot be opened: {_said(error)}"
            raise SourceNotFound(msg) from error
        if info["type"] == "directory":
            return cls(fs, path, location), None
        folder, name = posixpath.split(path)
        if location.endswith("/") or folder.endswith(":"):  # a page, such as http://host/data/
            msg = (
                f"{location}: no folder whose files can be listed. "
                "Name one file, or download them and name the folder."
            )
            raise SourceNotFound(msg)
        return cls(fs, folder, posixpath.dirname(location) or "."), name

    @property
    def is_local(self) -> bool:
        """Whether paths are this machine's own."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def name(self) -> str:
        """The root folder's own name."""
        return posixpath.basename(self.root)

    def path(self, name: str) -> str:
        """The file system's path of a file below the root."""
        return posixpath.join(self.root, name)

    def all_files(self) -> list[str]:
        """Every file below the root, hidden ones as well."""
        return [posixpath.relpath(path, self.root) for path in self.fs.find(self.root)]

    def find(self, *endings: str) -> list[str]:
        """Files below the root with one of the endings, sorted; none under a hidden folder."""
        return sorted(
            name
            for name in self.all_files()
            if name.lower().endswith(endings) and not is_hidden(name)
        )

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """The same as `open`, for a file of a source. Raises `BrokenFile` where it cannot be."""
        try:
            handle = self.open(name)
        except Exception as error:  # every file system has its own way to say no
            msg = f"{name}: cannot be opened: {_said(error)}\n{leave_out(name)}"
            raise BrokenFile(msg) from error
        with handle:
            yield handle

    def open(self, name: str) -> BinaryIO:
        """A file for reading at any place; nothing is read ahead over a network."""
        options = {} if self.is_local else {"cache_type": "none"}
        return self._own_fs().open(self.path(name), "rb", **options)  # type: ignore[no-any-return]

    def parquet(
        self,
        name: str,
        metadata: pq.FileMetaData | None = None,
        *,
        local_buffer: int = 0,
        remote_buffer: int = 0,
    ) -> pq.ParquetFile:
        """A Parquet file; through a buffer of so many bytes, no column chunk is held whole.

        With `pre_buffer`, threads of pyarrow's own let go of a handle after the read has ended, and
        abort a process that ends meanwhile: 9 of 150 on a busy machine.
        """
        source = self.path(name) if self.is_local else self.open(name)
        buffer = local_buffer if self.is_local else remote_buffer
        return pq.ParquetFile(
            source,
            metadata=metadata,
            pre_buffer=False,
            buffer_size=buffer,
            page_checksum_verification=True,
        )

    def again(self, call: Callable[[], T]) -> T:
        """What a call that reads here returns, made again where a network fails it."""
        return call() if self.is_local else again(call)

    @contextmanager
    def losses(self, name: str) -> Iterator[None]:
        """Turn what the file system says of a file that was there before into `SourceLost`."""
        try:
            yield
        except (MicoError, pa.ArrowException):
            raise
        except Exception as error:
            # pyarrow's own word for damage is a bare OSError, without a number.
            if type(error) is OSError and not error.errno:
                raise
            if self.is_local and not isinstance(error, OSError):
                raise
            msg = (
                f"{name} of {self.location} was there at the start, and cannot be read any more: "
                f"{error or type(error).__name__}\n"
                "Finished shards are kept: when it is there again, the same command goes on."
            )
            raise SourceLost(msg) from error

    def stamp(self, name: str) -> str:
        """What changes when the file does: its content's name on the Hub, else size and time."""
        info: dict[str, Any] = self.fs.info(self.path(name))
        content = (info.get("lfs") or {}).get("sha256") or info.get("blob_id") or info.get("ETag")
        if content:
            return str(content)
        if self.is_local:
            status = os.stat(self.path(name))
            return f"{status.st_size}-{status.st_mtime_ns}"
        return f"{info.get('size')}-{info.get('mtime') or info.get('last_modified')}"

    def state(self, name: str) -> str:
        """The stamp as it is by now: what is remembered of a file elsewhere is forgotten."""
        here = replace(self, fs=self._own_fs())
        if not self.is_local:
            here.fs.invalidate_cache(self.path(name))
        return here.stamp(name)

    def identity(self, name: str) -> tuple[int, int]:
        """Which file of this machine has the name; none elsewhere.

        Numbers to compare while the file is open: some file systems give new ones afterwards.
        """
        if not self.is_local:
            return (0, 0)
        status = os.stat(self.path(name))
        return status.st_dev, status.st_ino

    def _own_fs(self) -> fsspec.AbstractFileSystem:
        """The file system; made anew in a process that was forked from the one that has it."""
        fs = self.fs
        if isinstance(fs, AsyncFileSystem) and fs._pid != os.getpid():  # noqa: SLF001
            return type(fs)(*fs.storage_args, **fs.storage_options)
        return fs


@dataclass(frozen=True, slots=True)
class ImagePaths:
    """Reads the images that one file of a source names by path, relative to that file.

    A path that leaves the source's root is refused: manifests come from strangers, and what
    they name would be published. `allow_outside` is for one's own.
    """

    storage: Storage
    file: str
    allow_outside: bool = False

    def read(self, path: str) -> bytes | Missing:
        """The file's bytes, or why there are none. Raises `PathOutsideSource`."""
        size = self.size(path)
        if isinstance(size, Missing):
            return size
        return self.storage.fs.cat_file(self._resolve(path))  # type: ignore[no-any-return]

    def size(self, path: str) -> int | Missing:
        """The file's bytes in number, or why there are none. Raises `PathOutsideSource`."""
        return self.status(path)[0]

    def status(self, path: str) -> tuple[int | Missing, str]:
        """Its size, and what changes when it is written again. Raises `PathOutsideSource`."""
        try:
            full = self._resolve(path)
            if self.storage.is_local:
                status = os.stat(full)
                is_file, size = stat.S_ISREG(status.st_mode), status.st_size
                stamp = str(status.st_mtime_ns)
            else:
                info = self.storage.fs.info(full)
                is_file, size = info["type"] == "file", int(info["size"])
                stamp = str(info.get("ETag") or info.get("mtime") or "")
        except (OSError, ValueError):  # ValueError: a NUL in the path, or half of a character
            return Missing(Reason.FILE_MISSING, path), ""
        if not is_file:
            return Missing(Reason.FILE_MISSING, f"{path} (no regular file)"), stamp
        if size > MAX_BYTES:
            return Missing(Reason.TOO_LARGE, f"{path}: {size} bytes"), stamp
        return size, stamp

    def _resolve(self, path: str) -> str:
        folder = posixpath.dirname(self.storage.path(self.file))
        full = _join(folder, path)
        if self.allow_outside:
            return full
        root, target = self.storage.root, full
        if self.storage.is_local and "\0" not in full:
            # A link may leave the folder as well as "..".
            root, target = os.path.realpath(root), os.path.realpath(full)
        within = f"{target}/".startswith(f"{root.rstrip('/')}/" if root else "")
        if not within or target.startswith("../"):
            msg = (
                f"{self.file}: the image path {path!r} leads out of {self.storage.location}, "
                "and would put a file from elsewhere into the dataset.\n"
                "If these are your own paths: --allow-outside"
            )
            raise PathOutsideSource(msg)
        return full


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder on its path, is hidden."""
    return any(part.startswith(".") for part in name.split("/"))


def _join(folder: str, path: str) -> str:
    """Both as one path without `..`; the slashes of a URL's protocol stay two."""
    protocol, separator, rest = folder.rpartition("://")
    return f"{protocol}{separator}{posixpath.normpath(posixpath.join(rest, path))}"


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
