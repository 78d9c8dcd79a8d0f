"""What is being written: names that say whose it is, and whether that process has ended."""

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
"""Nobody writes one file for so long without a byte reaching it."""
FOLDER_PREFIX = "mico-150k-"
"""The beginning of temporary folders' names, in the system's place for such folders."""


def partial(path: Path, mark: str = "") -> Path:
    """Where a file is written before it is whole; no pattern for finished ones matches it.

    `mark` tells apart those that may write the same file; without it, it is this process's.
    """
    return path.with_name(f"{path.name}.{mark or process_mark()}.partial")


def process_mark() -> str:
    """A word that no other process has, on this machine or another."""
    return _mark_of(os.getpid())


@cache
def _mark_of(process: int) -> str:
    return f"{_machine()}-{process}-{secrets.token_hex(4)}"


@cache
def _machine() -> str:
    return re.sub(r"\W", "", platform.node())


def is_temporary(path: Path) -> bool:
    """Whether a file is named as `partial` names them, or is a part of a shard all the same."""
    return bool(_MARKED.search(path.name) or _PART_OF_SHARD.fullmatch(path.name))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder that goes at the end; those that killed processes have left go as well."""
    for path in Path(gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        if _is_of_the_dead(path):
            shutil.rmtree(path, ignore_errors=True)
    mark = f".{process_mark()}.partial"
    with TemporaryDirectory(prefix=FOLDER_PREFIX, suffix=mark, ignore_cleanup_errors=True) as name:
        yield Path(name)


def is_abandoned(path: Path) -> bool:
    """Whether whoever was writing this file, under its mark, has ended.

    Of another machine's processes that is known once the file has been left alone for a day.
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
    """Whether its name is marked by a process of this machine that has ended."""
    marked = _MARKED.search(path.name)
    if marked is None or marked["machine"] != _machine():
        return False
    return not _is_running(int(marked["process"]))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
