"""A dataset folder as `mico build` writes it, or a part of one as it was downloaded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mico_150k import names
from mico_150k.builders import BUILDERS
from mico_150k.errors import NotADataset, UnknownConfig

_CONFIGS = (*BUILDERS, names.SAMPLE, names.INDEX)


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A folder with one folder for each configuration."""

    path: Path

    @classmethod
    def is_one(cls, path: Path) -> bool:
        """Whether it has our manifest, or Parquet files in a folder named like a configuration."""
        return _is_ours(path / names.MANIFEST) or any(
            any((path / config).glob(f"{names.SPLIT}-*.parquet")) for config in _CONFIGS
        )

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest. Raises `NotADataset` where there is none of ours."""
        manifest = self.path / names.MANIFEST
        if not _is_ours(manifest):
            msg = f"{self.path}: no {names.MANIFEST} of a finished build in it."
            raise NotADataset(msg)
        found: dict[str, Any] = json.loads(manifest.read_text())
        return found

    @property
    def configs(self) -> list[str]:
        """The configurations that are there, in the card's order."""
        return [config for config in _CONFIGS if self.files(config)]

    def files(self, config: str) -> list[Path]:
        """A configuration's shards in order."""
        return sorted((self.path / config).glob(f"{names.SPLIT}-*.parquet"))

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
    try:
        found = json.loads(manifest.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("format") == names.MANIFEST_FORMAT
