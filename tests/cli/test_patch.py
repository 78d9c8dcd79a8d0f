"""`mico patch`: the diff on stdout, talk on stderr, and exit codes."""

import subprocess
from pathlib import Path

import pytest

from ..clones import contents, write_clone
from .test_cli import DONE, WRONG_USAGE, mico


def test_a_dry_run_prints_a_diff_that_git_takes_and_changes_nothing(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "a clone", "bagel")
    before = contents(clone)
    dry = mico("patch", "bagel", "a clone", "--dry-run", folder=tmp_path)
    assert dry.returncode == DONE
    assert contents(clone) == before
    assert dry.stdout.startswith("--- a/data/")
    assert dry.stderr.splitlines()[-1] == "done: 5 of 5 files of a clone"
    made = mico("patch", "bagel", "a clone", folder=tmp_path)
    assert made.returncode == DONE
    assert not made.stdout
    subprocess.run(
        ["git", "apply", "-R"], cwd=clone, input=dry.stdout.encode(), check=True, timeout=60
    )
    assert contents(clone) == before


def test_a_second_run_says_that_nothing_is_left_to_do(tmp_path: Path) -> None:
    write_clone(tmp_path, "omnigen2")
    assert "changed" in mico("patch", "omnigen2", ".", folder=tmp_path).stderr
    again = mico("patch", "omnigen2", ".", folder=tmp_path)
    assert again.returncode == DONE
    assert again.stderr.splitlines() == [
        "nothing to change: . has it all",
        "done: 0 of 2 files of .",
    ]


@pytest.mark.parametrize(
    ("model", "message"),
    [("flux", "'flux' is not a trainer to patch"), ("dimoo", "a clone of Alpha-VLLM/Lumina-DiMOO")],
)
def test_what_cannot_be_patched_is_wrong_usage(model: str, message: str, tmp_path: Path) -> None:
    done = mico("patch", model, ".", folder=tmp_path)
    assert done.returncode == WRONG_USAGE
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
