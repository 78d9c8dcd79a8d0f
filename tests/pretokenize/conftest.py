"""What these tests share."""

import shutil
from pathlib import Path

import pytest

from mico_150k.dataset.folder import DatasetFolder

from .material import write_export, write_vq


@pytest.fixture(scope="session")
def vq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small VQ with random weights."""
    return write_vq(tmp_path_factory.mktemp("vq"))


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small export."""
    return write_export(tmp_path_factory.mktemp("source") / "mico-dimoo")


@pytest.fixture
def built(small: DatasetFolder, tmp_path: Path) -> DatasetFolder:
    """A dataset of its own, with a licence in its card."""
    return DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
