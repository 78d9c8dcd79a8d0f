"""What these tests share."""

import shutil
from pathlib import Path

import pytest

from mico_150k.dataset.folder import DatasetFolder

from .material import write_dataset, write_vq


@pytest.fixture(scope="session")
def vq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small VQ with random weights."""
    return write_vq(tmp_path_factory.mktemp("vq"))


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """A small dataset, to read or to copy."""
    return write_dataset(tmp_path_factory.mktemp("source") / "mico-150k")


@pytest.fixture
def own(rows: DatasetFolder, tmp_path: Path) -> DatasetFolder:
    """The same, to write into."""
    return DatasetFolder(Path(shutil.copytree(rows.path, tmp_path / "mico-150k")))


@pytest.fixture
def built(small: DatasetFolder, tmp_path: Path) -> DatasetFolder:
    """A dataset of its own, with a licence in its card."""
    return DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
