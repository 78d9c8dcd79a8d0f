"""Writes files atomically: under another name first, then renamed."""

import errno
import glob
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mico_150k.core.errors import DiskTooSmall, OutputRefused
from mico_150k.io.json_lines import parse_json
from mico_150k.io.regular import read_small
from mico_150k.io.temporary import is_abandoned, is_temporary, partial, process_mark

_HASH_BYTES = 1 << 20


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file; a reader sees the old one or the new one, never half of it."""
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def written_whole(path: Path, *, settled: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write a file at; it is renamed at the end, or removed on failure.

    The temporary path belongs to this thread, since several may write the same file.

    Args:
        path: The file's final path.
        settled: Whether to flush the file to the disk.
    """
    temporary = partial(path, f"{process_mark()}-{threading.get_ident()}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if settled:
                _bring_to_disk(temporary)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # a read-only disk allows no removal either
                temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, plain: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write a value as indented JSON; the same value gives the same bytes."""
    text = json.dumps(plain, indent=2, ensure_ascii=False, sort_keys=True)
    write_atomically(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty if the file is missing or holds something else.

    Raises:
        NotRegular: A FIFO, a device or a file far too large is in its place.
    """
    try:
        found = parse_json(read_small(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def create_json(path: Path, plain: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Write a JSON file unless it exists; of many processes that try, one succeeds.

    On a file system without hard links, the file of the last process stays.

    Returns:
        False if the file existed.
    """
    temporary = partial(path)
    write_json(temporary, plain)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def settle(path: Path, temporary: Path | None = None) -> None:
    """Flush a finished temporary file to the disk and rename it.

    Args:
        path: The final path.
        temporary: The closed file; `partial(path)` by default.
    """
    temporary = temporary or partial(path)
    with disk_errors(path):
        _bring_to_disk(temporary)
        temporary.replace(path)


def sweep(*folders: Path, everyones: bool = True) -> None:
    """Remove the unfinished files that killed runs left in these folders, not in those below.

    Links to folders are left alone.

    Args:
        folders: The folders.
        everyones: Whether the caller has locked out all others. If not, files that a process may
            still be writing stay.
    """
    for folder in folders:
        if folder.is_symlink():
            continue
        for path in folder.glob("*.partial"):
            if is_temporary(path) if everyones else is_abandoned(path):
                with disk_errors(path):
                    _remove(path)


def remove_abandoned(path: Path) -> None:
    """Remove what killed runs left of one file."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        if is_abandoned(left):
            with suppress(OSError):
                _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bring_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def link(source: Path, target: Path) -> None:
    """Hard-link a finished file; copy it if the file system cannot link."""
    if target.exists() and target.samefile(source):
        return
    with written_whole(target) as temporary:
        try:
            os.link(source.resolve(), temporary)  # a download is a link itself, by its place
        except OSError:  # another disk, no hard links, or too many of one file
            shutil.copyfile(source, temporary)


def absolute(path: Path) -> Path:
    """Return the absolute path; links in it are kept, unless `..` leads out of one."""
    return path.resolve() if ".." in path.parts else path.absolute()


def same_disk(one: Path, other: Path) -> bool:
    """Whether two existing folders are on one file system, so that links can be made."""
    return one.stat().st_dev == other.stat().st_dev


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    return GrowingHash(path).finish()


class GrowingHash:
    """The SHA-256 of a file to which another writer still appends."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet; the file is open only during a read."""
        self._path = path
        self._digest = hashlib.sha256()
        self._position = 0

    def catch_up(self, end: int) -> None:
        """Hash what was appended since the last call, up to byte `end`, while it is cached."""
        view = memoryview(bytearray(_HASH_BYTES))
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._position)
            while count := file.readinto(view[: max(0, end - self._position)]):
                self._digest.update(view[:count])
                self._position += count

    def finish(self) -> str:
        """Hash the rest of the finished file, and return the hash in hex."""
        self.catch_up(self._path.stat().st_size)
        return self._digest.hexdigest()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of a full or read-only disk into messages that say what to do.

    Raises:
        DiskTooSmall: The disk is full.
        OutputRefused: The folder cannot be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            msg = (
                f"{path}: the disk is full. Finished shards are kept: free some space and re-run "
                "the command to resume."
            )
            raise DiskTooSmall(msg) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            msg = f"{path} cannot be written: {error.strerror}. Choose another folder."
            raise OutputRefused(msg) from error
        raise
