"""Files that are whole or not there: written under another name, then renamed."""

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
    """Write a small file so that a reader sees the old one or the new one, never half of it."""
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def written_whole(path: Path, *, settled: bool = True) -> Iterator[Path]:
    """A place to write a file at, which gets its name at the end; a failure leaves nothing.

    The file is on the disk then, unless it need not be `settled`. The place is this thread's own,
    since several may write one file.
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
            with suppress(OSError):  # a disk that takes no file lets none be removed either
                temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, plain: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write JSON that a person may read; the same value gives the same bytes."""
    text = json.dumps(plain, indent=2, ensure_ascii=False, sort_keys=True)
    write_atomically(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none, or something else.

    Raises `NotRegular` for a FIFO, a device or a file far too large in its place.
    """
    try:
        found = parse_json(read_small(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def create_json(path: Path, plain: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Write a JSON file whole unless there is one: of many processes that try, one does.

    False where it was there. Where the file system has no links, the last one's file stays.
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
    """Give a file that was written over a longer time its name; it is on the disk then.

    It lies at `temporary`, or `partial(path)`, and is closed.
    """
    temporary = temporary or partial(path)
    with disk_errors(path):
        _bring_to_disk(temporary)
        temporary.replace(path)


def sweep(*folders: Path, everyones: bool = True) -> None:
    """Remove what runs that were killed have half written in these folders, and not below.

    `everyones` is for whoever keeps all others out: else what a process may still write stays.
    Links to folders are left alone.
    """
    for folder in folders:
        if folder.is_symlink():
            continue
        for path in folder.glob("*.partial"):
            if is_temporary(path) if everyones else is_abandoned(path):
                with disk_errors(path):
                    _remove(path)


def remove_abandoned(path: Path) -> None:
    """Remove what killed runs have left of this one file."""
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
    """Give a finished file a second name; copy it where the file system has no such links."""
    if target.exists() and target.samefile(source):
        return
    with written_whole(target) as temporary:
        try:
            os.link(source.resolve(), temporary)  # a download is a link itself, by its place
        except OSError:  # another disk, no hard links, or too many of one file
            shutil.copyfile(source, temporary)


def absolute(path: Path) -> Path:
    """The path from the root on. A link in it keeps its name, unless `..` leads out of it."""
    return path.resolve() if ".." in path.parts else path.absolute()


def same_disk(one: Path, other: Path) -> bool:
    """Whether two existing folders are on one file system, so that links can be made."""
    return one.stat().st_dev == other.stat().st_dev


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    return GrowingHash(path).finish()


class GrowingHash:
    """The SHA-256 of a file that is still being written to at its end."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet, and the file is open only while it is."""
        self._path = path
        self._digest = hashlib.sha256()
        self._position = 0

    def catch_up(self, end: int) -> None:
        """Read what has come since the last time, up to byte `end`: it is in memory still."""
        view = memoryview(bytearray(_HASH_BYTES))
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._position)
            while count := file.readinto(view[: max(0, end - self._position)]):
                self._digest.update(view[:count])
                self._position += count

    def finish(self) -> str:
        """Read the rest of what is now whole: the hash in hex."""
        self.catch_up(self._path.stat().st_size)
        return self._digest.hexdigest()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, or one that may not be written to, into an error that says what to do."""
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
