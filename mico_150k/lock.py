"""Locks between processes: held as long as the process lives, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold a lock on a file, which is made; whether it could be had.

    `shared` ones keep away none but those that are not. Where the file system has no locks, it
    can always be had.
    """
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            had = False
        except OSError:
            had = True
        else:
            had = True
        yield had
