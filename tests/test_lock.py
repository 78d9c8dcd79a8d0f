"""What keeps a second run out."""

import subprocess
import sys
from pathlib import Path

import pytest

from mico_150k.errors import OutputRefused
from mico_150k.lock import lock_folder


def test_a_locked_folder_is_refused_to_others_until_its_process_ends(tmp_path: Path) -> None:
    folder = tmp_path / "to"
    code = (
        "import sys, pathlib\n"
        "from mico_150k.lock import lock_folder\n"
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
