"""ai-toolkit's config names every row's folders, and its script starts what was asked for."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from mico_150k.builders import get_trainer
from mico_150k.builders.ai_toolkit import AiToolkitTrainer

from mico_150k.api.export import relocate_export
from mico_150k.core.errors import OutputRefused
from mico_150k.core.trainer import Candidate, Exported
from mico_150k.smoke.facts import load

from ..factories import Case
from .exporting import assert_inputs, export, run_script

SQUARE = (1024, 1024)
ROW = Candidate("hoi/1", "put it there", (SQUARE, SQUARE), SQUARE)
MODELS = AiToolkitTrainer.options[0].choices


@pytest.fixture(scope="module")
def exported(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(AiToolkitTrainer(), dataset, tmp_path_factory.mktemp("an 'export': a #1") / 'h"é')


def process(root: str | Path, **values: str) -> dict[str, Any]:
    """The config's process with values for its variables, as the trainer replaces them."""
    text = (Path(root) / "ai-toolkit-mico.yaml").read_text()
    names = ("MICO_150K_NAME", "MICO_150K_FOLDER", "MODEL", "STEPS")
    for name in names:
        text = text.replace(f"${{{name}}}", values.get(name, "1"))
    assert "${" not in text
    found: dict[str, Any] = yaml.safe_load(text)["config"]["process"][0]
    return found


def test_every_row_is_in_the_entry_of_its_number_of_inputs(
    exported: Exported, samples: list[Case]
) -> None:
    outputs = {sample.output: sample for sample in samples}
    for entry in process(exported.root)["datasets"]:
        ending = f".{entry['caption_ext']}"
        for target in Path(entry["folder_path"]).iterdir():
            if target.suffix == ending:
                continue
            sample = outputs.pop(target.read_bytes())
            assert len(entry["control_path"]) == len(sample.inputs)
            # What the trainer looks for, in this order: dataloader_mixins.py 1098.
            found = [
                str(path)
                for folder in entry["control_path"]
                for ending in (".jpg", ".jpeg", ".png", ".webp")
                if (path := Path(folder, f"{target.stem}{ending}")).exists()
            ]
            assert_inputs(found, sample)
            # And how it reads a caption: it is cut at commas and joined again.
            caption = target.with_suffix(ending).read_text(encoding="utf-8")
            assert ", ".join(caption.split(",")) == sample.instruction
    assert not outputs
    # Inputs have different sizes, which no batch of two can hold.
    assert process(exported.root)["train"]["batch_size"] == 1


def test_only_the_spaces_that_the_trainer_adds_are_left_away() -> None:
    trainer = AiToolkitTrainer()
    for text in ("a, b,  c", "a", "a, ", "ends with a comma, \n", "a ,b"):
        read = ", ".join(trainer.caption(text).split(","))
        is_changed = any(
            remark.applies(replace(ROW, instruction=text))
            for remark in trainer.remarks
            if remark.name == "changed-text"
        )
        assert (read != text) == is_changed, text


def limits(trainer: AiToolkitTrainer, **changes: Any) -> list[str]:
    row = replace(ROW, **changes)
    return [limit.name for limit in trainer.limits if limit.applies(row)]


@pytest.mark.parametrize("model", MODELS[:3])
def test_flux_2_takes_inputs_from_64_pixels_on_and_up_to_8_times_as_long_as_wide(
    model: str,
) -> None:
    trainer = AiToolkitTrainer(model=model)
    assert not limits(trainer, inputs=(SQUARE, (64, 512), (512, 64)))
    assert limits(trainer, inputs=(SQUARE, (63, 64))) == ["small-input"]
    assert limits(trainer, inputs=((64, 513), SQUARE)) == ["small-input"]
    assert not limits(trainer, output=(16, 16))


def test_qwen_takes_small_inputs_and_refuses_thin_ones() -> None:
    trainer = AiToolkitTrainer(model="qwen_image_edit_plus")
    assert not limits(trainer, inputs=((16, 16), (16, 16 * 200)))
    assert limits(trainer, inputs=((16, 16 * 290),)) == ["thin-input"]
    assert limits(trainer, inputs=((16 * 600, 16),)) == ["thin-input"]


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("a [trigger] b", set(MODELS)),
        ("[name]", set(MODELS)),
        ("a <|im_end|> b", set(MODELS) - {"flux2"}),
        ("a [IMG] b", {"flux2"}),
        ("a [INST] b</s>", {"flux2"}),
        ("[left] <right> |a| [Name] s>", set()),
    ],
)
def test_words_that_the_trainer_takes_for_its_own_are_refused(text: str, of: set[str]) -> None:
    refused = {model for model in MODELS if limits(AiToolkitTrainer(model=model), instruction=text)}
    assert refused == of


@pytest.mark.parametrize(
    ("model", "most"), [("flux2_klein_9b", 4), ("flux2", 6), ("qwen_image_edit_plus", 3)]
)
def test_more_inputs_than_the_model_is_made_for_are_told(model: str, most: int) -> None:
    [remark] = [
        remark for remark in AiToolkitTrainer(model=model).remarks if remark.name == "many-inputs"
    ]
    assert not remark.applies(replace(ROW, inputs=(SQUARE,) * most))
    assert remark.applies(replace(ROW, inputs=(SQUARE,) * (most + 1)))
    assert f"--max-inputs {most}`" in remark.why


