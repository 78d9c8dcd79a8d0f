"""What the functions take for a dataset: one that is open, or where it lies."""

import shlex
from pathlib import Path

from mico_150k.core.errors import NotADataset, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import Dataset, open_dataset
from mico_150k.io.hub import is_hub_id
from mico_150k.io.storage import is_url
from mico_150k.sources.layouts import looks_like_source

AnyDataset = Dataset | str | Path
"""An open dataset, or its location: a folder, `USER/NAME` on the Hub, or a URL."""


def as_dataset(dataset: AnyDataset) -> Dataset:
    """The dataset, opened where it is not. Raises `NotADataset`."""
    if isinstance(dataset, Dataset):
        return dataset
    refuse_source(dataset)
    return open_dataset(dataset)


def as_folder(dataset: AnyDataset, command: str) -> DatasetFolder:
    """The dataset's folder on this machine.

    Args:
        dataset: The dataset, or where it lies.
        command: What needs a folder, for the message.

    Raises:
        UsageError: It is on the Hub or behind a URL.
    """
    location = dataset.location if isinstance(dataset, Dataset) else str(dataset)
    if isinstance(dataset, Dataset) and dataset.folder:
        return DatasetFolder(dataset.folder)
    is_here = Path(location).exists()
    if not is_here and (is_url(location) or is_hub_id(location)):
        name = location.removeprefix("hf://datasets/").partition("@")[0]
        fetch = (
            f"Download it first:\nhf download --repo-type dataset {name} --local-dir mico-150k"
            if is_hub_id(name)
            else "Download it first."
        )
        msg = f"{command} takes a dataset folder on this machine, which {location} is not. {fetch}"
        raise UsageError(msg)
    refuse_source(location)
    return DatasetFolder(Path(location))


def refuse_source(location: str | Path) -> None:
    """Raise `NotADataset` for a release, of which a dataset is to be built first."""
    place = Path(location)
    if not DatasetFolder.is_one(place) and looks_like_source(place):
        here = shlex.quote(excerpt(place))
        msg = (
            f"{excerpt(place)} is a source and not a dataset: `mico inspect {here}` says what is "
            f"in it, and `mico build {here}` makes a dataset of it."
        )
        raise NotADataset(msg)
