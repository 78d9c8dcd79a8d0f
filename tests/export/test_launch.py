"""Launch scripts: each starts its trainer, in its clone, on any number of GPUs."""

import os
from pathlib import Path

import pytest
import yaml
from mico_150k.builders import TRAINERS, get_trainer

from mico_150k.dataset.reader import open_dataset
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import run_export
from mico_150k.trainers.patches import get_patch
from mico_150k.trainers.patches.clone import make_changes, plan_changes

from ..builders.exporting import option
from ..clones import CLONES, launch, write_clone

VARIABLES = {"bagel": "BAGEL", "blip3o": "BLIP3O", "dimoo": "DIMOO", "omnigen2": "OMNIGEN2"}


@pytest.fixture(scope="module")
def place(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export and a patched clone for each trainer, and folders of models."""
    folder = tmp_path_factory.mktemp("a place")
    for model in CLONES:
        job = ExportJob.prepare(
            open_dataset(dataset), TRAINERS[model], folder / "data" / model, ExportOptions()
        )
        run_export(job)
        clone = write_clone(folder / "clones" / model, model)
        make_changes(plan_changes(get_patch(model), clone))
    for codes in ("data/dimoo/codes", "other codes"):  # of upstream's pre-tokenizer
        (folder / codes).mkdir()
        (folder / codes / "data.yaml").touch()
    for name in ("model", "sana"):
        (folder / name).mkdir()
    return folder


@pytest.mark.parametrize("model", CLONES)
@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_a_training_starts_on_any_number_of_gpus(place: Path, model: str, gpus: int) -> None:
    told = launch(
        place / "data" / model / "train.sh", place, "--added", "by hand",
        **{VARIABLES[model]: f"clones/{model}"}, MODEL="model", GPUS=str(gpus),
    )  # fmt: skip
    arguments = told["arguments"]
    assert told["processes"] == gpus
    assert told["folder"] == str(place / "clones" / model)
    assert arguments[-2:] == ["--added", "by hand"]
    if model == "bagel":
        assert option(arguments, "--num_shard") == str(gpus)
        assert option(arguments, "--model_path") == str(place / "model")
    if model == "blip3o":
        rows = int(option(arguments, "--per_device_train_batch_size"))
        assert rows * gpus * int(option(arguments, "--gradient_accumulation_steps")) == 96
    if model == "omnigen2":
        options = yaml.safe_load((place / "clones" / model / arguments[1]).read_text())
        train = options["train"]
        assert train["batch_size"] * train["gradient_accumulation_steps"] * gpus == 16
        assert train["global_batch_size"] == 16
        assert len(options["data"]["max_input_pixels"]) == 5


@pytest.mark.parametrize(("gpus", "rows"), [(3, 12), (6, 12), (16, 32)])
def test_the_batch_of_omnigen2_is_what_its_assertion_wants(
    place: Path, gpus: int, rows: int
) -> None:
    told = launch(
        place / "data/omnigen2/train.sh", place, OMNIGEN2="clones/omnigen2", GPUS=str(gpus)
    )
    train = yaml.safe_load((place / "clones/omnigen2" / told["arguments"][1]).read_text())["train"]
    product = train["batch_size"] * train["gradient_accumulation_steps"] * gpus
    assert product == train["global_batch_size"] == rows


@pytest.mark.parametrize("model", ["bagel", "blip3o", "omnigen2"])
@pytest.mark.parametrize("mode", ["", "online"])
def test_nothing_is_sent_to_wandb_unless_that_is_asked_for(
    place: Path, model: str, mode: str
) -> None:
    chosen = {"WANDB_MODE": mode} if mode else {}
    told = launch(
        place / "data" / model / "train.sh", place,
        **{VARIABLES[model]: f"clones/{model}"}, MODEL="model", **chosen,
    )  # fmt: skip
    if model == "bagel":  # which says so itself, whatever the variable says
        assert option(told["arguments"], "--wandb_offline") == ("False" if mode else "True")
    else:
        assert told["environment"]["WANDB_MODE"] == (mode or "offline")


def test_folders_are_those_of_where_the_script_is_called_and_names_stay_names(place: Path) -> None:
    told = launch(
        place / "data/dimoo/train.sh", place, DIMOO="clones/dimoo",
        CODES="other codes", MODEL="model", OUTPUT="data/../trained",
    )["arguments"]  # fmt: skip
    assert option(told, "--data_config") == str(place / "other codes" / "data.yaml")
    assert option(told, "--init_from") == str(place / "model")
    assert option(told, "--output_dir") == str(place / "trained")
    told = launch(
        place / "data/blip3o/train.sh", place, BLIP3O="clones/blip3o", DIFFUSION="sana",
        OUTPUT="trained",
    )["arguments"]  # fmt: skip
    assert option(told, "--model_name_or_path") == "BLIP3o/BLIP3o-NEXT-SFT-3B"
    assert option(told, "--diffusion_name_or_path") == str(place / "sana")
    assert option(told, "--output_dir") == str(place / "trained")
    told = launch(
        place / "data/dimoo/train.sh", place, DIMOO="clones/dimoo", MODEL="Somebody/Their-DiMOO"
    )["arguments"]
    assert option(told, "--init_from") == "Somebody/Their-DiMOO"


def test_an_unpatched_clone_of_bagel_does_not_start(place: Path, tmp_path: Path) -> None:
    write_clone(tmp_path / "Bagel", "bagel")
    with pytest.raises(AssertionError, match="KeyError: 'mico-150k'"):
        launch(place / "data/bagel/train.sh", place, BAGEL=str(tmp_path / "Bagel"), MODEL="model")


def test_bagel_has_the_ranks_and_workers_of_its_export(dataset: Path, tmp_path: Path) -> None:
    to = tmp_path / "bagel"
    trainer = get_trainer("bagel", ranks=3, num_workers=2)
    job = ExportJob.prepare(open_dataset(dataset), trainer, to, ExportOptions())
    run_export(job)
    clone = write_clone(tmp_path / "Bagel", "bagel")
    make_changes(plan_changes(get_patch("bagel"), clone))
    told = launch(to / "train.sh", tmp_path, BAGEL="Bagel", MODEL=os.curdir)
    assert told["processes"] == 3
    assert option(told["arguments"], "--num_workers") == "2"
    assert "`train.sh` has 3 GPUs and 2 workers per GPU" in (to / "START.md").read_text()
    told = launch(to / "train.sh", tmp_path, BAGEL="Bagel", MODEL=os.curdir, GPUS="6", WORKERS="1")
    assert told["processes"] == 6
    assert option(told["arguments"], "--num_workers") == "1"
