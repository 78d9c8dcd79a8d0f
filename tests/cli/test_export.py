"""`mico export`: each trainer is a subcommand, with its own options and no others."""

import json
import re
import shutil
from pathlib import Path

import pytest
import typer.main
from mico_150k.builders import TAKEN, TRAINERS

from mico_150k.cli.app import app

from ..commands import DONE, WRONG_USAGE, Mico, runner
from ..pretokenize.material import add_codes, write_dataset

COMMON = [
    "out",
    "where",
    "sample",
    "limit",
    "seed",
    "over-limit",
    "max-inputs",
    "overwrite",
    "json",
    "help",
]
OWN = {
    "ai-toolkit": "images model",
    "bagel": "in-place ranks num-workers",
    "blip3o": "images",
    "diffsynth": "images",
    "diffsynth-flux2": "images",
    "dimoo": "images format max-seq-len system-prompt tokenizer",
    "musubi": "images",
    "musubi-flux2": "images",
    "omnigen2": "images",
    "simpletuner": "images model",
}


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    monkeypatch.setenv("COLUMNS", "140")
    return runner(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("trainer", OWN)
def test_the_help_of_a_trainer_shows_its_own_options_and_no_others(
    trainer: str, mico: Mico
) -> None:
    done = mico("export", trainer, "--help")
    assert done.returncode == DONE
    shown = re.findall(r"^│ +--([a-z-]+) ", done.stdout, re.MULTILINE)
    assert sorted(shown) == sorted([*COMMON, *OWN[trainer].split()])
    assert TRAINERS[trainer].url in done.stdout
    assert "default: mico-150k" in done.stdout


def test_the_help_of_export_has_a_line_for_each_trainer(mico: Mico) -> None:
    done = mico("export", "--help")
    lines = done.stdout.partition("Commands")[2].splitlines()
    shown = {line.split()[1]: line for line in lines if len(line.split()) > 2}
    assert list(shown) == list(OWN) == list(TRAINERS)
    for name, line in shown.items():
        assert f"{TRAINERS[name].title}: " in line


def test_what_trainers_declare_are_the_command_s_parameters() -> None:
    commands = typer.main.get_command(app).commands["export"].commands  # type: ignore[attr-defined]
    options = {option.name: option for option in commands["dimoo"].params}
    assert options["max_seq_len"].default == 5120
    assert options["tokenizer"].default is None
    assert options["tokenizer"].metavar == "FOLDER|ID"
    for command in commands.values():
        own = {option.name for option in TRAINERS[command.name].all_options()}
        assert {option.name for option in command.params} - own <= TAKEN


def test_a_trainer_s_options_reach_it(mico: Mico, dataset: Path, tmp_path: Path) -> None:
    done = mico(*("export", "bagel", dataset, "--out", "x", "--ranks", 3, "--num-workers", 2))
    assert done.returncode == DONE, done.stderr
    assert "`train.sh` has 3 GPUs and 2 workers" in (tmp_path / "x" / "START.md").read_text()
    coded = write_dataset(tmp_path / "mico-150k")
    add_codes(coded)
    assert mico("export", "dimoo", "--out", "codes", "--system-prompt", "Do.").returncode == DONE
    records = json.loads((tmp_path / "codes" / "all_records.json").read_text())
    assert {record["system_prompt"] for record in records} == {"Do."}


def test_a_value_that_an_option_does_not_take_is_refused(mico: Mico, tmp_path: Path) -> None:
    for words, message in (
        ("dimoo --out x --format pickles", "--format"),
        ("dimoo --out x --max-seq-len 0", "--max-seq-len"),
        ("bagel --out x --ranks many", "--ranks"),
        ("bagel", "say where: --out DIR, or --in-place."),
        ("omnigen2", "say where: --out DIR."),
        ("bagel --out x --in-place", "say where"),
        ("mine --out x", "'mine' is not a known trainer; there are ai-toolkit, bagel, "),
    ):
        done = mico("export", *words.split())
        assert done.returncode == WRONG_USAGE
        assert message in done.stderr, words
    assert not list(tmp_path.iterdir())


def test_a_folder_wins_over_a_dataset_of_that_name_on_the_hub(
    mico: Mico, dataset: Path, tmp_path: Path
) -> None:
    shutil.copytree(dataset, tmp_path / "user" / "mico-150k")
    done = mico("export", "omnigen2", "user/mico-150k", "--out", "out", "--json")
    assert done.returncode == DONE, done.stderr
    assert json.loads(done.stdout)["dataset"] == "user/mico-150k"
