"""What several tests share. Nothing here needs a network or anything outside the repository."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import hypothesis
import pytest

# Machines that run tests are busy: how long an example takes says nothing.
hypothesis.settings.register_profile(
    "mico", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("mico")

# Before `datasets` is imported: no test may look for anything on the real Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

# No test switches the power off, and this waits for all that anybody on the machine has written.
os.sync = lambda: None

import datasets
import datasets.streaming

# Before version 4, it locks a file beside the package of each builder: in a clone, the clone's own
# folder, where it stays.
if hasattr(datasets.streaming, "lock_importable_file"):
    datasets.streaming.lock_importable_file = lambda _: nullcontext()

from mico_150k.build.build import Build, BuildOptions
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.sources import open_source

from .factories import Case, cases, write_release
from .hub import Hub, running
from .hub.folders import build


@pytest.fixture(scope="session")
def samples() -> list[Case]:
    """Six samples of each task."""
    return cases(6)


@pytest.fixture(scope="session")
def release(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release of them."""
    return write_release(tmp_path_factory.mktemp("source") / "release", samples)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release in many files of a few rows, so that a build has many units."""
    folder = tmp_path_factory.mktemp("source") / "release"
    return write_release(folder, cases(8), rows_per_file=4)


@pytest.fixture(scope="session")
def dataset(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset folder that is built of it."""
    folder = tmp_path_factory.mktemp("dataset") / "mico-150k"
    Build.prepare(open_source(str(release)), folder, BuildOptions()).run()
    return folder


@pytest.fixture(scope="session")
def small(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """A dataset to push: `default` and `bagel` in several shards, with a licence."""
    return build(samples, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def smaller(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """Another build, of fewer rows and shards."""
    return build(samples[:9], tmp_path_factory.mktemp("smaller"))


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub, to which this process is logged in as `user`, who may write."""
    import huggingface_hub.constants

    # It remembers listings by address, and a port comes back: those of another test's Hub.
    huggingface_hub.HfFileSystem.clear_instance_cache()
    cache = tmp_path_factory.mktemp("cache")
    with running(tmp_path_factory.mktemp("hub")) as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.endpoint)
        template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache / "hub"))
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.endpoint)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache / "datasets"))
        monkeypatch.setenv("HF_TOKEN", "hf_write")
        yield hub
