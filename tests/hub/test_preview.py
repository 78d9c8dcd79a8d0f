"""A dataset on the Hub is looked at without fetching it: by its index, and some row groups."""

from pathlib import Path

import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.card.file import write_card
from mico_150k.core.errors import NotADataset
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import open_dataset
from mico_150k.hub.push import Push, PushOptions
from mico_150k.hub.repository import Repository
from mico_150k.inspection.dataset import inspect_dataset
from mico_150k.inspection.page import write_preview
from mico_150k.inspection.page_rows import Choice
from mico_150k.sources import open_source

from ..factories import cases, write_release
from . import Hub
from .folders import LICENCE

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

NAME = "user/mico-150k"


@pytest.fixture
def pushed(hub: Hub, tmp_path: Path) -> DatasetFolder:
    """160 rows in several row groups, here and on the Hub."""
    release = write_release(tmp_path / "release", cases(40))
    options = BuildOptions(configs=("default", "bagel"))
    Build.prepare(open_source(str(release)), tmp_path / "made", options).run()
    made = DatasetFolder(tmp_path / "made")
    write_card(made, LICENCE)
    Push.prepare(made, Repository(NAME), PushOptions()).run()
    hub.requests.clear()
    hub.sent = 0
    return made


def test_a_page_of_the_hubs_is_that_of_the_folder_and_fetches_a_part(
    hub: Hub, pushed: DatasetFolder, tmp_path: Path
) -> None:
    choice = Choice(8, where="num_inputs <= 3")
    far = write_preview(open_dataset(NAME), tmp_path / "far.html", choice)
    shards = sum(path.stat().st_size for path in pushed.path.rglob("*.parquet"))
    assert 0 < hub.sent < 0.5 * shards
    assert not any("bagel" in request for request in hub.requests)
    near = write_preview(open_dataset(pushed.path), tmp_path / "near.html", choice)
    assert (far.rows, far.fitting, far.total) == (near.rows, near.fitting, near.total)
    assert far.rows == 8
    here = (tmp_path / "near.html").read_text().replace(str(pushed.path), NAME)
    assert (tmp_path / "far.html").read_text() == here


def test_an_inspection_reads_no_image(hub: Hub, pushed: DatasetFolder) -> None:
    found = inspect_dataset(open_dataset(NAME))
    assert found.statistics.rows == 160
    assert found.statistics == inspect_dataset(open_dataset(pushed.path)).statistics
    read = [request for request in hub.requests if ".parquet" in request]
    assert read
    assert all("index/" in request for request in read)


@pytest.mark.usefixtures("hub")
def test_what_is_not_on_the_hub_is_named() -> None:
    with pytest.raises(NotADataset, match="no dataset user/nothing that your token can read"):
        open_dataset("user/nothing")
