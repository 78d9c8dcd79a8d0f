"""`mico smoke` and `smoke_test`."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

import mico_150k

from ..commands import DONE, FAILED, WRONG_USAGE, Mico, runner
from ..smoke.tiny import Tiny, give_model, make_tiny


@pytest.fixture
def tiny(tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    return make_tiny(tmp_path, dataset, monkeypatch)


@pytest.fixture
def mico(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mico:
    give_model(tiny, monkeypatch)
    return runner(tiny.root, monkeypatch, capsys)


def test_each_check_is_a_line_with_what_to_do(mico: Mico, tiny: Tiny) -> None:
    done = mico("smoke", "tiny", "clone", "--export", "export", "--python", tiny.python)
    assert done.returncode == DONE
    lines = done.stdout.splitlines()
    assert lines[0].startswith("right  clone: ")
    at = next(n for n, line in enumerate(lines) if line.startswith("not checked here  the VAE: "))
    assert lines[at + 1].startswith("       accept its license")
    assert done.stderr.endswith("clone by tiny: nothing is wrong, 3 not checked here\n")


def test_a_fault_is_the_exit_status(mico: Mico, tiny: Tiny) -> None:
    tiny.package.unlink()
    done = mico("smoke", "tiny", "clone", "--export", "export", "--python", tiny.python)
    assert done.returncode == FAILED
    assert "\nwrong  needed: `import needed`" in done.stdout
    assert "\n       pip install needed==1.2\n" in done.stdout


def test_json_is_what_the_twin_gives(mico: Mico, tiny: Tiny) -> None:
    (tiny.root / "model" / "weights.bin").unlink()
    done = mico("smoke", "tiny", "clone", "--export", "export", "--python", tiny.python, "--json")
    assert done.returncode == FAILED
    told = json.loads(done.stdout)
    twin = mico_150k.smoke_test("tiny", "clone", export="export", python=tiny.python)
    assert told == {"wrong": 1, "findings": [asdict(finding) for finding in twin]}


def test_what_is_no_export_or_trainer(mico: Mico) -> None:
    assert mico("smoke", "bagel", "clone", "--export", "export").returncode == WRONG_USAGE
    assert mico("smoke", "tiny", "clone", "--export", "clone").returncode == FAILED
    assert mico("smoke", "tiny", "clone").returncode == WRONG_USAGE
