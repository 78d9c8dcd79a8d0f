"""What several tests share. Nothing here needs a network or anything outside the repository."""

import os
from pathlib import Path

import hypothesis
import pytest

# Machines that run tests are busy: how long an example takes says nothing.
hypothesis.settings.register_profile("mico", deadline=None)
hypothesis.settings.load_profile("mico")

# Before `datasets` is imported: no test may look for anything on the real Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"

from mico_150k.build import Build, BuildOptions
from mico_150k.sources import open_source

from .factories import Case, cases, write_release


@pytest.fixture(scope="session")
def samples() -> list[Case]:
    """Six samples of each task."""
    return cases(6)


@pytest.fixture(scope="session")
def release(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release of them."""
    return write_release(tmp_path_factory.mktemp("source") / "release", samples)


@pytest.fixture(scope="session")
def dataset(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset folder that is built of it."""
    folder = tmp_path_factory.mktemp("dataset") / "mico-150k"
    Build.prepare(open_source(str(release)), folder, BuildOptions()).run()
    return folder
