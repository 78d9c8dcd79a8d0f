"""A dataset folder from `mico build`, or a downloaded part of one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.core.errors import (
    BrokenFile,
    DamagedDataset,
    NotADataset,
    OtherFormat,
    UnknownConfig,
)
from mico_150k.core.excerpt import excerpt
from mico_150k.core.faults import summary
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import CONFIGS
from mico_150k.dataset.formats import is_manifest, other_format
from mico_150k.dataset.manifest_rules import manifest_faults
from mico_150k.io.hold import hold
from mico_150k.io.json_lines import parse_json
from mico_150k.io.regular import Root, read_small

WAY_OUT = "`mico check` lists everything that is wrong. Download the dataset again, or rebuild it."

A_DATASET = "A dataset is a folder that `mico build` has finished, or USER/NAME on the Hub."


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A folder with one folder for each configuration."""

    path: Path

    @classmethod
    def is_one(cls, path: Path) -> bool:
        """Whether a path has our manifest, or Parquet files in a folder of a configuration.

        Raises:
            NotRegular: The manifest is not a regular file.
            OutsideRoot: The manifest leads out of the folder.
        """
        return cls.is_built(path) or any(
            any((path / config).glob(f"{layout.main_split(config)}-*.parquet"))
            for config in CONFIGS
        )

    @classmethod
    def is_built(cls, path: Path) -> bool:
        """Whether a path is the folder of a finished build; raises as `is_one` does."""
        try:
            found = parse_json(read_small(Root.at(path).file(layout.MANIFEST)))
        except (OSError, ValueError):
            return False
        return is_manifest(found)

    @property
    def manifest(self) -> dict[str, Any]:
        """Return the validated manifest.

        Raises:
            NotADataset: There is no manifest of ours, or it is damaged.
            NotRegular: It is not a regular file.
            OutsideRoot: It leads out of the folder.
        """
        return checked(self.read_manifest(), str(self.path))

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest without validation; raises `NotADataset` if it is not one."""
        try:
            data = read_small(Root.at(self.path).file(layout.MANIFEST))
        except OSError as error:
            raise NotADataset(why_no_manifest(self.path, error)) from error
        return parse_manifest(data, str(self.path))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder against builds and other writers while something in it changes.

        Raises:
            NotADataset: It is not a dataset folder.
            OutputRefused: Another run is writing to it.
        """
        _ = self.manifest
        with hold(self.path, (layout.ASSETS, *CONFIGS)):
            yield

    @property
    def configs(self) -> list[str]:
        """Return the existing configurations, in the card's order."""
        return [config for config in CONFIGS if self.listed(config)]

    def listed(self, config: str, split: str | None = None) -> list[Path]:
        """What is named like a shard, in order, of one split of a configuration.

        Of `train`, or `bench`'s own, where none is given.
        """
        split = split or layout.main_split(config)
        found = (self.path / config).glob(f"{split}-*.parquet")
        return sorted(path for path in found if layout.is_shard(path.name))

    def files(self, config: str, split: str | None = None) -> list[Path]:
        """The same, and each is a regular file inside. Raises `NotRegular`, `OutsideRoot`."""
        return [self.require(path) for path in self.listed(config, split)]

    def require(self, path: Path) -> Path:
        """The path, which is of a regular file inside. Raises `NotRegular`, `OutsideRoot`."""
        Root.at(self.path).file(path.absolute())
        return path

    def splits(self, config: str) -> dict[str, list[Path]]:
        """Every split of a configuration that is there, with its shards."""
        found = {split: self.files(config, split) for split in layout.SPLITS}
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
    """A shard's rows as plain values, holding one row group. Raises `BrokenFile`."""
    for table in read_groups(shard):
        yield from table.to_pylist()


def read_groups(shard: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """A shard's row groups. Raises `BrokenFile`."""
    with damage(shard), pq.ParquetFile(shard, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


@contextmanager
def damage(shard: Path) -> Iterator[None]:
    """Turn what reading a Parquet file raises into `BrokenFile`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        msg = (
            f"{shard} cannot be read: {excerpt(error)}\n"
            "`mico check` lists damaged and missing files."
        )
        raise BrokenFile(msg) from error


def why_no_manifest(folder: Path, error: OSError, location: str = "") -> str:
    """Why no manifest can be read in a folder on this machine, and what to do about it.

    Args:
        folder: The folder, or what should be one.
        error: What reading the manifest raised.
        location: What the user knows the folder as, where that is not its path.
    """
    known_as = location or str(folder)
    if not folder.exists():
        return f"{known_as}: there is no such folder.\n{A_DATASET}"
    if not folder.is_dir():
        return f"{known_as} is a file, not a dataset.\n{A_DATASET}"
    if not isinstance(error, FileNotFoundError):
        return f"{known_as}: {layout.MANIFEST} cannot be read: {error.strerror}."
    if (folder / layout.WORK).exists():
        return (
            f"{known_as}: the build in this folder is not finished, so there is no "
            f"{layout.MANIFEST}.\nRe-run its `mico build` to resume it."
        )
    return (
        f"{known_as}: this folder has no {layout.MANIFEST} of a finished build, so it is not a "
        f"dataset.\n{A_DATASET}"
    )


def require_format(manifest: Mapping[str, Any], location: str) -> None:
    """Raise `OtherFormat` for a manifest of ours that another version has written."""
    named, build = manifest["format"], manifest.get("build")
    if why := other_format(location, named, build, layout.MANIFEST_FORMAT):
        msg = f"{why}\nRebuild it: `mico build SOURCE --out FOLDER`"
        raise OtherFormat(msg)


def parse_manifest(data: bytes, location: str) -> dict[str, Any]:
    """The manifest of the dataset at a location.

    Raises `NotADataset` where it is none of ours, or of another format.
    """
    try:
        found = parse_json(data)
    except ValueError as error:
        msg = (
            f"{location}: its {layout.MANIFEST} is damaged, or not from a finished `mico build`: "
            f"{excerpt(error)}"
        )
        raise NotADataset(msg) from error
    if not is_manifest(found):
        msg = f"{location}: its {layout.MANIFEST} is not from a finished `mico build`."
        raise NotADataset(msg)
    manifest: dict[str, Any] = found
    require_format(manifest, location)
    return manifest


def checked(manifest: dict[str, Any], location: str) -> dict[str, Any]:
    """The manifest of the dataset at a location, which keeps all rules. Raises `DamagedDataset`."""
    if faults := manifest_faults(manifest):
        msg = f"{location}: its {layout.MANIFEST} is damaged: {summary(faults, WAY_OUT)}"
        raise DamagedDataset(msg)
    return manifest
