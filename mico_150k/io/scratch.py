"""Temporary folders of a build to another file system: what a killed one leaves is swept."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from mico_150k.io.locks import lock
from mico_150k.io.temporary import partial

PREFIX = "mico-150k-"
"""The beginning of their names, in the system's place for such folders."""


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder that goes at the end.

    Who is killed cannot remove it, but loses its lock: the next to need one removes both.
    """
    _sweep()
    folder = Path(mkdtemp(prefix=PREFIX))
    try:
        being_locked = partial(folder / _LOCK)
        with lock(being_locked):
            being_locked.rename(folder / _LOCK)  # seen by others only when it is held
            work = folder / "work"
            work.mkdir()
            yield work
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of dead processes; none where the file system has no locks to tell."""
    for path in Path(gettempdir()).glob(f"{PREFIX}*/{_LOCK}"):
        # OSError: it is in use, another user's, or gone meanwhile.
        with suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)


_LOCK = "lock"
