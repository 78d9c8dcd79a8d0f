"""Locks between processes: held as long as the process lives, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mico_150k.errors import OutputRefused
from mico_150k.files import disk_errors


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold a lock on a file, which is made; whether it could be had.

    `shared` ones keep away none but those that are not. Where the file system has no locks, it
    can always be had.
    """
    with path.open("a+b") as file:
        yield _can_be_had(file.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep whoever asks for the same lock out of a folder, which is made where it is not there.

    Raises `OutputRefused` where another run has it, or a file is in the folder's place.
    """
    try:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY)
    except (FileExistsError, NotADirectoryError) as error:
        msg = f"{folder}: there is a file in its place. Choose another folder."
        raise OutputRefused(msg) from error
    try:
        if not _can_be_had(handle, fcntl.LOCK_EX):
            msg = f"{folder}: another run is writing in it. Wait for its end, or choose another."
            raise OutputRefused(msg)
        yield
    finally:
        os.close(handle)


def _can_be_had(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        return True
    return True
