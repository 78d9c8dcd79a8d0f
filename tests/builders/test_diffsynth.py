"""DiffSynth-Studio's records hold every row, and its script starts what was asked for."""

import os
from pathlib import Path

import pytest
from mico_150k.builders import get_trainer
from mico_150k.builders.diffsynth import DiffSynthTrainer

from mico_150k.core.trainer import Candidate, Exported
from mico_150k.dataset.reader import open_dataset
from mico_150k.export.limits import OverLimitPolicy, fit

from ..factories import Case
from .exporting import assert_inputs, export, lines, option, run_script


@pytest.fixture(scope="module")
def exported(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(DiffSynthTrainer(), dataset, tmp_path_factory.mktemp("an export") / "here")


def test_it_is_found_by_its_name() -> None:
    assert type(get_trainer("diffsynth")).__name__ == "DiffSynthTrainer"


def test_every_row_has_its_images_in_order(exported: Exported, samples: list[Case]) -> None:
    assert exported.rows == len(samples)
    found = lines(Path(exported.root) / "diffsynth-mico.jsonl")
    assert all(set(record) == {"image", "edit_image", "prompt"} for record in found)
    by_prompt = {(sample.instruction, sample.output): sample for sample in samples}
    for record in found:
        sample = by_prompt[record["prompt"], Path(record["image"]).read_bytes()]
        assert isinstance(record["edit_image"], list)
        assert_inputs(record["edit_image"], sample)


@pytest.mark.parametrize("text", ["a <|image_pad|> b", "end<|im_end|>", "<|vision_start|>"])
def test_a_mark_of_the_chat_is_refused(text: str) -> None:
    row = Candidate("hoi/1", text, ((64, 64),), (64, 64))
    assert [limit.name for limit in DiffSynthTrainer.limits if limit.applies(row)] == ["marker"]


def test_braces_and_angles_are_no_marks() -> None:
    row = Candidate("hoi/1", "put {it} at <left> |here| a < b", ((64, 64),), (64, 64))
    assert not any(limit.applies(row) for limit in DiffSynthTrainer.limits)


def test_more_than_three_inputs_are_told_and_kept(dataset: Path, exported: Exported) -> None:
    index = open_dataset(dataset).index()
    many = sum(count > 3 for count in index["num_inputs"].to_pylist())
    fitted = fit(DiffSynthTrainer(), index, OverLimitPolicy.ERROR)
    assert many
    assert fitted.remarks == {"many-inputs": many}
    assert fitted.index.num_rows == index.num_rows
    start = (Path(exported.root) / "START.md").read_text()
    [told] = [line for line in start.splitlines() if "`--max-inputs 3` skips them" in line]
    assert told.startswith(f"| {many} | more than 3 inputs")
    few = fit(DiffSynthTrainer(), index, OverLimitPolicy.DROP, max_inputs=3)
    assert (few.skipped, few.remarks) == ({"max-inputs": many}, {})


def test_a_full_training_of_2511_is_the_default(exported: Exported, tmp_path: Path) -> None:
    script = Path(exported.root) / "train.sh"
    ran = run_script(script, tmp_path, "--num_epochs", "7", DIFFSYNTH=str(tmp_path), GPUS="4")
    assert (ran.code, ran.said) == (0, "")
    [command] = ran.commands
    assert command[:2] == ["accelerate", "launch"]
    assert "--num_processes=4" in command
    assert option(command, "--config_file").endswith("full/accelerate_config_zero2offload.yaml")
    records = option(command, "--dataset_metadata_path")
    assert records == f"{exported.root}/diffsynth-mico.jsonl"
    assert " " in records
    assert option(command, "--trainable_models") == "dit"
    assert "Qwen-Image-Edit-2511:" in option(command, "--model_id_with_origin_paths")
    assert "--zero_cond_t" in command
    # What a person adds comes last, and so wins.
    assert command[-2:] == ["--num_epochs", "7"]


@pytest.mark.parametrize("train", ["full", "lora"])
def test_rows_are_accumulated(exported: Exported, tmp_path: Path, train: str) -> None:
    script = Path(exported.root) / "train.sh"
    settings = {"DIFFSYNTH": str(tmp_path), "TRAIN": train, "ACCUMULATION": "4"}
    [command] = run_script(script, tmp_path, **settings).commands
    of_script = next(place for place, word in enumerate(command) if word.endswith("train.py"))
    before, after = command[:of_script], command[of_script:]
    assert option(after, "--gradient_accumulation_steps") == "4"
    # With a config, accelerate's own option is the one that counts.
    if train == "full":
        assert option(before, "--gradient_accumulation_steps") == "4"


def test_lora_of_2509_on_several_gpus(exported: Exported, tmp_path: Path) -> None:
    script = Path(exported.root) / "train.sh"
    ran = run_script(script, tmp_path, DIFFSYNTH=str(tmp_path), TRAIN="lora", VERSION="2509")
    [command] = ran.commands
    assert "--multi_gpu" in command
    assert "--config_file" not in command
    assert option(command, "--lora_base_model") == "dit"
    assert option(command, "--lora_target_modules").count(",") == 11
    assert "Qwen-Image-Edit-2509:" in option(command, "--model_id_with_origin_paths")
    assert "--zero_cond_t" not in command


@pytest.mark.parametrize("wrong", [{"TRAIN": "half"}, {"VERSION": "2508"}])
def test_what_there_is_not_starts_nothing(
    exported: Exported, tmp_path: Path, wrong: dict[str, str]
) -> None:
    script = Path(exported.root) / "train.sh"
    ran = run_script(script, tmp_path, DIFFSYNTH=str(tmp_path), **wrong)
    assert ran.code == 2
    assert next(iter(wrong)) in ran.said
    assert not ran.commands


@pytest.mark.parametrize(
    ("train", "flag"), [("full", "--resume_from_checkpoint"), ("lora", "--lora_checkpoint")]
)
def test_the_newest_weights_are_resumed_from_and_only_this_export_s(
    exported: Exported, tmp_path: Path, train: str, flag: str
) -> None:
    script = Path(exported.root) / "train.sh"
    settings = {"DIFFSYNTH": str(tmp_path), "TRAIN": train}
    [command] = run_script(script, tmp_path, **settings).commands
    assert flag not in command
    own = option(command, "--output_path")
    assert own == f"models/train/mico-150k-{exported.token}-2511-{train}"
    # A relative folder is one in the clone. The newest is not the one with most steps.
    for age, name in enumerate(("step-5000.safetensors", "step-10000.safetensors")):
        weights = tmp_path / own / name
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.touch()
        os.utime(weights, (1000 - age, 1000 - age))
    ran = run_script(script, tmp_path, **settings)
    assert ran.said.startswith(f"resuming from {own}/step-5000.safetensors: ")
    assert option(ran.commands[0], flag) == f"{own}/step-5000.safetensors"
    elsewhere = run_script(script, tmp_path, OUTPUT="an other", **settings)
    assert elsewhere.said == ""
    assert option(elsewhere.commands[0], "--output_path") == "an other"
