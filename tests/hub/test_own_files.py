"""A push sends a dataset folder's own files: nothing that a link in it leads to."""

import os
import shutil
from pathlib import Path

import pytest

from mico_150k.card.file import License
from mico_150k.core.errors import DamagedDataset, NotRegular, OutsideRoot
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder

from ..factories import encode, picture
from . import Hub
from .folders import local
from .pushing import NAME, TWO, prepare, push, remote

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

SECRET = "of nobody else"
SHARD = "bagel/train-00000.parquet"
FILES = [
    layout.CARD,
    layout.MANIFEST,
    layout.REPORT,
    layout.QUARANTINE,
    f"{layout.ASSETS}/mine.png",
    SHARD,
]


@pytest.fixture
def copy(small: DatasetFolder, tmp_path: Path) -> DatasetFolder:
    folder = Path(shutil.copytree(small.path, tmp_path / "mico-150k"))
    (folder / layout.ASSETS).mkdir()
    (folder / layout.ASSETS / "mine.png").write_bytes(encode(picture()))
    (folder / layout.QUARANTINE).touch()
    return DatasetFolder(folder)


def sent(hub: Hub) -> set[str]:
    return set(hub.repositories[NAME].tree()) if NAME in hub.repositories else set()


@pytest.mark.parametrize("how", ["symbolic", "up", "dangling"])
@pytest.mark.parametrize("name", FILES)
def test_a_link_out_is_refused_and_nothing_is_sent(
    hub: Hub, copy: DatasetFolder, tmp_path: Path, name: str, how: str
) -> None:
    (copy.path / name).rename(tmp_path / "private")
    target = os.path.relpath(tmp_path / "private", (copy.path / name).parent)
    (copy.path / name).symlink_to(tmp_path / "private" if how == "symbolic" else target)
    if how == "dangling":
        (tmp_path / "private").unlink()
    with pytest.raises(OutsideRoot) as error:
        prepare(copy, configs=TWO)
    first = str(error.value).splitlines()[0]
    assert name in first
    assert "private" in first
    assert not sent(hub)


@pytest.mark.parametrize("name", FILES)
def test_a_fifo_is_not_waited_for(hub: Hub, copy: DatasetFolder, name: str) -> None:
    (copy.path / name).unlink()
    os.mkfifo(copy.path / name)
    with pytest.raises(NotRegular, match=f"{name} is a FIFO"):
        prepare(copy, configs=TWO, license=License("mit"))
    assert not sent(hub)


def test_a_folder_of_assets_that_leads_out_is_refused(
    hub: Hub, copy: DatasetFolder, tmp_path: Path
) -> None:
    shutil.move(copy.path / layout.ASSETS, tmp_path / "photos")
    (copy.path / layout.ASSETS).symlink_to(tmp_path / "photos")
    with pytest.raises(OutsideRoot, match=r"assets/mine\.png"):
        prepare(copy, configs=TWO)
    assert not sent(hub)


def test_only_images_are_sent_of_assets(
    hub: Hub, copy: DatasetFolder, caplog: pytest.LogCaptureFixture
) -> None:
    assets = copy.path / layout.ASSETS
    for name in ("id_ed25519", "notes.txt", ".env", ".hidden.png", "two.jpeg.bak"):
        (assets / name).write_text(SECRET)
    (assets / "by hand (1).JPG").write_bytes(encode(picture(), "JPEG"))
    push(copy, configs=TWO)
    there = {path for path in sent(hub) if path.startswith(layout.ASSETS)}
    assert there == {"assets/mine.png", "assets/by hand (1).JPG"}
    assert "assets/notes.txt is not an image: not uploaded" in caplog.messages


def test_a_manifest_that_names_other_files_than_shards_is_refused(
    hub: Hub, copy: DatasetFolder
) -> None:
    manifest = copy.path / layout.MANIFEST
    (copy.path / "bagel" / "notes.parquet").write_text(SECRET)
    text = manifest.read_text().replace("train-00000.parquet", "notes.parquet", 1)
    manifest.write_text(text)
    with pytest.raises(DamagedDataset, match=r"names .*notes\.parquet"):
        prepare(copy, configs=TWO)
    assert not sent(hub)


def test_a_snapshot_of_the_hub_s_cache_is_pushed(
    hub: Hub, copy: DatasetFolder, tmp_path: Path
) -> None:
    folder = tmp_path / "datasets--a--b" / "snapshots" / "12"
    blobs = folder.parent.parent / "blobs"
    blobs.mkdir(parents=True)
    files = sorted(path for path in copy.path.rglob("*") if path.is_file())
    for number, path in enumerate(files):
        link = folder / path.relative_to(copy.path)
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blobs / str(number))
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    push(DatasetFolder(folder), configs=TWO)
    assert remote(hub) == local(DatasetFolder(folder), *TWO, "index")
    assert "assets/mine.png" in sent(hub)


def test_links_within_the_folder_are_files_of_it(hub: Hub, copy: DatasetFolder) -> None:
    shard = copy.path / SHARD
    shard.rename(copy.path / "bagel" / "x")
    shard.symlink_to("x")
    push(copy, configs=TWO)
    assert remote(hub) == local(copy, *TWO, "index")
