"""A dataset elsewhere is checked as one in a folder is."""

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from mico_150k.api.check import check_dataset
from mico_150k.core.errors import NotADataset
from mico_150k.dataset import layout

SHARD = "bagel/train-00000.parquet"


@pytest.fixture
def there(dataset: Path) -> Iterator[fsspec.AbstractFileSystem]:
    """The dataset in a file system that is not this machine's."""
    fs = fsspec.filesystem("memory")
    for path in dataset.rglob("*"):
        if path.is_file():
            fs.pipe_file(f"/there/{path.relative_to(dataset).as_posix()}", path.read_bytes())
    yield fs
    fs.rm("/there", recursive=True)


def faults(*, hashes: bool = True) -> list[str]:
    found = check_dataset("memory://there", hashes=hashes)
    return [f"{one.where}: {one.what}" for one in found if one.fault]


@pytest.mark.usefixtures("there")
def test_a_whole_one_has_no_fault_and_the_same_findings(dataset: Path) -> None:
    assert [*check_dataset("memory://there")] == [*check_dataset(dataset)]


def test_a_file_that_is_missing_is_found(there: fsspec.AbstractFileSystem) -> None:
    there.rm(f"/there/{SHARD}")
    assert f"{SHARD}: is missing" in faults()


def test_a_file_of_another_size_is_found(there: fsspec.AbstractFileSystem) -> None:
    there.pipe_file(f"/there/{SHARD}", there.cat_file(f"/there/{SHARD}") + b"x")
    assert any(one.startswith(f"{SHARD}: has ") for one in faults())
    assert any(one.startswith(f"{SHARD}: is not a complete Parquet file") for one in faults())


def test_other_bytes_are_found_where_every_byte_is_read(there: fsspec.AbstractFileSystem) -> None:
    data = bytearray(there.cat_file(f"/there/{SHARD}"))
    data[200] ^= 1
    there.pipe_file(f"/there/{SHARD}", bytes(data))
    assert [one for one in faults() if "another SHA-256" in one]
    assert not [one for one in faults(hashes=False) if "another SHA-256" in one]


def test_files_that_do_not_belong_there_are_found(there: fsspec.AbstractFileSystem) -> None:
    there.pipe_file("/there/bagel/more.parquet", b"")
    there.pipe_file("/there/load.py", b"")
    there.pipe_file("/there/.build/claim.json", b"{}")
    found = faults()
    for name in ("bagel/more.parquet: is not in", "load.py: a script", ".build: is left"):
        assert [one for one in found if one.startswith(name)], name


def test_small_files_are_checked(there: fsspec.AbstractFileSystem) -> None:
    report = json.loads(there.cat_file(f"/there/{layout.REPORT}"))
    there.pipe_file(f"/there/{layout.REPORT}", json.dumps({**report, "rows": -1}).encode())
    there.pipe_file(f"/there/{layout.CARD}", b"\xff")
    there.pipe_file(f"/there/{layout.QUARANTINE}", b"[]\n")
    places = " ".join(faults())
    for name in (layout.REPORT, layout.CARD, layout.QUARANTINE):
        assert name in places


def test_a_place_without_a_manifest_is_no_dataset(there: fsspec.AbstractFileSystem) -> None:
    there.rm(f"/there/{layout.MANIFEST}")
    with pytest.raises(NotADataset, match="memory://there"):
        faults()
