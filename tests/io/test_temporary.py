"""A temporary folder lives as long as its process, and not much longer."""

from pathlib import Path

import pytest

from mico_150k.io.temporary import FOLDER_PREFIX, temporary_folder

from ..killing import start_and_kill

KILLED = """
import sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from mico_150k.io.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "shard").write_bytes(bytes(1000))
    print("there", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_empty_and_goes_also_where_the_work_fails(place: Path) -> None:
    def fail() -> None:
        with temporary_folder() as folder:
            assert not list(folder.iterdir())
            (folder / "file").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(place.iterdir())


def test_what_a_killed_process_has_left_the_next_one_removes(place: Path) -> None:
    start_and_kill(KILLED, place, after=0)
    assert list(place.rglob("shard"))
    with temporary_folder():
        assert not list(place.rglob("shard"))


def test_what_is_in_use_stays_and_so_does_what_is_somebody_elses(place: Path) -> None:
    (place / f"{FOLDER_PREFIX}notes").mkdir()
    with temporary_folder() as one:
        (one / "file").touch()
        with temporary_folder():
            assert (one / "file").exists()
        assert (one / "file").exists()
    assert [path.name for path in place.iterdir()] == [f"{FOLDER_PREFIX}notes"]
