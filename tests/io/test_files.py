"""Files that are whole or not there, and what is known of them."""

import errno
import hashlib
import json
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mico_150k.core.errors import DiskTooSmall
from mico_150k.io.files import (
    GrowingHash,
    absolute,
    create_json,
    link,
    sha256,
    write_atomically,
)
from mico_150k.io.temporary import is_abandoned, partial, process_mark


def refuse(*_: object) -> None:
    raise PermissionError(1, "no links here")


def test_a_hash_that_follows_a_growing_file_is_the_files(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    rng = random.Random(0)
    written = b""
    with path.open("wb", buffering=0) as file:
        growing = GrowingHash(path)
        for size in (0, 1, 1 << 20, (1 << 20) + 1, 3_333_333):
            more = rng.randbytes(size)
            written += more
            file.write(more)
            file.write(b"half of what comes next"[: size % 7])
            growing.catch_up(len(written))
            file.seek(len(written))
            file.truncate()
        file.write(b"the end")
    assert growing.finish() == hashlib.sha256(written + b"the end").hexdigest() == sha256(path)


def test_of_many_that_create_a_file_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.io.temporary.process_mark", lambda: str(threading.get_ident()))
    path = tmp_path / "folder" / "build.json"
    created = []

    def create(number: int) -> None:
        if create_json(path, {"number": number, "filler": "x" * 100_000}):
            created.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == 1
    assert json.loads(path.read_text())["number"] == created[0]
    assert [left.name for left in path.parent.iterdir()] == ["build.json"]


def test_without_links_a_file_is_created_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "build.json"
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert create_json(path, {"number": 1})
    assert json.loads(path.read_text()) == {"number": 1}
    assert [left.name for left in tmp_path.iterdir()] == ["build.json"]


def test_a_second_name_of_the_file_itself_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "train-00000.parquet"
    path.write_bytes(b"all there is")
    link(path, path)
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    link(path, tmp_path / "elsewhere" / path.name)
    assert path.read_bytes() == b"all there is"
    assert path.stat().st_nlink == 1


@pytest.mark.parametrize("links", [True, False])
def test_a_second_name_takes_the_place_of_another_file(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    if not links:
        monkeypatch.setattr("os.link", refuse)
    link(source, target)
    assert target.read_bytes() == b"new"
    assert target.samefile(source) is links
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_two_threads_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    texts = [bytes([65 + number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(lambda text: write_atomically(path, text), texts * 20))
    assert path.read_bytes() in texts
    assert [left.name for left in tmp_path.iterdir()] == ["list.txt"]


def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def fill(self: Path, data: bytes) -> int:
        write(self, data[:1])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(DiskTooSmall):
        write_atomically(tmp_path / "list.txt", b"text")
    assert not list(tmp_path.iterdir())


def test_a_file_is_abandoned_once_its_writer_has_ended(tmp_path: Path) -> None:
    show = "from mico_150k.io.temporary import process_mark; print(process_mark())"
    ended = subprocess.run([sys.executable, "-c", show], check=True, capture_output=True, text=True)
    assert is_abandoned(partial(tmp_path / "a.png", f"{ended.stdout.strip()}-1"))
    assert not is_abandoned(partial(tmp_path / "a.png", process_mark()))
    for others in ("a.png", "a.png.partial", "a.png.elsewhere-1-abcd.partial"):
        assert not is_abandoned(tmp_path / others)


@pytest.mark.parametrize(
    ("given", "expected"), [("a/../b", "b"), ("../b", "../b"), ("link/../b", "far/b"), ("a", "a")]
)
def test_a_path_that_goes_back_ends_where_the_system_has_it_end(
    given: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "far" / "away").mkdir(parents=True)
    (here / "a").mkdir()
    (here / "link").symlink_to("far/away")
    monkeypatch.chdir(here)
    assert absolute(Path(given)) == (here / expected).resolve()
    assert absolute(Path("link")) == here / "link", "a link keeps its name"
