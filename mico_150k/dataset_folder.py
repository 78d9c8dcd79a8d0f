"""A dataset folder as `mico build` writes it, or a part of one as it was downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mico_150k import names
from mico_150k.builders import BUILDERS
from mico_150k.errors import NotADataset, UnknownConfig
from mico_150k.files import read_json

CONFIGS = (*BUILDERS, names.SAMPLE, names.INDEX, names.BENCH, names.CODES)
"""All that a dataset folder may have, in the card's order."""


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A folder with one folder for each configuration."""

    path: Path

    @classmethod
    def is_one(cls, path: Path) -> bool:
        """Whether it has our manifest, or Parquet files in a folder named like a configuration."""
        return _is_ours(path / names.MANIFEST) or any(
            any((path / config).glob(f"{names.main_split(config)}-*.parquet")) for config in CONFIGS
        )

    @classmethod
    def is_built(cls, path: Path) -> bool:
        """Whether it is the folder of a finished build."""
        return _is_ours(path / names.MANIFEST)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest. Raises `NotADataset` where there is none of ours."""
        found = read_json(self.path / names.MANIFEST)
        if found.get("format") != names.MANIFEST_FORMAT:
            msg = f"{self.path}: no {names.MANIFEST} of a finished build in it."
            raise NotADataset(msg)
        if not _is_whole(found):
            msg = (
                f"{self.path / names.MANIFEST} is damaged: it lacks what every manifest has of the "
                "build, its configurations and their files.\nFetch it again, or build again."
            )
            raise NotADataset(msg)
        return found

    @property
    def configs(self) -> list[str]:
        """The configurations that are there, in the card's order."""
        return [config for config in CONFIGS if self.files(config)]

    def files(self, config: str, split: str | None = None) -> list[Path]:
        """The shards, in order, of one split of a configuration: of `train`, or `bench`'s own."""
        split = split or names.main_split(config)
        return sorted((self.path / config).glob(f"{split}-*.parquet"))

    def splits(self, config: str) -> dict[str, list[Path]]:
        """Every split of a configuration that is there, with its shards."""
        found = {split: self.files(config, split) for split in names.SPLITS}
        return {split: files for split, files in found.items() if files}

    def shards(self, config: str) -> list[Path]:
        """The same, where there must be some. Raises `UnknownConfig`."""
        files = self.files(config)
        if not files:
            there = ", ".join(self.configs) or "none"
            msg = f"{self.path} has no configuration {config!r}; it has {there}."
            raise UnknownConfig(msg)
        return files


def read_rows(shard: Path) -> Iterator[dict[str, Any]]:
    """A shard's rows as plain values, holding one row group."""
    with pq.ParquetFile(shard, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group).to_pylist()


def _is_ours(manifest: Path) -> bool:
    return read_json(manifest).get("format") == names.MANIFEST_FORMAT


def _is_whole(manifest: dict[str, Any]) -> bool:
    """Whether a manifest has what is read of it: the build, and each file's record."""
    try:
        records = [record for of in manifest["configs"].values() for record in of.values()]
        return isinstance(manifest["build"], dict) and all(map(_is_record, records))
    except (AttributeError, KeyError, TypeError):
        return False


def _is_record(record: dict[str, Any]) -> bool:
    counts = isinstance(record["bytes"], int) and isinstance(record["rows"], int)
    return counts and isinstance(record["sha256"], str)
