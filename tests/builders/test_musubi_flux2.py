"""musubi-tuner with FLUX.2: the datasets of Qwen-Image-Edit, other scripts and larger caches."""

from pathlib import Path

import pytest
from mico_150k.builders.musubi import MusubiTrainer
from mico_150k.builders.musubi_flux2 import MusubiFlux2Trainer, latent_bytes, text_bytes

from mico_150k.core.trainer import Candidate, Exported

from .exporting import export, option, run_script

MODEL = {"DIT": "dit.safetensors", "VAE": "ae.safetensors", "TEXT_ENCODER": "text.safetensors"}
SQUARE = (1024, 1024)


@pytest.fixture(scope="module")
def exported(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(MusubiFlux2Trainer(), dataset, tmp_path_factory.mktemp("an export") / "here")


def test_its_files_are_those_of_qwen_image_edit_but_in_caches_of_their_own(
    exported: Exported, dataset: Path, tmp_path: Path
) -> None:
    qwen = export(MusubiTrainer(), dataset, tmp_path / "qwen")
    assert exported.record_files == qwen.record_files
    for name in (*qwen.record_files, "musubi-mico.toml"):
        written = (Path(qwen.root) / name).read_text()
        renamed = written.replace(qwen.root, exported.root).replace(qwen.token, exported.token)
        assert (Path(exported.root) / name).read_text() == renamed
    assert exported.token != qwen.token
    # With it, a small input whose sides are not multiples of 16 would stop the caching.
    assert "no_resize_control" not in (Path(exported.root) / "musubi-mico.toml").read_text()


def test_caching_and_training_use_the_scripts_of_flux_2(exported: Exported, tmp_path: Path) -> None:
    root = Path(exported.root)
    ran = run_script(root / "cache.sh", tmp_path, MUSUBI="/clone", **MODEL)
    assert (ran.code, ran.said) == (0, "")
    latents, texts = ran.commands
    assert latents[1] == "/clone/src/musubi_tuner/flux_2_cache_latents.py"
    assert texts[1] == "/clone/src/musubi_tuner/flux_2_cache_text_encoder_outputs.py"
    settings = {"MUSUBI": "/clone", "VERSION": "dev", "GPUS": "2", **MODEL}
    [train] = run_script(root / "train.sh", tmp_path, "--seed", "1", **settings).commands
    assert "/clone/src/musubi_tuner/flux_2_train_network.py" in train
    assert [option(command, "--model_version") for command in (latents, texts, train)] == [
        "klein-base-4b", "klein-base-4b", "dev",
    ]  # fmt: skip
    assert option(train, "--network_module") == "networks.lora_flux_2"
    assert option(train, "--timestep_sampling") == "flux2_shift"
    assert "--discrete_flow_shift" not in train
    assert option(train, "--output_dir") == f"output/mico-150k-{exported.token}-dev"
    assert train[-2:] == ["--seed", "1"]
    assert not [word for command in (latents, texts, train) for word in command if "@" in word]


def test_caches_are_forecast_for_each_version(exported: Exported) -> None:
    row = Candidate("hoi/1", "a" * 30, (SQUARE, (64, 64)), (512, 512))
    assert latent_bytes(row) == (2 * 64 * 64 + 32 * 32) * 128 * 4
    assert text_bytes(7680) == 7_864_320
    start = (Path(exported.root) / "START.md").read_text()
    latents = exported.measured["latent_bytes"]
    for name, width in (("klein-4b", 7680), ("klein-base-9b", 12288), ("dev", 15360)):
        [line] = [line for line in start.splitlines() if line.startswith(f"| {name} |")]
        assert line.endswith(f"| {(latents + exported.rows * 512 * width * 2) / 1e9:,.1f} GB |")
    assert f"`cache-{exported.token}`" in start
    assert "hf auth login" in start


@pytest.mark.parametrize("name", ["cache.sh", "train.sh"])
@pytest.mark.parametrize("wrong", [{"VERSION": "2511"}, {"DIT": ""}, {"MUSUBI": ""}])
def test_what_there_is_not_starts_nothing(
    exported: Exported, tmp_path: Path, name: str, wrong: dict[str, str]
) -> None:
    ran = run_script(Path(exported.root) / name, tmp_path, **{"MUSUBI": "/x", **MODEL, **wrong})
    assert ran.code
    assert next(iter(wrong)) in ran.said
    assert not ran.commands
