"""Adds the configuration `dimoo-codes` to the dataset whose images were encoded."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mico_150k.card.file import make_card
from mico_150k.core.errors import OutputRefused
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodesFolder
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.records import FileRecord
from mico_150k.io.files import link, sha256, write_atomically, write_json


@dataclass(frozen=True, slots=True)
class CodesConfig:
    """A dataset folder that gets the configuration, with its previous manifest."""

    dataset: DatasetFolder
    manifest: dict[str, Any]

    @classmethod
    def prepare(cls, dataset: DatasetFolder) -> "CodesConfig":
        """Check, before hours of encoding, that the folder can take the configuration.

        Raises:
            NotADataset: It is not a complete dataset.
            OutputRefused: It is not writable, or its card has edits that would be lost.
        """
        manifest = dataset.manifest
        make_card(dataset)
        if not os.access(dataset.path, os.W_OK):
            msg = f"{dataset.path} is not writable: copy it to a folder that is."
            raise OutputRefused(msg)
        return cls(dataset, manifest)

    def add(self, codes: CodesFolder) -> None:
        """Link the files, then write the card, and the manifest last; a repetition is harmless.

        Raises:
            OutputRefused: The dataset has changed in the meantime.
            BrokenFile: A file of codes is damaged.
        """
        folder = self.dataset.path / layout.CODES
        with self.dataset.held():
            self._check_same()
            told = {key: codes.made_with.get(key) for key in layout.CODES_TOLD}
            records = {path.name: {**asdict(_record(path)), **told} for path in codes.files}
            for path in codes.files:
                link(path, folder / path.name)
            for path in folder.glob(f"{layout.SPLIT}-*.parquet*"):
                if path.name not in records:
                    path.unlink()
            configs = {**self.manifest["configs"], layout.CODES: records}
            manifest = {**self.manifest, "configs": configs}
            card = make_card(self.dataset, manifest=manifest)
            write_atomically(self.dataset.path / layout.CARD, card.text.encode())
            write_json(self.dataset.path / layout.MANIFEST, manifest)

    def _check_same(self) -> None:
        if self.dataset.manifest != self.manifest:
            msg = (
                f"{self.dataset.path} has changed while its images were encoded, and the codes "
                "were not added.\n"
                "Re-run the command: it resumes if the rows are the same."
            )
            raise OutputRefused(msg)


def _record(path: Path) -> FileRecord:
    with pq.ParquetFile(path) as file:
        groups = range(file.num_row_groups)
        return FileRecord(
            bytes=path.stat().st_size,
            sha256=sha256(path),
            rows=file.metadata.num_rows,
            row_groups=file.num_row_groups,
            arrow_bytes=sum(
                file.read_row_group(group, use_threads=False).nbytes for group in groups
            ),
        )
