"""SimpleTuner's datasets name every row's folders in order, and its script starts the model."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from mico_150k.builders.simpletuner import SimpleTunerTrainer

from mico_150k.core.trainer import Exported
from mico_150k.smoke.facts import load

from ..factories import Case
from .exporting import assert_inputs, export, run_script

MODELS = SimpleTunerTrainer.options[0].choices


@pytest.fixture(scope="module")
def exported(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(SimpleTunerTrainer(), dataset, tmp_path_factory.mktemp("an export") / "here")


def test_every_row_of_up_to_three_inputs_is_found_by_its_target_s_name(
    exported: Exported, samples: list[Case]
) -> None:
    found = json.loads((Path(exported.root) / "simpletuner-mico.json").read_text())
    datasets: dict[str, dict[str, Any]] = {dataset["id"]: dataset for dataset in found}
    assert len(datasets) == len(found)
    outputs = {sample.output: sample for sample in samples if len(sample.inputs) <= 3}
    assert len(outputs) == exported.rows < len(samples)
    for dataset in found:
        if "conditioning_data" not in dataset:
            continue
        inputs = [datasets[name] for name in dataset["conditioning_data"]]
        folders = [each["instance_data_dir"] for each in inputs]
        # Strict ones would be cropped as the target is.
        assert {each["conditioning_type"] for each in inputs} == {"reference_loose"}
        # Otherwise one line of a text is chosen at random (prompts.py 419).
        assert dataset["disable_multiline_split"] is True
        for target in Path(dataset["instance_data_dir"]).iterdir():
            if target.suffix != ".txt":
                sample = outputs.pop(target.read_bytes())
                # sampler.py: the target's folder is replaced, and its name stays.
                assert_inputs([f"{folder}/{target.name}" for folder in folders], sample)
                assert target.with_suffix(".txt").read_text() == sample.instruction
    assert not outputs


def test_no_two_datasets_share_a_cache_and_no_two_exports(
    exported: Exported, dataset: Path, tmp_path: Path
) -> None:
    other = export(SimpleTunerTrainer(model="flux2-dev"), dataset, tmp_path / "other")
    caches = []
    for each in (exported, other):
        found = json.loads((Path(each.root) / "simpletuner-mico.json").read_text())
        caches += [entry.get("cache_dir") or entry["cache_dir_vae"] for entry in found]
        assert all(f"cache-{each.token}/" in cache for cache in caches[-len(found) :])
    assert len(set(caches)) == len(caches)


@pytest.mark.parametrize("model", MODELS)
def test_the_model_is_the_trainer_s_family_and_flavor(
    model: str, dataset: Path, tmp_path: Path
) -> None:
    made = export(SimpleTunerTrainer(model=model), dataset, tmp_path / "out")
    clone = tmp_path / "clone"
    clone.mkdir()
    script = Path(made.root) / "train.sh"
    ran = run_script(script, tmp_path, "--seed=1", SIMPLETUNER=str(clone), GPUS="2")
    assert (ran.code, ran.said) == (0, "")
    [command] = ran.commands
    family = "flux2" if model.startswith("flux2") else "qwen_image"
    flavors = ("klein-9b", "klein-4b", "dev", "edit-v2", "edit-v3")
    assert f"--model_family={family}" in command
    assert f"--model_flavour={flavors[MODELS.index(model)]}" in command
    assert f"--max_train_steps={made.rows}" in command
    assert f"--output_dir={clone}/output/mico-150k-{made.token}" in command
    assert "--multi_gpu" in command
    # All inputs of a row, and rows of rare shapes as well.
    assert "--conditioning_multidataset_sampling=combined" in command
    assert "--disable_bucket_pruning" in command
    assert command[-1] == "--seed=1"
    start = (Path(made.root) / "START.md").read_text()
    # The facts of smoke and START.md name the same repositories.
    models = load("simpletuner", made.options).models
    assert re.findall(r"^ *hf download (.*)$", start, re.MULTILINE) == [
        each.repo for each in models
    ]
    assert len(models) == 1 + (model == "flux2-dev")
    gated = model in {"flux2-klein-9b", "flux2-dev"}
    assert models[0].gated == gated
    assert ("hf auth login" in start) == ("is gated" in start) == gated
