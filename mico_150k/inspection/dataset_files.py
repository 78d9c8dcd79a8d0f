"""The files of a dataset for checks: in a local folder, on the Hub, or behind a URL."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256 as new_sha256
from io import BufferedReader
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from mico_150k.card.file import card_text, read_card
from mico_150k.card.text import CardText
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import CONFIGS
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import Dataset, read_manifest
from mico_150k.dataset.report_rules import quarantine_rows, read_quarantine
from mico_150k.io.files import sha256
from mico_150k.io.regular import SMALL_FILE_BYTES, Root, read_small
from mico_150k.io.storage import Storage

_CHUNK = 1 << 22
"""The number of bytes hashed at once."""


class DatasetFiles(Protocol):
    """A dataset's files. Names are relative to it, with slashes."""

    @property
    def names(self) -> list[str]:
        """Every file, and every folder with a slash at its end, sorted."""

    def manifest(self) -> dict[str, Any]:
        """The manifest, unchecked. Raises `NotADataset`."""

    def dataset(self, manifest: dict[str, Any]) -> Dataset:
        """The dataset, to read its index."""

    def card(self) -> CardText:
        """The card; an empty one where there is none. Raises `BrokenFile`."""

    def small(self, name: str) -> bytes:
        """Return a small file's bytes. Raises FileNotFoundError, or `UnsafeFile` if not a file."""

    def quarantine(self) -> Iterator[dict[str, Any]]:
        """The skipped rows. Raises `BrokenFile`."""

    def size(self, name: str) -> int:
        """Return a file's bytes. Raises OSError if it is missing, `UnsafeFile` if not a file."""

    def sha256(self, name: str) -> str:
        """A file's SHA-256."""

    def parquet(self, name: str) -> pq.ParquetFile:
        """A Parquet file, open; the caller closes it."""


@dataclass(frozen=True)
class FolderFiles:
    """A dataset folder on this machine."""

    folder: DatasetFolder

    @cached_property
    def names(self) -> list[str]:
        """As `DatasetFiles` says; a broken link counts as a file. The folder is listed once."""
        root = self.folder.path
        return sorted(
            path.relative_to(root).as_posix() + "/" * (path.is_dir() and not path.is_symlink())
            for path in root.rglob("*")
        )

    def manifest(self) -> dict[str, Any]:
        """As `DatasetFiles` says."""
        return self.folder.read_manifest()

    def dataset(self, manifest: dict[str, Any]) -> Dataset:
        """As `DatasetFiles` says."""
        return Dataset.of_folder(self.folder.path, manifest)

    def card(self) -> CardText:
        """As `DatasetFiles` says."""
        return read_card(self.folder)

    def small(self, name: str) -> bytes:
        """As `DatasetFiles` says."""
        return read_small(Root.at(self.folder.path).file(name))

    def quarantine(self) -> Iterator[dict[str, Any]]:
        """As `DatasetFiles` says."""
        return read_quarantine(self.folder.path)

    def size(self, name: str) -> int:
        """As `DatasetFiles` says."""
        return self._path(name).stat().st_size

    def sha256(self, name: str) -> str:
        """As `DatasetFiles` says."""
        return sha256(self._path(name))

    def parquet(self, name: str) -> pq.ParquetFile:
        """As `DatasetFiles` says."""
        return pq.ParquetFile(self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder.require(self.folder.path / name)


class RemoteFiles:
    """A dataset on the Hub or behind another URL, whose files are listed once."""

    def __init__(self, storage: Storage) -> None:
        """List the files."""
        self._storage = storage
        found: dict[str, Any] = storage.again(lambda: storage.fs.find(storage.root, detail=True))
        root = storage.root.rstrip("/")
        self._infos = {posixpath.relpath(path, root): info for path, info in found.items()}
        self.names = sorted(self._infos)

    def manifest(self) -> dict[str, Any]:
        """As `DatasetFiles` says."""
        return read_manifest(self._storage)

    def dataset(self, manifest: dict[str, Any]) -> Dataset:
        """As `DatasetFiles` says."""
        return Dataset(self._storage, manifest)

    def card(self) -> CardText:
        """As `DatasetFiles` says."""
        try:
            return card_text(self.small(layout.CARD), f"{self._storage.location}: {layout.CARD}")
        except FileNotFoundError:
            return CardText("")

    def small(self, name: str) -> bytes:
        """As `DatasetFiles` says."""
        self._info(name)
        path = self._storage.path(name)

        def read() -> bytes:
            data: bytes = self._storage.fs.cat_file(path, start=0, end=SMALL_FILE_BYTES)
            return data

        return self._storage.again(read)

    def quarantine(self) -> Iterator[dict[str, Any]]:
        """As `DatasetFiles` says."""
        if layout.QUARANTINE in self._infos:
            # fsspec's own files cannot limit the length of a line that they read.
            with BufferedReader(self._storage.open(layout.QUARANTINE)) as file:  # type: ignore[type-var]
                yield from quarantine_rows(file, f"{self._storage.location}: {layout.QUARANTINE}")

    def size(self, name: str) -> int:
        """As `DatasetFiles` says."""
        return int(self._info(name)["size"])

    def sha256(self, name: str) -> str:
        """As `DatasetFiles` says; the Hub reports it, and elsewhere every byte is read."""
        stated = (self._info(name).get("lfs") or {}).get("sha256")
        return str(stated) if stated else self._storage.again(lambda: self._hash(name))

    def parquet(self, name: str) -> pq.ParquetFile:
        """As `DatasetFiles` says."""
        self._info(name)
        return self._storage.again(lambda: self._storage.parquet(name))

    def _hash(self, name: str) -> str:
        digest = new_sha256()
        with self._storage.open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _info(self, name: str) -> dict[str, Any]:
        if name not in self._infos:
            raise FileNotFoundError(name)
        found: dict[str, Any] = self._infos[name]
        return found


def shards_of(files: DatasetFiles, config: str) -> list[str]:
    """Return the files named like shards of a configuration, for all splits, in order."""
    return [
        name
        for name in files.names
        if posixpath.dirname(name) == config and layout.is_shard(posixpath.basename(name))
    ]


def configs_of(files: DatasetFiles) -> list[str]:
    """Return the existing configurations in the card's order."""
    return [config for config in CONFIGS if shards_of(files, config)]
