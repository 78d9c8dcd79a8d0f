"""Where a source lies: a local folder, or anything that fsspec reads, such as `hf://`."""

import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

import fsspec
import xxhash
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from mico_150k.errors import PathOutsideSource, SourceNotFound
from mico_150k.images.probe import MAX_BYTES
from mico_150k.reason import Reason
from mico_150k.sample import Missing


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
            fs, path = url_to_fs(location)
            path = path.rstrip("/") or "/"
            info = fs.info(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            msg = f"{location}: no such file or folder."
            raise SourceNotFound(msg) from error
        except Exception as error:  # every file system has its own way to say no
            msg = f"{location}: cannot be opened: {type(error).__name__}: {error}"
            raise SourceNotFound(msg) from error
        if info["type"] == "directory":
            return cls(fs, path, location), None
        folder, name = posixpath.split(path)
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

    def find(self, *endings: str, exclude: Sequence[str] = ()) -> list[str]:
        """Files below the root with one of the endings, sorted.

        None under a hidden folder, and none that matches one of the patterns to exclude.
        """
        found = (posixpath.relpath(path, self.root) for path in self.fs.find(self.root))
        return sorted(
            name
            for name in found
            if name.lower().endswith(endings)
            and not any(part.startswith(".") for part in name.split("/"))
            and not any(fnmatchcase(name, pattern) for pattern in exclude)
        )

    def open(self, name: str) -> BinaryIO:
        """A file for reading at any place; nothing is read ahead over a network."""
        options = {} if self.is_local else {"cache_type": "none"}
        return self.fs.open(self.path(name), "rb", **options)  # type: ignore[no-any-return]

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
        full = posixpath.normpath(posixpath.join(folder, path))
        if self.allow_outside:
            return full
        root, target = self.storage.root, full
        if self.storage.is_local and "\0" not in full:
            # A link may leave the folder as well as "..".
            root, target = os.path.realpath(root), os.path.realpath(full)
        if posixpath.commonpath([root, target]) != root:
            msg = (
                f"{self.file}: the image path {path!r} leads out of {self.storage.location}, "
                "and would put a file from elsewhere into the dataset.\n"
                "If these are your own paths: --allow-outside"
            )
            raise PathOutsideSource(msg)
        return full


class NamedImages:
    """Adds up the images that a file names by path: their bytes, content and stamps."""

    def __init__(self, paths: ImagePaths) -> None:
        """`paths` finds them."""
        self._paths = paths
        self._sizes: dict[str, int] = {}
        self._content = xxhash.xxh3_128()
        self._stamp = xxhash.xxh3_128()
        self.bytes = 0

    def add(self, path: str) -> None:
        """Count one use of an image. Raises `PathOutsideSource`."""
        if path not in self._sizes:
            size, stamp = self._paths.status(path)
            self._sizes[path] = 0 if isinstance(size, Missing) else size
            self._content.update(f"{path}\0{self._sizes[path]}\0".encode("utf-8", "replace"))
            self._stamp.update(f"{path}\0{stamp}\0".encode("utf-8", "replace"))
        self.bytes += self._sizes[path]

    @property
    def content(self) -> str:
        """The same for the same paths and sizes; "" where no image was named."""
        return self._content.hexdigest() if self._sizes else ""

    @property
    def stamp(self) -> str:
        """Another one when any of the files is written again; "" where no image was named."""
        return self._stamp.hexdigest() if self._sizes else ""
