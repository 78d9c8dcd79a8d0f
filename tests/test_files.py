"""Files that are whole or not there, and what is known of them."""

import hashlib
import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mico_150k.errors import OutputRefused
from mico_150k.files import GrowingHash, create_json, lock_folder, sha256


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
    monkeypatch.setattr("mico_150k.files.process_mark", lambda: str(threading.get_ident()))
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

    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert create_json(path, {"number": 1})
    assert json.loads(path.read_text()) == {"number": 1}
    assert [left.name for left in tmp_path.iterdir()] == ["build.json"]


def test_a_locked_folder_is_refused_to_others_until_its_process_ends(tmp_path: Path) -> None:
    folder = tmp_path / "to"
    code = (
        "import sys, pathlib\n"
        "from mico_150k.files import lock_folder\n"
        "with lock_folder(pathlib.Path(sys.argv[1])):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout
    assert other.stdin
    assert other.stdout.readline() == b"locked\n"
    with pytest.raises(OutputRefused, match="another run is writing in it"), lock_folder(folder):
        pass
    other.kill()
    other.communicate()
    with lock_folder(folder), lock_folder(tmp_path):
        assert list(folder.iterdir()) == []
    with lock_folder(folder):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(OutputRefused, match="a file in its place"), lock_folder(tmp_path / "file"):
        pass
