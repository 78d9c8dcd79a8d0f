"""Launch scripts: each starts its trainer, in its clone, on any number of GPUs."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from mico_150k.builders import TRAINERS, get_trainer

from mico_150k.core.trainer import Exported
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.folder import ExportFolder
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


def exported_in(folder: Path) -> Exported:
    return ExportFolder(folder).exported


@pytest.mark.parametrize("model", CLONES)
@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_a_training_starts_on_any_number_of_gpus(place: Path, model: str, gpus: int) -> None:
    # So many GPUs have no step of the usual size.
    smaller = ["--accum_iter=1", "--batch_size", "1"] if model == "dimoo" else []
    told = launch(
        place / "data" / model / "train.sh", place, *smaller, "--added", "by hand",
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        place / "data/dimoo/train.sh", place, DIMOO="clones/dimoo", MODEL="Somebody/Their-DiMOO",
        GPUS="1",
    )["arguments"]  # fmt: skip
    assert option(told, "--init_from") == "Somebody/Their-DiMOO"


CHECKPOINTS = {
    "bagel": ("results/mico-150k-{}", "checkpoints/0002000"),
    "blip3o": ("output/mico-150k-{}", "checkpoint-4000"),
    "dimoo": ("output/mico-150k-{}", "epoch0-iter3"),
    "omnigen2": ("experiments/mico-150k-{}", "checkpoint-1000"),
}
"""The folder of a training, and in it a checkpoint as the trainer calls it."""


@pytest.mark.slow
@pytest.mark.parametrize("model", CLONES)
def test_no_export_resumes_the_training_of_another(
    place: Path, dataset: Path, tmp_path: Path, model: str
) -> None:
    clone = shutil.copytree(place / "clones" / model, tmp_path / "clone")
    other = ExportOptions(Selection(limit=20))
    job = ExportJob.prepare(open_dataset(dataset), TRAINERS[model], tmp_path / "other", other)
    tokens = [exported_in(place / "data" / model).token, run_export(job).token]
    assert tokens[0] != tokens[1]
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes/data.yaml").touch()
    variables = {VARIABLES[model]: str(clone), "MODEL": os.curdir, "CODES": "codes"}
    folder, checkpoint = CHECKPOINTS[model]
    resumed = ["--resume_path", f"{folder.format(tokens[0])}/{checkpoint}"]
    added = resumed if model == "dimoo" else []

    def start(export: Path, *arguments: str, **more: str) -> dict[str, Any]:
        return launch(export / "train.sh", tmp_path, *arguments, **variables, **more)

    assert "resuming" not in start(place / "data" / model)["said"]
    (clone / folder.format(tokens[0]) / checkpoint).mkdir(parents=True)
    said = start(place / "data" / model, *added)["said"]
    assert f"resuming from {folder.format(tokens[0])}/{checkpoint}\n" in said
    assert "resuming" not in start(tmp_path / "other")["said"]
    told = start(tmp_path / "other", OUTPUT="elsewhere")
    assert "resuming" not in told["said"]
    assert (tmp_path / "elsewhere").is_dir()
    assert str(tmp_path / "elsewhere") in str(told["arguments"])
    (tmp_path / "elsewhere" / checkpoint).mkdir(parents=True)
    said = start(tmp_path / "other", *added, OUTPUT="elsewhere")["said"]
    assert "resuming from " in said


def test_dimoo_does_not_start_over_in_a_folder_with_a_checkpoint(
    place: Path, tmp_path: Path
) -> None:
    (tmp_path / "epoch0-iter3").mkdir()
    with pytest.raises(AssertionError, match=r"--resume_path '.*/epoch0-iter3'\. Otherwise, set"):
        launch(
            place / "data/dimoo/train.sh", place, DIMOO="clones/dimoo", OUTPUT=str(tmp_path),
            GPUS="1",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("gpus", "arguments", "step"),
    [
        ("8", [], "2 (--batch_size) × 8 (GPUS) × 4 (--accum_iter) = 64"),
        ("1", ["--batch_size", "25"], "25 (--batch_size) × 1 (GPUS) × 4 (--accum_iter) = 100"),
        ("1", ["--accum_iter=25"], "2 (--batch_size) × 1 (GPUS) × 25 (--accum_iter) = 50"),
    ],
)
def test_dimoo_with_fewer_records_than_a_step_stops_before_the_model_loads(
    place: Path, gpus: str, arguments: list[str], step: str
) -> None:
    rows = exported_in(place / "data/dimoo").rows
    assert 8 <= rows < 50
    script = place / "data/dimoo/train.sh"
    message = f"{rows} records are fewer than one optimizer step, which takes {step}: use fewer"
    with pytest.raises(AssertionError, match=re.escape(message)):
        launch(script, place, *arguments, DIMOO="clones/dimoo", GPUS=gpus)
    launch(script, place, *arguments, DIMOO="clones/dimoo", GPUS=gpus, CODES="other codes")


def test_dimoo_forgets_its_own_records_and_no_others(place: Path) -> None:
    clone, script = place / "clones/dimoo", place / "data/dimoo/train.sh"
    codes = place / "data/dimoo/codes"
    # As upstream's dataset names the copy of a file.
    name = str(codes / "data.yaml")
    for letter in ["/", "\\", ".", "?", "!"]:
        name = name.replace(letter, "-")
    mine, another = clone / "xllmx_data_cache" / name, clone / "xllmx_data_cache/-another-data-yaml"
    for folder in (mine, another):
        folder.mkdir(parents=True)
        (folder / "data.h5").touch()
    launch(script, place, DIMOO="clones/dimoo", GPUS="1")
    assert not mine.exists()
    assert (another / "data.h5").exists()


def omnigen2(place: Path, *arguments: str, **variables: str) -> tuple[list[str], dict[str, Any]]:
    """What the trainer is given, and the options in its file."""
    script = place / "data/omnigen2/train.sh"
    told = launch(script, place, *arguments, OMNIGEN2="clones/omnigen2", **variables)["arguments"]
    options = yaml.safe_load((place / "clones/omnigen2" / told[1]).read_text())
    assert isinstance(options, dict)
    return told, options


def test_the_models_of_omnigen2_are_folders_or_names(place: Path) -> None:
    _, options = omnigen2(place, MODEL="model", VAE="Somebody/their-vae")
    assert options["model"] == {
        "pretrained_model_path": str(place / "model"),
        "pretrained_vae_model_name_or_path": "Somebody/their-vae",
        "pretrained_text_encoder_model_name_or_path": "Qwen/Qwen2.5-VL-3B-Instruct",
    }
    _, options = omnigen2(place, TEXT_ENCODER="sana")
    assert options["model"]["pretrained_text_encoder_model_name_or_path"] == str(place / "sana")


def test_any_option_of_omnigen2_can_be_changed_and_a_misspelled_one_is_refused(
    place: Path,
) -> None:
    changes = ["train.batch_size=1", "train.learning_rate=1e-6", "+train.lora_ft=true",
               "resume_from_checkpoint=null"]  # fmt: skip
    told, options = omnigen2(place, *changes, "--data_path", "a=b", GPUS="4")
    assert told[2:] == ["--data_path", "a=b"]
    train = options["train"]
    assert (train["batch_size"], train["gradient_accumulation_steps"]) == (1, 4)
    assert train["lora_ft"] is True
    assert options["resume_from_checkpoint"] is None
    # Upstream's parser of YAML takes this for a number, and PyYAML does not.
    text = (place / "clones/omnigen2" / told[1]).read_text()
    assert "  learning_rate: 1e-6\n" in text
    assert "  warmup_lr_init: 1e-18\n" in text
    for wrong in ("train.learning_rat=1", "nothing.here=1", "+name.x=1"):
        with pytest.raises(AssertionError, match=f"options/ft.yml has no {wrong.lstrip('+')[:-2]}"):
            omnigen2(place, wrong)


DOWNLOADS = {
    "bagel": ["ByteDance-Seed/BAGEL-7B-MoT"],
    "blip3o": ["BLIP3o/BLIP3o-NEXT-SFT-3B", "Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers",
               "csuhan/TA-Tok ta_tok.pth", "google/siglip2-so400m-patch14-384 config.json"],
    "dimoo": ["Alpha-VLLM/Lumina-DiMOO"],
    "omnigen2": ["black-forest-labs/FLUX.1-dev", "OmniGen2/OmniGen2",
                 "Qwen/Qwen2.5-VL-3B-Instruct"],
}  # fmt: skip


@pytest.mark.parametrize("model", CLONES)
def test_start_names_every_download_and_the_folder_of_the_training(place: Path, model: str) -> None:
    start = (place / "data" / model / "START.md").read_text()
    for repository in DOWNLOADS[model]:
        assert f"huggingface-cli download {repository}" in start
    assert CHECKPOINTS[model][0].format(exported_in(place / "data" / model).token) in start
    assert "{" not in start.partition("## Content")[0]


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


@pytest.mark.parametrize(
    ("model", "commands"),
    [
        ("omnigen2", ['"datasets>=3"', "peft", "tensorboard", "torchdiffeq"]),
        # In this order: the second imports torch while it builds flash_attn.
        ("blip3o", ["pip install torch==2.3.0", "--no-build-isolation", "diffusers==0.34.0"]),
    ],
)
def test_start_installs_what_the_trainer_does_not_list(
    place: Path, model: str, commands: list[str]
) -> None:
    start = (place / "data" / model / "START.md").read_text()
    places = [start.index(command) for command in commands]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["--dropout", "--max_seq_len", "ref_img_dropout_prob"])
def test_no_table_of_settings_has_what_nothing_reads(name: str) -> None:
    for trainer in TRAINERS.values():
        assert not [setting for setting in trainer.settings if name in setting.name]


def test_start_says_what_to_know_before_a_training(place: Path) -> None:
    for model in CLONES:
        start = (place / "data" / model / "START.md").read_text()
        before = start.partition("## Before you start")[2].partition("\n## ")[0]
        assert len(re.findall(r"^- .*\.$", before, re.MULTILINE)) == len(TRAINERS[model].facts) > 1
