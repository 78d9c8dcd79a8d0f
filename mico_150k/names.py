"""Names of files and folders in a dataset folder; every one that a build writes is here."""

from pathlib import Path

DATASET = "mico-150k"
"""The dataset's name, and a build's folder where none is given."""
SPLIT = "train"

CARD = "README.md"
MANIFEST = "manifest.json"
MANIFEST_FORMAT = "mico-150k/1"
"""Stands in the manifest as `format`; a folder whose manifest says so is ours."""
REPORT = "report.json"
QUARANTINE = "quarantine.jsonl"
WORK = ".build"
"""The folder, inside a dataset folder, of a build that is not finished."""

INDEX = "index"
SAMPLE = "sample"
DEFAULT = "default"


def shard_name(number: int) -> str:
    """`train-00007.parquet`: the same in every configuration."""
    return f"{SPLIT}-{number:05d}.parquet"


def partial(path: Path) -> Path:
    """Where a file is written before it is whole; no pattern for finished ones matches it."""
    return path.with_name(path.name + ".partial")
