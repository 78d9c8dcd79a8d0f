"""`mico pretokenize`: a table before the work, counts after it, and errors that name the option."""

import json
import shutil
from pathlib import Path

import pytest

from mico_150k.cli.pretokenize import _default_folder
from mico_150k.dataset.folder import DatasetFolder

from ..commands import DONE, WRONG_USAGE, Mico, runner
from ..pretokenize.material import VQ_EXTRA, write_export, write_vq


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    """Runs the command line in the test's folder."""
    return runner(tmp_path, monkeypatch, capsys)


def test_an_export_becomes_codes_beside_its_launch_script(mico: Mico, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    write_vq(tmp_path / "vq")
    write_export(tmp_path / "mico-dimoo")
    command = (
        "pretokenize", "mico-dimoo", "--vq", "vq", "--device", "cpu",
        "--sizes", "2:96,64", "--output-size", "128", "--threads", "1",
    )  # fmt: skip
    done = mico(*command)
    assert done.returncode == DONE, done.stderr
    assert "tokens a record, by its number of inputs" in done.stdout
    assert "above 5120" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("done: 8 records read, 8 written, 0 too long")
    assert (tmp_path / "mico-dimoo" / "codes" / "data.yaml").is_file()
    again = mico(*command, "--json", "--max-seq-len", "160")
    told = json.loads(again.stdout)
    assert told["encoded_before"] == told["encodings"]
    exported = mico(
        "export", "dimoo", "--codes", "--from", "mico-dimoo/codes", "--to", "elsewhere",
    )  # fmt: skip
    assert exported.stderr.splitlines()[-1].startswith("done: 8 records, 0 too long")
    assert (tmp_path / "elsewhere" / "codes" / "data.yaml").is_file()
    assert (tmp_path / "elsewhere" / "train.sh").stat().st_mode & 0o100
    start = (tmp_path / "elsewhere" / "START.md").read_text()
    assert "8 samples have codes, 8 are here" in start
    assert "mico patch dimoo" in start
    assert "mico pretokenize" not in start
    assert sum(told["too_long"].values()) == sum(line["too_long"] for line in told["lengths"]) > 0


def test_the_codes_of_a_dataset_folder_become_its_configuration(
    mico: Mico, small: DatasetFolder, tmp_path: Path
) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    write_vq(tmp_path / "vq")
    shutil.copytree(small.path, tmp_path / "mico-150k")
    command = (
        "pretokenize", "mico-150k", "--vq", "vq", "--device", "cpu",
        "--sizes", "2:96,64", "--output-size", "128", "--threads", "1",
    )  # fmt: skip
    assert mico(*command).returncode == DONE
    assert not (tmp_path / "mico-150k" / "dimoo-codes").exists()
    done = mico(*command, "--add")
    assert done.returncode == DONE, done.stderr
    assert "added to mico-150k as its configuration dimoo-codes" in done.stderr
    assert mico("check", "mico-150k").returncode == DONE
    exported = mico("export", "dimoo", "--codes", "--from", "mico-150k", "--to", "to")
    assert exported.stderr.splitlines()[-1].startswith("done: 24 records, 0 too long")
    refined = mico("build", "mico-150k", "--sample", "9", "--out", "less")
    assert refined.returncode == DONE, refined.stderr
    assert "dimoo-codes is left out" in refined.stderr
    again = mico(
        "pretokenize", "less", *command[2:], "--add", "--to", "mico-150k-codes", "--overwrite",
        "--json",
    )  # fmt: skip
    told = json.loads(again.stdout)
    assert told["encoded_before"] == told["encodings"] > 0
    for folder in ("less", "mico-150k"):
        assert mico("check", folder).returncode == DONE


def test_what_was_left_out_is_told_with_the_way_to_try_it_again(mico: Mico, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    write_vq(tmp_path / "vq")
    export = write_export(tmp_path / "mico-dimoo")
    (export / "images" / "6.png").unlink()
    command = (
        "pretokenize", "mico-dimoo", "--vq", "vq", "--device", "cpu", "--sizes", "32",
        "--output-size", "32", "--threads", "1", "--tolerance", "0.9",
    )  # fmt: skip
    *_, hint, last = mico(*command).stderr.splitlines()
    assert "mico-dimoo/codes/quarantine.jsonl; with --overwrite it is tried again" in hint
    assert "left out: file-missing, 0 too long" in last


def test_an_export_takes_no_configuration(mico: Mico, tmp_path: Path) -> None:
    write_export(tmp_path / "mico-dimoo")
    done = mico("pretokenize", "mico-dimoo", "--vq", "vq", "--add")
    assert done.returncode == WRONG_USAGE
    assert "--add: mico-dimoo is no dataset folder" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dtype", "fp8"), "--dtype fp8: it is fp32 or bf16"),
        (("--over-limit", "keep"), "--over-limit keep"),
        (("--sizes", "large"), "no list of sizes"),
        (("--device", "cuda:0,cpu"), "all must be of one kind"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(
    mico: Mico, arguments: tuple[str, ...], message: str
) -> None:
    done = mico("pretokenize", "nowhere", "--vq", "nothing", *arguments)
    assert done.returncode == WRONG_USAGE
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_dataset_folder_stays_as_it_is(tmp_path: Path) -> None:
    dataset = tmp_path / "mico-150k"
    (dataset / "default").mkdir(parents=True)
    (dataset / "default" / "train-00000.parquet").touch()
    assert _default_folder(dataset) == tmp_path / "mico-150k-codes"
    (dataset / "dimoo-mico.json").write_text("[]")
    assert _default_folder(dataset) == dataset / "codes"
    assert _default_folder(dataset / "dimoo-mico.json") == dataset / "codes"
