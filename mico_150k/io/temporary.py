"""Names of files that are being written: whose they are, and whether that process has ended."""

import os
import platform
import re
import secrets
import time
from functools import cache
from pathlib import Path

_MARKED = re.compile(r"\.(?P<machine>\w*)-(?P<process>\d+)-[^.]+\.partial$")
_PART_OF_SHARD = re.compile(r"[a-z]+-\d{5}\.parquet(\..*)?\.partial")
ABANDONED_SECONDS = 24 * 3600
"""Nobody writes one file for so long without a byte reaching it."""


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


def is_abandoned(path: Path) -> bool:
    """Whether whoever was writing this file, under its mark, has ended.

    Of another machine's processes that is known once the file has been left alone for a day.
    """
    marked = _MARKED.search(path.name)
    if marked is None:
        return False
    if marked["machine"] == _machine() and not _is_running(int(marked["process"])):
        return True
    try:
        # ctime: a link's other times are those of what it is a link to.
        return time.time() - path.lstat().st_ctime > ABANDONED_SECONDS
    except FileNotFoundError:  # finished, or removed
        return False


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
