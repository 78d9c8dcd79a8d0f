"""Locks between processes: held as long as the process lives, however it ends.

The lock is on the folder itself, so that no lock file remains. On a network file system, machines
see each other's locks only on files: long-running commands therefore lock a file in their work
folder as well, and write their name in it.
"""

import fcntl
import os
import platform
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from mico_150k.core.errors import MicoError, OutputRefused
from mico_150k.core.excerpt import excerpt
from mico_150k.io.files import disk_errors
from mico_150k.io.regular import open_regular

LOCK = "lock"
"""The name of the lock file in a work folder."""
_SIGNATURE_BYTES = 200
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TRIES = 100
"""Attempts to lock what lies at a path, if it is removed and replaced in between."""


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Lock a file, which is created if needed; yields whether the lock was free.

    On a file system without locks, it always is.
    """
    with path.open("a+b") as file:
        yield _can_be_had(file.fileno(), shared=False)


@contextmanager
def lock_folder(
    folder: Path, *, work: Path | None = None, who: str = "", shared: bool = False, name: str = ""
) -> Iterator[None]:
    """Lock a folder, which is created if needed.

    Args:
        folder: The folder.
        work: A folder inside for unfinished work, which then holds a lock file as well. It is
            removed at the end if nothing else is in it.
        who: The command that holds the lock, for the messages of others.
        shared: Whether other shared holders are let in.
        name: The folder's name in a message.

    Raises:
        OutputRefused: Another run has locked the folder, or a file is in its place.
    """
    name = name or str(folder)
    is_new = not folder.exists()
    try:
        with disk_errors(folder):
            handle = _take_folder(folder, shared=shared)
    except (FileExistsError, NotADirectoryError) as error:
        msg = f"{name} is a file. Choose another folder."
        raise OutputRefused(msg) from error
    if handle is None:
        raise _refusal(name, work)
    try:
        with _signed(name, work, who, shared=shared) if work else nullcontext():
            yield
    finally:
        if is_new:
            with suppress(OSError):  # removed only if it is empty
                folder.rmdir()
        os.close(handle)


def empty(work: Path, *, keep: str = "") -> None:
    """Remove what is in a work folder, except its lock and the file `keep`, as far as possible."""
    if work.is_symlink():
        return
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in work.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name not in {LOCK, keep}:
                with suppress(OSError):
                    path.unlink()


@contextmanager
def _signed(name: str, work: Path, who: str, *, shared: bool) -> Iterator[None]:
    """Hold the lock file in a work folder, with the holder's name in it."""
    with disk_errors(work):
        handle = _take_file(work / LOCK, shared=shared)
    if handle is None:
        raise _refusal(name, work)
    try:
        signature = f"{who}, process {os.getpid()} on {platform.node()}".encode()
        with suppress(OSError):  # a full disk: the lock works without the name
            os.pwrite(handle, signature, 0)
            os.ftruncate(handle, len(signature))
        yield
    finally:
        with suppress(OSError):
            if not shared and os.listdir(work) == [LOCK]:  # noqa: PTH208 - names, and no more
                (work / LOCK).unlink()
        os.close(handle)
        with suppress(OSError):
            work.rmdir()


def _take_folder(folder: Path, *, shared: bool) -> int | None:
    """Return a handle that locks a folder, which is created; None if the lock is taken."""

    def opened() -> int:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    return _take(folder, opened, shared=shared)


def _take_file(path: Path, *, shared: bool) -> int | None:
    """Return a handle that locks a file, which is created with its folder; None if it is taken.

    Raises:
        OutputRefused: The file or its folder is a link.
    """

    def opened() -> int:
        for place in (path.parent, path):
            if place.is_symlink():
                msg = f"{place} is a link that mico has not made. Remove it."
                raise OutputRefused(msg)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, _FLAGS, 0o666)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            msg = f"{path} is not a regular file. Remove it."
            raise OutputRefused(msg)
        return handle

    return _take(path, opened, shared=shared)


def _take(path: Path, opened: Callable[[], int], *, shared: bool) -> int | None:
    for left in reversed(range(_TRIES)):
        try:
            handle = opened()
        except FileNotFoundError:
            if not left:
                raise
            continue  # it was empty, and its holder has removed it
        if not _can_be_had(handle, shared=shared):
            os.close(handle)
            return None
        if _is_at(path, handle) or not left:
            return handle
        os.close(handle)
    return None


def _is_at(path: Path, handle: int) -> bool:
    """Whether the locked file is still the one at the path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _refusal(name: str, work: Path | None) -> OutputRefused:
    who = (_signature(work / LOCK) if work else "") or "another run"
    return OutputRefused(
        f"{name}: {who} is writing to it. Wait until it has finished, or choose another folder."
    )


def _signature(path: Path) -> str:
    """Return the holder's name in a lock file; empty if nobody holds it and the name is old."""
    try:
        with open_regular(path) as file:
            if _can_be_had(file.fileno(), shared=False):
                return ""
            return excerpt(file.read(_SIGNATURE_BYTES).decode(errors="replace"))
    except (OSError, MicoError):
        return ""


def _can_be_had(handle: int, *, shared: bool) -> bool:
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        return True
    return True
