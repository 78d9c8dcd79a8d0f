"""musubi-tuner's datasets hold every row once, under names that its caches keep apart."""

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mico_150k.builders.musubi import POSITIONS, MusubiTrainer, cache_bytes, positions

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import OutputRefused
from mico_150k.core.trainer import Candidate, Exported
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import relocate, run_export
from mico_150k.sources import open_source

from ..factories import Case, write_release
from .exporting import assert_inputs, export, lines, option, run_script

# pytest itself needs the second, where Python has not the first.
toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

MODEL = {"DIT": "dit.safetensors", "VAE": "vae.safetensors", "TEXT_ENCODER": "text.safetensors"}
SQUARE = (1024, 1024)


def config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = toml.loads((folder / "musubi-mico.toml").read_text())
    return found


@pytest.fixture(scope="module")
def repeating(samples: list[Case]) -> list[Case]:
    """Samples of which three have one output, and two another."""
    made = list(samples)
    for place in (2, 5):
        made[place] = replace(made[place], output=made[0].output)
    made[4] = replace(made[4], output=made[1].output)
    return made


@pytest.fixture(scope="module")
def repeated(repeating: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of these."""
    root = tmp_path_factory.mktemp("repeating")
    folder = root / "mico-150k"
    source = open_source(str(write_release(root / "release", repeating)))
    Build.prepare(source, folder, BuildOptions()).run()
    return folder


@pytest.fixture
def exported(repeated: Path, tmp_path: Path) -> Exported:
    return export(MusubiTrainer(), repeated, tmp_path / 'an "odd" #path é')


def test_every_row_is_in_one_dataset_with_its_inputs_in_order(
    exported: Exported, repeating: list[Case]
) -> None:
    expected = {(sample.instruction, sample.output): sample for sample in repeating}
    assert exported.rows == len(expected) == len(repeating)
    for dataset in config(Path(exported.root))["datasets"]:
        for record in lines(Path(dataset["image_jsonl_file"])):
            controls = [key for key in record if key.startswith("control_path_")]
            assert controls == [f"control_path_{place}" for place in range(len(controls))]
            assert set(record) == {"image_path", "caption", *controls}
            sample = expected.pop((record["caption"], Path(record["image_path"]).read_bytes()))
            assert_inputs([record[key] for key in controls], sample)
    assert not expected


def test_rows_with_one_target_are_in_datasets_with_caches_of_their_own(exported: Exported) -> None:
    datasets = config(Path(exported.root))["datasets"]
    assert len(datasets) == 3
    assert len({dataset["cache_directory"] for dataset in datasets}) == 3
    for dataset in datasets:
        # The trainer names a cache by the target's name without its ending.
        targets = [Path(row["image_path"]).stem for row in lines(Path(dataset["image_jsonl_file"]))]
        assert len(targets) == len(set(targets))


def test_inputs_keep_their_own_shape(exported: Exported) -> None:
    found = config(Path(exported.root))
    assert found["general"]["enable_bucket"] is True
    assert all(dataset["control_resolution"] == [1024, 1024] for dataset in found["datasets"])


def caches(folder: Path) -> dict[str, Path]:
    """The cache folder of each file of records."""
    return {
        Path(dataset["image_jsonl_file"]).name: Path(dataset["cache_directory"])
        for dataset in config(folder)["datasets"]
    }


def test_each_file_of_records_keeps_its_caches(
    exported: Exported, repeated: Path, tmp_path: Path
) -> None:
    folder = Path(exported.root)
    first = caches(folder)
    written = (folder / "musubi-mico.toml").read_bytes()
    own = {name: cache.relative_to(folder) for name, cache in first.items()}
    assert list(own) == ["musubi-mico-2.jsonl", "musubi-mico-3.jsonl", "musubi-mico.jsonl"]
    assert {Path(name).stem for name in own} == {cache.name for cache in own.values()}
    again = export(MusubiTrainer(), repeated, folder)
    assert again == exported
    assert (folder / "musubi-mico.toml").read_bytes() == written
    moved = folder.rename(tmp_path / "moved")
    relocate(moved, MusubiTrainer())
    assert caches(moved) == {name: moved / cache for name, cache in own.items()}


def test_other_rows_have_other_caches(exported: Exported, repeated: Path, tmp_path: Path) -> None:
    def cache(folder: Path) -> str:
        return caches(folder)["musubi-mico.jsonl"].parent.name

    # With fewer rows, the first of several rows with one target is another.
    options = ExportOptions(selection=Selection(where="source_id <> '0'"))
    job = ExportJob.prepare(open_dataset(repeated), MusubiTrainer(), tmp_path / "fewer", options)
    fewer = run_export(job)
    assert cache(Path(fewer.root)) != cache(Path(exported.root))


@pytest.mark.parametrize("odd", ["all*", "what?", "a [new] one"])
def test_a_path_that_would_be_a_pattern_is_refused(
    exported: Exported, repeated: Path, tmp_path: Path, odd: str
) -> None:
    folder = tmp_path / odd / "out"
    with pytest.raises(OutputRefused, match="as a pattern"):
        export(MusubiTrainer(), repeated, folder)
    assert not folder.parent.exists()
    folder.parent.mkdir()
    moved = Path(exported.root).rename(folder)
    with pytest.raises(OutputRefused, match="as a pattern"):
        relocate(moved, MusubiTrainer())


def limits(row: Candidate) -> list[str]:
    return [limit.name for limit in MusubiTrainer.limits if limit.applies(row)]


def test_an_input_may_be_72_times_as_tall_as_wide() -> None:
    row = Candidate("hoi/1", "a", (SQUARE, (16, 1152)), SQUARE)
    assert not limits(row)
    assert not limits(replace(row, inputs=((2048, 16),)))
    assert limits(replace(row, inputs=(SQUARE, (16, 1153)))) == ["too-tall"]


def test_inputs_and_text_fit_the_table_of_positions() -> None:
    row = Candidate("de_re/1", "a" * 600, (SQUARE,) * 18, SQUARE)
    assert positions(row) == 32 + 8 + 200 + 18 * 213
    assert POSITIONS - 213 < positions(row) < POSITIONS
    assert not limits(row)
    assert limits(replace(row, inputs=(SQUARE,) * 19)) == ["positions"]
    # A narrow input may have 15 tokens more, and reaches further along its own axis.
    narrow = replace(row, inputs=((64, 4096),))
    assert positions(narrow) == 256 + 8 + 200 + 228
    assert limits(replace(row, instruction="a" * 2400)) == ["positions"]


def test_only_ends_of_a_large_long_target_are_cut_off() -> None:
    row = Candidate("hoi/1", "a", (SQUARE,), (4000, 900))
    long = replace(row, output=(4000, 1001))
    remark = next(remark for remark in MusubiTrainer.remarks if remark.name == "cut-target")
    assert remark.applies(row)
    assert not remark.applies(long)
    assert not remark.applies(replace(row, output=(400, 20)))


def test_caches_are_forecast(exported: Exported) -> None:
    row = Candidate("hoi/1", "a" * 30, (SQUARE, (64, 64)), (512, 512))
    tokens = 8 + 10 + 2 * 213
    assert cache_bytes(row) == 2 * 524_288 + 131_072 + tokens * 3584 * 2
    assert (
        f"{exported.measured['cache_bytes'] / 1e9:,.1f} GB"
        in (Path(exported.root) / "START.md").read_text()
    )


def test_caching_goes_on_and_makes_what_may_be_broken_again(
    exported: Exported, tmp_path: Path
) -> None:
    folder = Path(exported.root)
    cache = Path(config(folder)["datasets"][0]["cache_directory"])
    cache.mkdir(parents=True)
    for age, name in enumerate(("broken_qie.safetensors", "whole_qie.safetensors")):
        (cache / name).write_bytes(b"")
        os.utime(cache / name, (1000 - age, 1000 - age))
    ran = run_script(folder / "cache.sh", tmp_path, MUSUBI="/clone", **MODEL)
    assert (ran.code, ran.said) == (0, "")
    assert [path.name for path in cache.iterdir()] == ["whole_qie.safetensors"]
    latents, texts = ran.commands
    scripts = "/clone/src/musubi_tuner"
    assert latents[1] == f"{scripts}/qwen_image_cache_latents.py"
    assert texts[1] == f"{scripts}/qwen_image_cache_text_encoder_outputs.py"
    assert option(latents, "--vae") == "vae.safetensors"
    assert option(texts, "--text_encoder") == "text.safetensors"
    for command in ran.commands:
        assert option(command, "--dataset_config") == str(folder / "musubi-mico.toml")
        assert option(command, "--model_version") == "edit-2511"
        assert "--skip_existing" in command


def test_a_training_starts_with_the_model_that_was_named(
    exported: Exported, tmp_path: Path
) -> None:
    script = Path(exported.root) / "train.sh"
    settings = {"MUSUBI": "/clone", "VERSION": "2509", "GPUS": "2", **MODEL}
    ran = run_script(script, tmp_path, "--network_dim", "64", **settings)
    [command] = ran.commands
    assert command[:2] == ["accelerate", "launch"]
    assert {"--num_processes=2", "--multi_gpu"} < set(command)
    assert option(command, "--dit") == "dit.safetensors"
    assert option(command, "--model_version") == "edit-2509"
    assert command[-2:] == ["--network_dim", "64"]


@pytest.mark.parametrize("name", ["cache.sh", "train.sh"])
@pytest.mark.parametrize("wrong", [{"VERSION": "2508"}, {"DIT": ""}, {"MUSUBI": ""}])
def test_what_there_is_not_starts_nothing(
    exported: Exported, tmp_path: Path, name: str, wrong: dict[str, str]
) -> None:
    script = Path(exported.root) / name
    ran = run_script(script, tmp_path, **{"MUSUBI": "/clone", **MODEL, **wrong})
    assert ran.code
    assert next(iter(wrong)) in ran.said
    assert not ran.commands


def test_the_newest_complete_state_is_resumed_from_and_only_this_export_s(
    exported: Exported, tmp_path: Path
) -> None:
    script = Path(exported.root) / "train.sh"
    settings = {"MUSUBI": "/clone", "OUTPUT": str(tmp_path / "an output"), **MODEL}
    [command] = run_script(script, tmp_path, **{**settings, "OUTPUT": ""}).commands
    assert option(command, "--output_dir") == f"output/mico-150k-{exported.token}-2511"
    assert "--save_state" in command
    assert "--resume" not in command
    for age, name in enumerate(("step00002000-state", "step00001000-state", "state")):
        numbers = tmp_path / "an output" / f"mico-150k-{name}" / "random_states_0.pkl"
        numbers.parent.mkdir(parents=True)
        numbers.touch()
        os.utime(numbers, (1000 - age, 1000 - age))
    # The last, which an interruption has left incomplete.
    (tmp_path / "an output" / "mico-150k-step00003000-state").mkdir()
    ran = run_script(script, tmp_path, **settings)
    newest = str(tmp_path / "an output" / "mico-150k-step00002000-state")
    assert ran.said == f"resuming from {newest}: rows and step numbers start again\n"
    assert option(ran.commands[0], "--resume") == newest
