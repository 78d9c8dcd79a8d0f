"""Names of unfinished files: they identify the process that writes them."""

import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_MARKED = re.compile(r"\.(?P<machine>\w*)-(?P<process>\d+)-[^.]+\.partial$")
_PART_OF_SHARD = re.compile(r"[a-z]+-\d{5}\.parquet(\..*)?\.partial")
ABANDONED_SECONDS = 24 * 3600
"""Seconds without a written byte after which a file counts as abandoned."""
FOLDER_PREFIX = "mico-150k-"
"""The prefix of temporary folders in the system's temporary folder."""


def partial(path: Path, mark: str = "") -> Path:
    """Return the path where a file is written before it is finished.

    Args:
        path: The final path; no pattern for finished files matches the temporary one.
        mark: Identifies the writer among those that may write the same file; this process by
            default.
    """
    return path.with_name(f"{path.name}.{mark or process_mark()}.partial")


def process_mark() -> str:
    """Return a mark that no other process has, on this machine or another."""
    return _mark_of(os.getpid())


@cache
def _mark_of(process: int) -> str:
    return f"{_machine()}-{process}-{secrets.token_hex(4)}"


@cache
def _machine() -> str:
    return re.sub(r"\W", "", platform.node())


def is_temporary(path: Path) -> bool:
    """Whether a file has a name from `partial`, or is another unfinished part of a shard."""
    return bool(_MARKED.search(path.name) or _PART_OF_SHARD.fullmatch(path.name))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield an empty folder that is removed at the end, with those that killed processes left."""
    for path in Path(gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        if _is_of_the_dead(path):
            shutil.rmtree(path, ignore_errors=True)
    mark = f".{process_mark()}.partial"
    with TemporaryDirectory(prefix=FOLDER_PREFIX, suffix=mark, ignore_cleanup_errors=True) as name:
        yield Path(name)


def is_abandoned(path: Path) -> bool:
    """Whether the process that wrote this unfinished file has ended.

    A process of another machine counts as ended once the file has not changed for a day.
    """
    if not is_temporary(path):
        return False
    if _is_of_the_dead(path):
        return True
    try:
        # ctime: a link's other times are those of what it is a link to.
        return time.time() - path.lstat().st_ctime > ABANDONED_SECONDS
    except FileNotFoundError:  # finished, or removed
        return False


def _is_of_the_dead(path: Path) -> bool:
    """Whether the name has the mark of a process of this machine that has ended."""
    marked = _MARKED.search(path.name)
    if marked is None or marked["machine"] != _machine():
        return False
    return not _is_running(int(marked["process"]))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
