"""What a build says at its end: what became of the rows, and the commands that come next."""

import shlex
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mico_150k.dataset import layout
from mico_150k.io.machine import gigabytes
from mico_150k.sources import Source, open_source

from ..commands import DONE, WRONG_USAGE, Done, Mico, runner
from ..factories import cases, write_release


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    return runner(tmp_path, monkeypatch, capsys)


def ended(done: Done) -> list[str]:
    """The lines from `done:` on."""
    assert done.returncode == DONE, done.stderr
    lines = done.stderr.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("done:")) :]


def test_a_build_ends_in_a_few_lines_with_rows_bytes_and_what_comes_next(
    mico: Mico, release: Path, tmp_path: Path
) -> None:
    done = mico("build", release, "--config", "bagel")
    files = [path for path in (tmp_path / "mico-150k").rglob("*") if path.is_file()]
    there = [path for path in files if path.name not in {layout.MTIME_TOKENS, ".lock"}]
    size = gigabytes(sum(path.stat().st_size for path in there))
    assert not done.stdout
    first, *following = ended(done)
    assert first.startswith("done: 24 rows read, 24 written, 0 skipped; ")
    assert f"; {len(there)} files, {size} in mico-150k, " in first
    assert following == [
        "next: mico check mico-150k",
        "      mico preview mico-150k",
        "      mico export bagel mico-150k --out mico-150k-bagel",
        '      load_dataset("mico-150k", "bagel")  # in Python',
    ]
    for line in following[:3]:
        assert mico(*shlex.split(line.removeprefix("next:"))[1:]).returncode == DONE
    again = ended(mico("build", release, "--config", "bagel"))
    assert "(it was finished before)" in again[0]
    assert again[1:] == following


def test_skipped_rows_are_told_by_reason_with_where_they_are_listed(
    mico: Mico, tmp_path: Path
) -> None:
    samples = [replace(case, output=b"no image") if i < 2 else case
               for i, case in enumerate(cases(3))]  # fmt: skip
    write_release(tmp_path / "r", samples)
    done = ended(mico("build", "r", "--out", "a b", "--config", "default", "--tolerance", "1"))
    assert done[0].startswith("done: 12 rows read, 10 written, 2 skipped (2 unknown-format); ")
    assert done[1] == f"      a b/{layout.QUARANTINE} lists the skipped rows"
    assert done[2:] == [
        "next: mico check 'a b'",
        "      mico preview 'a b'",
        '      load_dataset("a b", "default")  # in Python',
    ]


@pytest.mark.slow
def test_the_time_is_that_of_the_whole_command(
    mico: Mico, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*arguments: object) -> Source:
        time.sleep(1.5)
        return open_source(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("mico_150k.cli.build.open_source", slowly)
    for _ in range(2):
        first = ended(mico("build", release, "--config", "dimoo"))[0]
        assert float(first.split(", ")[-1].split()[0]) >= 1.5


def test_a_program_is_told_no_next_command(mico: Mico, release: Path) -> None:
    assert len(ended(mico("build", release, "--config", "dimoo", "--json"))) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--json",), "--show-rows is for a build without --json"),
        (("--partition", "1/2"), "--show-rows is for a build without --partition"),
        (("--out", "s3://bucket/x"), "--show-rows is for a folder on this machine"),
        (("--out", "hf://datasets/a/b", "--license", "mit"), "--show-rows is for a build into a"),
    ],
)
def test_rows_are_shown_for_a_build_into_a_folder_alone(
    mico: Mico, release: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = mico("build", release, "--show-rows", *options)
    assert done.returncode == WRONG_USAGE
    assert said in done.stderr
    assert not list(tmp_path.iterdir())
