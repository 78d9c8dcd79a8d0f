"""`mico pretokenize`: a table before the work, counts after it, and errors that name the option."""

import json
import shutil
from pathlib import Path

import pytest

from mico_150k.dataset.folder import DatasetFolder

from ..commands import DONE, FAILED, WRONG_USAGE, Mico, runner
from ..pretokenize.material import VQ_EXTRA, write_vq


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    """Runs the command line in the test's folder."""
    return runner(tmp_path, monkeypatch, capsys)


SMALL = ("--device", "cpu", "--sizes", "2:96,64", "--output-size", "128")


@pytest.mark.slow
def test_the_codes_of_a_dataset_become_its_configuration_and_an_export(
    mico: Mico, small: DatasetFolder, tmp_path: Path
) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    write_vq(tmp_path / "vq")
    shutil.copytree(small.path, tmp_path / "mico-150k")
    command = ("pretokenize", "mico-150k", "--vq", "vq", *SMALL)
    done = mico(*command)
    assert done.returncode == DONE, done.stderr
    assert "tokens a record, by its number of inputs" in done.stdout
    assert "above 5120" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("done: 24 records read, 24 with codes;")
    assert last.endswith("the configuration dimoo-codes of mico-150k")
    assert mico("check", "mico-150k").returncode == DONE
    told = json.loads(mico(*command, "--json").stdout)
    assert told["encoded_before"] == told["encodings"] > 0
    assert sum(line["records"] for line in told["lengths"]) == told["records"] == 24

    exported = mico("export", "dimoo", "mico-150k", "--out", "to")
    assert exported.stderr.splitlines()[-1].startswith("done: 24 of 24 rows for Lumina-DiMOO")
    assert (tmp_path / "to" / "data.yaml").is_file()
    assert (tmp_path / "to" / "train.sh").stat().st_mode & 0o100
    start = (tmp_path / "to" / "START.md").read_text()
    assert "24 rows were selected, 24 are exported" in start
    assert "mico patch dimoo" in start
    assert "mico pretokenize" not in start

    refined = mico("refine", "mico-150k", "--sample", "9", "--out", "less")
    assert refined.returncode == DONE, refined.stderr
    assert "dimoo-codes is not carried over" in refined.stderr
    again = mico("pretokenize", "less", *command[2:])
    assert again.returncode == DONE, again.stderr
    for folder in ("less", "mico-150k"):
        assert mico("check", folder).returncode == DONE


def test_a_dataset_without_codes_names_both_ways(
    mico: Mico, small: DatasetFolder, tmp_path: Path
) -> None:
    shutil.copytree(small.path, tmp_path / "mico-150k")
    done = mico("export", "dimoo", "--out", "to")
    assert done.returncode == WRONG_USAGE
    assert "mico pretokenize mico-150k --vq" in done.stderr
    assert "mico export dimoo mico-150k --out DIR --format images" in done.stderr
    assert not (tmp_path / "to").exists()
    assert mico("export", "dimoo", "--out", "to", "--format", "codes").returncode == WRONG_USAGE
    assert mico("export", "dimoo", "--out", "to", "--format", "images").returncode == DONE
    assert (tmp_path / "to" / "dimoo-mico.json").is_file()
    start = (tmp_path / "to" / "START.md").read_text()
    assert "bash pre_tokenizer/run_pre_token.sh" in start


def test_what_is_no_dataset_is_refused(mico: Mico, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    done = mico("pretokenize", "mine", "--vq", "vq")
    assert done.returncode == FAILED
    assert "no manifest.json of a finished build" in done.stderr
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("export dimoo --codes", "mico export dimoo DATASET --out DIR --format codes"),
        ("export bagel --from x --out y", "mico export TRAINER DATASET --out DIR"),
        ("export bagel x --to y", "mico export TRAINER DATASET --out DIR"),
        ("export bagel x --to=y", "mico export TRAINER DATASET --out DIR"),
        ("export --from=x bagel", "mico export TRAINER DATASET --out DIR"),
        ("export bagel x --out y --ranks 2 --workers 1", "--ranks N --num-workers N"),
        ("pretokenize mico-150k --vq x --add", "remove it"),
        ("pretokenize mico-150k --vq x --to=y", "mico export dimoo DATASET --out DIR"),
        ("pretokenize mico-150k --vq x --max-seq-len 9", "`mico export dimoo`'s"),
        ("pretokenize mico-150k --vq x --threads 2", "follows from the cores"),
    ],
)
def test_an_option_of_before_is_an_error_that_names_the_new_way(
    mico: Mico, command: str, message: str
) -> None:
    done = mico(*command.split())
    assert done.returncode == WRONG_USAGE
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dtype", "fp8"), "--dtype fp8: it is fp32 or bf16"),
        (("--sizes", "large"), "not a list of sizes"),
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
