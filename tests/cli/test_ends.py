"""Finished is finished: what is in the way of a look at the result changes no exit status."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mico_150k import cli

from ..commands import DONE, FAILED, Mico, runner

MICO = f"{shlex.quote(sys.executable)} -m mico_150k"
BUILD = f"{MICO} build --config dimoo"
SHOW = f"{BUILD} --show-rows"
PLAIN = {
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",
}


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"HF_HOME": "/dev/null/x"},
        {"HOME": "/dev/null/x", "XDG_CACHE_HOME": "/proc/x"},
        {"HF_DATASETS_CACHE": "/proc/x", "HF_MODULES_CACHE": "/proc/x"},
        {"HF_DATASETS_OFFLINE": "1"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "cp437", "TERM": "dumb"},
        PLAIN,
    ],
    ids=str,
)
def test_a_build_ends_well_and_shows_its_rows(tmp_path: Path, environment: dict[str, str]) -> None:
    done = shell(SHOW, tmp_path, **environment)
    assert done.returncode == DONE, done.stderr
    assert b"\ndone: 40 rows read" in done.stderr
    assert b"prompt: " in done.stdout
    lines = done.stderr.splitlines()
    assert len([line for line in lines if not line.startswith(b"building: ")]) == 7
    as_json = shell(f"{BUILD} --json", tmp_path, **environment)
    assert json.loads(as_json.stdout)["report"]["rows"] == 40


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{SHOW} | true", True),
        (f"{BUILD} --json | true", True),
        (f"{SHOW} >&-", True),
        (f"{SHOW} >&- 2>&-", False),
        (f"{SHOW} 2>/dev/full", False),
        (f"{SHOW} >/dev/full", True),
        (f"{BUILD} --json >/dev/full", True),
        (f"{SHOW} 2>&1 | true", False),
        (f"TMPDIR=/nowhere TMP=/nowhere TEMP=/nowhere {SHOW}", True),
    ],
)
def test_a_build_that_cannot_be_shown_ends_well(tmp_path: Path, line: str, *, said: bool) -> None:
    if "/dev/full" in line and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = shell(line, tmp_path)
    assert done.returncode == DONE, done.stderr
    lines = done.stderr.decode().splitlines()
    assert lines == [] if not said else any(x.startswith("done: 40 rows read") for x in lines)
    assert (tmp_path / "mico-demo" / "manifest.json").is_file()


def test_data_that_is_lost_on_a_full_disk_is_no_success(dataset: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = shell(f"{MICO} inspect {shlex.quote(str(dataset))} --json >/dev/full", tmp_path)
    assert done.returncode == FAILED
    assert (
        done.stderr.decode().splitlines()[-1] == "mico: OSError: [Errno 28] No space left on device"
    )


@pytest.mark.slow
def test_help_is_shown_on_every_terminal(tmp_path: Path) -> None:
    for environment in (PLAIN, {"PYTHONIOENCODING": "latin-1"}, {"TERM": "dumb"}):
        done = shell(f"{MICO} build --help", tmp_path, **environment)
        assert done.returncode == DONE, done.stderr
        assert b"--max-memory" in done.stdout


@pytest.mark.parametrize("token", ["hf_ünï", "hf_日本", "hf_a\u2028b"])
@pytest.mark.parametrize(
    "command",
    ["check {dataset} --remote user/x", "export bagel user/x --out y", "preview user/x",
     "inspect user/x", "build hf://datasets/user/x"],
)  # fmt: skip
def test_a_token_that_no_header_takes_is_said_and_never_shown(
    token: str,
    command: str,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    mico: Mico = runner(tmp_path, monkeypatch, capsys)
    done = mico(*command.format(dataset=dataset).split())
    assert done.returncode == FAILED
    assert "HF_TOKEN" in done.stderr
    assert token[3:] not in done.stderr + done.stdout
    assert not any(character in done.stderr for character in token[3:] if character > "~")


def test_an_encoding_error_of_our_own_is_not_taken_for_the_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_plain")
    monkeypatch.setattr("mico_150k.cli._run", lambda: "ü".encode("ascii"))
    with pytest.raises(UnicodeEncodeError):
        cli.main()


def test_ctrl_c_ends_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("mico_150k.cli._run", stopped)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.STOPPED
    assert capsys.readouterr().err == "stopped; re-run the command to resume\n"
