"""Names of files and folders in a dataset folder; every one that a build writes is here."""

import re

DATASET = "mico-150k"
"""The dataset's name, and a build's folder where none is given."""
DEMO_DATASET = "mico-demo"
"""The same for a build of the built-in demo: it must not stand in the way of the dataset."""
SPLIT = "train"
VALIDATION = "validation"
TEST = "test"
"""The split of `bench`."""
SPLITS = (SPLIT, VALIDATION, TEST)

CARD = "README.md"
MANIFEST = "manifest.json"
MANIFEST_FORMAT = "mico-150k/2"
"""The manifest's `format`. Its number rises when a key in any of the JSON files gets another name
or meaning, and only files of this number are read. 0.1.0 wrote 1."""
REPORT = "report.json"
QUARANTINE = "quarantine.jsonl"
ASSETS = "assets"
"""The folder of images that the card shows."""
PLOTS = "plots.png"
COLLAGE = "collage.jpg"
WORK = ".build"
"""The folder, inside a dataset folder, of a build that is not finished."""
MTIME_TOKENS = ".source.json"
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
CODES_TOLD = ("vq_sha256", "sizes", "output_size")
"""What the manifest says of each file of codes besides; all that they were made with is in their
metadata. It stands with the files, so that it stays with them where a push joins manifests."""
CODES_WORK = ".pretokenize"
"""The folder, inside a dataset folder, of codes that are not finished."""


_SHARD = re.compile(rf"({'|'.join(SPLITS)})-\d{{5}}\.parquet")


def default_folder(step: int, *, is_demo: bool) -> str:
    """Return the name of a dataset's folder where the commands of its manifest are followed.

    Args:
        step: 1 for a build, one more for each refinement of it.
        is_demo: Whether `mico build` drew the rows itself.
    """
    first = DEMO_DATASET if is_demo else DATASET
    return first if step <= 1 else f"{first}-{step}"


def shard_name(number: int, split: str = SPLIT) -> str:
    """`train-00007.parquet`: the same in every configuration."""
    return f"{split}-{number:05d}.parquet"


def is_shard(name: str) -> bool:
    """Whether a file has a name that `shard_name` gives."""
    return _SHARD.fullmatch(name) is not None


def main_split(config: str) -> str:
    """The split that a configuration always has."""
    return TEST if config == BENCH else SPLIT


def split_of(file: str) -> str:
    """The split that a file of this name belongs to: `train` of `train-00007.parquet`."""
    return file.partition("-")[0]


def number_of(file: str) -> int:
    """The number in a file's name: 7 of `train-00007.parquet`."""
    return int(file.partition("-")[2].partition(".")[0])
