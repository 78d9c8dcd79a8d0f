"""Names of files and folders in a dataset folder; every one that a build writes is here."""

import os
import platform
import re
import secrets
import time
from functools import cache
from pathlib import Path

DATASET = "mico-150k"
"""The dataset's name, and a build's folder where none is given."""
SPLIT = "train"
VALIDATION = "validation"
TEST = "test"
"""The split of `bench`."""
SPLITS = (SPLIT, VALIDATION, TEST)

CARD = "README.md"
MANIFEST = "manifest.json"
MANIFEST_FORMAT = "mico-150k/1"
"""Stands in the manifest as `format`; a folder whose manifest says so is ours."""
REPORT = "report.json"
QUARANTINE = "quarantine.jsonl"
ASSETS = "assets"
"""The folder of pictures that the card shows."""
PLOTS = "plots.png"
COLLAGE = "collage.jpg"
WORK = ".build"
"""The folder, inside a dataset folder, of a build that is not finished."""
STAMPS = ".source.json"
"""When the source's files were written that a dataset folder was built from. It is of this machine
alone: the manifest must not depend on it, and it is never pushed."""
BUILD = "build.json"
"""In that folder, which build it is."""

INDEX = "index"
SAMPLE = "sample"
DEFAULT = "default"
BENCH = "bench"
"""MICo-Bench, to evaluate on; it holds other samples than the rest."""
CODES = "dimoo-codes"
"""Lumina-DiMOO's VQ codes, which `mico pretokenize` makes of a dataset."""


def shard_name(number: int, split: str = SPLIT) -> str:
    """`train-00007.parquet`: the same in every configuration."""
    return f"{split}-{number:05d}.parquet"


def main_split(config: str) -> str:
    """The split that a configuration always has."""
    return TEST if config == BENCH else SPLIT


def split_of(file: str) -> str:
    """The split that a file of this name belongs to: `train` of `train-00007.parquet`."""
    return file.partition("-")[0]


def number_of(file: str) -> int:
    """The number in a file's name: 7 of `train-00007.parquet`."""
    return int(file.partition("-")[2].partition(".")[0])


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
    """Whether a file is named as `partial` names them."""
    return _MARKED.search(path.name) is not None


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


_MARKED = re.compile(r"\.(?P<machine>\w*)-(?P<process>\d+)-[^.]+\.partial$")
ABANDONED_SECONDS = 24 * 3600
"""Nobody writes one file for so long without a byte reaching it."""
