"""What keeps a second run out."""

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mico_150k.core.errors import OutputRefused
from mico_150k.io.locks import LOCK, lock_folder


def test_a_locked_folder_is_refused_to_others_until_its_process_ends(tmp_path: Path) -> None:
    folder = tmp_path / "to"
    code = (
        "import sys, pathlib\n"
        "from mico_150k.io.locks import lock_folder\n"
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
    with pytest.raises(OutputRefused, match="another run is writing to it"), lock_folder(folder):
        pass
    other.kill()
    other.communicate()
    with lock_folder(folder), lock_folder(tmp_path):
        assert list(folder.iterdir()) == []
    with lock_folder(folder):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(OutputRefused, match="is a file"), lock_folder(tmp_path / "file"):
        pass


HOLDING = (
    "import sys, pathlib\n"
    "from mico_150k.io.locks import lock_folder\n"
    "folder = pathlib.Path(sys.argv[1])\n"
    "with lock_folder(folder, work=folder / '.work', who='`mico test`'):\n"
    "    print('locked', flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_who_is_at_work_is_told_and_a_killed_one_is_not(tmp_path: Path) -> None:
    work = tmp_path / ".work"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout
    assert other.stdout.readline() == b"locked\n"
    said = f"`mico test`, process {other.pid} on .* is writing to it"
    with pytest.raises(OutputRefused, match=said), lock_folder(tmp_path, work=work):
        pass
    other.kill()
    other.communicate()
    assert (work / LOCK).exists()
    with (
        lock_folder(tmp_path),
        pytest.raises(OutputRefused, match="another run is writing to it"),
        lock_folder(tmp_path, work=work),
    ):
        pass
    with lock_folder(tmp_path, work=work, who="`mico test`"):
        assert (work / LOCK).exists()
    assert not work.exists()


def test_machines_that_share_no_locks_on_folders_have_those_on_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / ".work"
    flock = fcntl.flock
    monkeypatch.setattr(
        "mico_150k.io.locks.fcntl.flock",
        lambda handle, kind: (
            None if stat.S_ISDIR(os.fstat(handle).st_mode) else flock(handle, kind)
        ),
    )
    with (
        lock_folder(tmp_path, work=work, who="one"),
        pytest.raises(OutputRefused, match="one, process"),
        lock_folder(tmp_path, work=work, who="other"),
    ):
        pass


def test_those_who_share_keep_out_only_others(tmp_path: Path) -> None:
    work = tmp_path / ".work"
    with lock_folder(tmp_path, work=work, shared=True):
        with lock_folder(tmp_path, work=work, shared=True):
            pass
        with pytest.raises(OutputRefused), lock_folder(tmp_path, work=work):
            pass
    with lock_folder(tmp_path, work=work):
        pass


def test_nothing_is_left_of_a_folder_that_was_made_for_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with lock_folder(folder, work=folder / ".work"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path / "to")
    assert not (tmp_path / "to").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_a_lock_is_on_what_lies_there_and_not_on_what_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / ".work"
    flock, removed = fcntl.flock, []

    def late(handle: int, kind: int) -> None:
        """The holder's last step comes between opening and locking."""
        if not stat.S_ISDIR(os.fstat(handle).st_mode) and not removed:
            removed.append((work / LOCK).unlink())
        flock(handle, kind)

    monkeypatch.setattr("mico_150k.io.locks.fcntl.flock", late)
    with lock_folder(tmp_path, work=work):
        assert removed
        assert (work / LOCK).exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "linked folder"])
def test_a_lock_never_leads_elsewhere(tmp_path: Path, kind: str) -> None:
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("a victim's")
    work = folder / ".work"
    if kind == "linked folder":
        (tmp_path / "other").mkdir()
        work.symlink_to(tmp_path / "other")
    else:
        work.mkdir()
        (os.mkfifo if kind == "fifo" else (work / LOCK).symlink_to)(
            work / LOCK if kind == "fifo" else victim
        )
    with pytest.raises(OutputRefused, match="Remove it"), lock_folder(folder, work=work):
        pass
    assert victim.read_text() == "a victim's"
