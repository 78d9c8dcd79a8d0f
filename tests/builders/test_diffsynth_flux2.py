"""DiffSynth-Studio with FLUX.2: the records of Qwen-Image-Edit, and what starts each version."""

from pathlib import Path

import pytest
from mico_150k.builders.diffsynth import DiffSynthTrainer
from mico_150k.builders.diffsynth_flux2 import DiffSynthFlux2Trainer

from mico_150k.core.trainer import Exported

from .exporting import export, lines, option, run_script


@pytest.fixture(scope="module")
def exported(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(DiffSynthFlux2Trainer(), dataset, tmp_path_factory.mktemp("an export") / "here")


def test_its_records_are_those_of_qwen_image_edit(
    exported: Exported, dataset: Path, tmp_path: Path
) -> None:
    qwen = export(DiffSynthTrainer(), dataset, tmp_path / "qwen")
    root = Path(exported.root)
    renamed = [
        {
            "image": record["image"].replace(qwen.root, exported.root),
            "edit_image": [path.replace(qwen.root, exported.root) for path in record["edit_image"]],
            "prompt": record["prompt"],
        }
        for record in lines(Path(qwen.root) / "diffsynth-mico.jsonl")
    ]
    assert lines(root / "diffsynth-mico.jsonl") == renamed
    assert exported.token != qwen.token


def test_a_full_training_of_klein_base_4b_is_the_default(
    exported: Exported, tmp_path: Path
) -> None:
    script = Path(exported.root) / "train.sh"
    ran = run_script(script, tmp_path, "--num_epochs", "7", DIFFSYNTH=str(tmp_path), GPUS="4")
    assert (ran.code, ran.said) == (0, "")
    [command] = ran.commands
    assert "examples/flux2/model_training/train.py" in command
    assert option(command, "--config_file").endswith(
        "flux2/model_training/full/accelerate_config.yaml"
    )
    assert option(command, "--trainable_models") == "dit"
    assert option(command, "--dataset_metadata_path") == f"{exported.root}/diffsynth-mico.jsonl"
    assert option(command, "--data_file_keys") == "image,edit_image"
    assert option(command, "--extra_inputs") == "edit_image"
    assert option(command, "--tokenizer_path") == "black-forest-labs/FLUX.2-klein-4B:tokenizer/"
    # As upstream's full/FLUX.2-klein-base-4B.sh.
    assert option(command, "--model_id_with_origin_paths") == (
        "black-forest-labs/FLUX.2-klein-4B:text_encoder/*.safetensors,"
        "black-forest-labs/FLUX.2-klein-4B:vae/diffusion_pytorch_model.safetensors,"
        "black-forest-labs/FLUX.2-klein-base-4B:transformer/*.safetensors"
    )
    assert option(command, "--output_path").endswith(f"-{exported.token}-klein-base-4b-full")
    assert command[-2:] == ["--num_epochs", "7"]


@pytest.mark.parametrize(("version", "blocks"), [("klein-4b", 20), ("klein-base-9b", 24)])
def test_lora_has_upstream_s_layers(
    exported: Exported, tmp_path: Path, version: str, blocks: int
) -> None:
    settings = {"DIFFSYNTH": str(tmp_path), "TRAIN": "lora", "VERSION": version}
    [command] = run_script(Path(exported.root) / "train.sh", tmp_path, **settings).commands
    assert "--multi_gpu" in command
    modules = option(command, "--lora_target_modules").split(",")
    assert len(set(modules)) == len(modules) == 11 + blocks
    assert modules[-1] == f"single_transformer_blocks.{blocks - 1}.attn.to_out"
    assert version[-2:].upper() in option(command, "--tokenizer_path")


def test_dev_encodes_first_and_trains_on_the_cache(exported: Exported, tmp_path: Path) -> None:
    script = Path(exported.root) / "train.sh"
    settings = {"DIFFSYNTH": str(tmp_path), "TRAIN": "lora", "VERSION": "dev", "GPUS": "2"}
    cache = tmp_path / "a cache"
    (cache / "2").mkdir(parents=True)
    encode, train = run_script(script, tmp_path, CACHE=str(cache), **settings).commands
    assert option(encode, "--task") == "sft:data_process"
    assert option(encode, "--output_path") == f"{cache}/2"
    assert option(encode, "--extra_inputs") == "edit_image"
    assert "transformer" not in option(encode, "--model_id_with_origin_paths")
    assert option(train, "--task") == "sft:train"
    assert option(train, "--dataset_base_path") == f"{cache}/2"
    assert "--dataset_metadata_path" not in train
    assert option(train, "--model_id_with_origin_paths") == (
        "black-forest-labs/FLUX.2-dev:transformer/*.safetensors"
    )
    # What is encoded stays so, but not for another number of GPUs.
    [train] = run_script(script, tmp_path, CACHE=str(cache), **settings).commands
    assert option(train, "--task") == "sft:train"
    (cache / "3").mkdir()
    again = run_script(script, tmp_path, CACHE=str(cache), **{**settings, "GPUS": "3"})
    assert len(again.commands) == 2


@pytest.mark.parametrize(
    "wrong", [{"TRAIN": "half"}, {"VERSION": "pro"}, {"TRAIN": "full", "VERSION": "dev"}]
)
def test_what_there_is_not_starts_nothing(
    exported: Exported, tmp_path: Path, wrong: dict[str, str]
) -> None:
    script = Path(exported.root) / "train.sh"
    ran = run_script(script, tmp_path, DIFFSYNTH=str(tmp_path), **wrong)
    assert ran.code == 2
    assert next(iter(wrong)) in ran.said
    assert not ran.commands


def test_start_names_each_download_and_the_disk_of_dev(exported: Exported) -> None:
    start = (Path(exported.root) / "START.md").read_text()
    assert "hf auth login" in start
    assert "| klein-base-9b | FLUX.2-klein-base-9B | FLUX.2-klein-9B | both |" in start
    assert f"{exported.rows * 512 * 15360 * 2 / 1e9:,.1f} GB in `CACHE`" in start
