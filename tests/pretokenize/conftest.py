"""What these tests share."""

from pathlib import Path

import pytest

from .material import write_export, write_vq


@pytest.fixture(scope="session")
def vq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small VQ with random weights."""
    return write_vq(tmp_path_factory.mktemp("vq"))


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small export."""
    return write_export(tmp_path_factory.mktemp("source") / "mico-dimoo")