def test_a_long_text_is_told_of_flux_2() -> None:
    [remark] = [each for each in AiToolkitTrainer().remarks if each.name == "long-text"]
    assert not remark.applies(replace(ROW, instruction="a" * 1400))
    assert remark.applies(replace(ROW, instruction="a" * 1402))


BFL = "hf download black-forest-labs/"
VAE = "hf download ai-toolkit/flux2_vae ae.safetensors"
DOWNLOADS = {
    "flux2_klein_9b": [
        f"{BFL}FLUX.2-klein-base-9B flux-2-klein-base-9b.safetensors",
        "hf download Qwen/Qwen3-8B",
        VAE,
    ],
    "flux2_klein_4b": [
        f"{BFL}FLUX.2-klein-base-4B flux-2-klein-base-4b.safetensors",
        "hf download Qwen/Qwen3-4B",
        VAE,
    ],
    "flux2": [
        f"{BFL}FLUX.2-dev flux2-dev.safetensors ae.safetensors",
        "hf download mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    ],
    "qwen_image_edit_plus": ["hf download Qwen/Qwen-Image-Edit-2511"],
}
"""What flux2_model.py, flux2_klein_model.py and qwen_image.py load."""


@pytest.mark.parametrize("model", MODELS)
def test_each_model_is_named_with_its_downloads(model: str, dataset: Path, tmp_path: Path) -> None:
    made = export(AiToolkitTrainer(model=model), dataset, tmp_path / "out")
    assert process(made.root)["model"]["arch"] == model
    start = (tmp_path / "out/START.md").read_text()
    gated = model in {"flux2_klein_9b", "flux2"}
    assert ("hf auth login" in start) == gated
    assert re.findall(r"^ *(hf download .*)$", start, re.MULTILINE) == DOWNLOADS[model]
    assert ("may ask you to share" in start) == (model == "flux2")
    assert "HF_HUB_OFFLINE=1" in start
    facts = load("ai-toolkit", made.options)
    assert [each.repo or each.option for each in facts.models] == [
        "model.name_or_path", *(command.split()[2] for command in DOWNLOADS[model][1:])
    ]  # fmt: skip
    assert facts.models[0].gated == gated
    assert [" ".join(each.files) for each in facts.models] == [
        " ".join(command.split()[3:]) for command in DOWNLOADS[model]
    ]
    # Its own limits and options are there after a move as well.
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    relocate_export(moved)
    assert process(moved)["model"]["arch"] == model
    assert (moved / "START.md").read_text() == start.replace(
        str(tmp_path / "out"), str(tmp_path / "moved")
    )


def test_a_training_gets_its_model_steps_and_folder(exported: Exported, tmp_path: Path) -> None:
    script = Path(exported.root) / "train.sh"
    clone = tmp_path / "a clone"
    clone.mkdir()
    ran = run_script(script, tmp_path, "--log", "x", AI_TOOLKIT=str(clone))
    assert (ran.code, ran.said) == (0, "")
    config = f"{exported.root}/ai-toolkit-mico.yaml"
    assert ran.commands == [["python", "run.py", config, "--log", "x"]]


@pytest.fixture
def told(exported: Exported, tmp_path: Path) -> Any:
    """Runs train.sh with a `python` that writes its environment down."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python").write_text('#!/bin/sh\nenv >"$TOLD"\n')
    (tools / "python").chmod(0o755)
    (tmp_path / "clone").mkdir()

    def run(**values: str) -> tuple[dict[str, str], str]:
        done = subprocess.run(
            ["bash", f"{exported.root}/train.sh"],
            cwd=tmp_path,
            env={
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                "TOLD": str(tmp_path / "told"),
                "AI_TOOLKIT": "clone",
                **values,
            },
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        lines = (tmp_path / "told").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines), done.stdout

    return run


def test_by_default_it_trains_on_each_row_once_in_a_folder_of_its_own(
    exported: Exported, tmp_path: Path, told: Any
) -> None:
    found, _ = told()
    assert found["STEPS"] == str(exported.rows)
    assert found["MODEL"] == "black-forest-labs/FLUX.2-klein-base-9B"
    assert found["MICO_150K_FOLDER"] == str(tmp_path / "clone/output")
    assert found["MICO_150K_NAME"] == f"mico-150k-{exported.token}"


def test_a_model_and_an_output_are_those_of_where_the_script_is_called(
    tmp_path: Path, told: Any
) -> None:
    (tmp_path / "my model").mkdir()
    found, said = told(MODEL="my model", OUTPUT="loras/mine", STEPS="7")
    assert found["MODEL"] == str(tmp_path / "my model")
    assert (found["MICO_150K_FOLDER"], found["MICO_150K_NAME"]) == (str(tmp_path / "loras"), "mine")
    assert found["STEPS"] == "7"
    assert said == ""
    (tmp_path / "loras/mine/mine_000001000.safetensors").touch()
    assert told(OUTPUT="loras/mine")[1] == f"resuming from {tmp_path}/loras/mine\n"


@pytest.mark.parametrize("odd", ["${HOME}", "[name]"])
def test_a_path_in_which_the_trainer_replaces_words_is_refused(
    dataset: Path, tmp_path: Path, odd: str
) -> None:
    with pytest.raises(OutputRefused, match="in paths and would not find these files"):
        export(AiToolkitTrainer(), dataset, tmp_path / odd)
    assert not (tmp_path / odd).exists()


def test_it_is_found_by_its_name_with_a_model() -> None:
    assert get_trainer("ai-toolkit", model="flux2").chosen == {"model": "flux2"}
