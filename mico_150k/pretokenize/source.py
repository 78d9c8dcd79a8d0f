"""What may be pre-tokenized: an export of `mico export dimoo`, or a dataset folder itself."""

from pathlib import Path

from mico_150k.builders.dimoo import DimooTrainer
from mico_150k.core.errors import EmptySource, SourceNotFound
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.pretokenize.dataset_images import open_dataset_folder
from mico_150k.pretokenize.export_source import open_export
from mico_150k.pretokenize.material import EncodeInputs

EXPORT = DimooTrainer.records
"""The file of an export that names its records."""


def open_material(place: Path) -> EncodeInputs:
    """An export's folder or JSON, or a dataset folder. Raises `SourceError`, `NotADataset`."""
    for manifest in (place / EXPORT, place):
        if manifest.is_file():
            return open_export(manifest)
    if not place.is_dir():
        msg = f"{place}: no such file or folder."
        raise SourceNotFound(msg)
    if DatasetFolder.is_one(place):
        return open_dataset_folder(DatasetFolder(place))
    msg = (
        f"{place}: neither an export ({EXPORT}) nor a dataset folder.\n"
        "`mico export dimoo --from DATASET --to DIR` writes the one, `mico build` the other."
    )
    raise EmptySource(msg)
