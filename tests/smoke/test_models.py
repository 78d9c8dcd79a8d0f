"""Models are looked for where the trainer would look, and named with what gets them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mico_150k.smoke.facts import Facts, Model
from mico_150k.smoke.finding import Finding, Outcome
from mico_150k.smoke.models import ModelCheck
from mico_150k.smoke.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "real").mkdir()
    (tmp_path / "temporary").mkdir()
    return Workspace.make(tmp_path / "temporary", tmp_path / "real", None)


def look(workspace: Workspace, model: Model, options: Mapping[str, Any], **given: str) -> Finding:
    facts = Facts("", "", "", (), {}, models=(model,))
    folder = str(workspace.clone)
    check = ModelCheck(workspace.root / "export", options, folder, workspace, given)
    (found,) = check.findings(facts)
    return found


def test_origins_are_below_models_in_the_clone(workspace: Workspace) -> None:
    model = Model("DiT", "origins", option="models")
    options = {"models": "Qwen/Edit:transformer/*.safetensors"}
    found = look(workspace, model, options)
    place = workspace.real_clone / "models/Qwen/Edit"
    assert found.outcome is Outcome.NOT_CHECKED
    assert str(place) in found.what
    assert "modelscope download --model Qwen/Edit" in found.todo
    (place / "transformer").mkdir(parents=True)
    (place / "transformer/1.safetensors").write_bytes(b"x")
    assert look(workspace, model, options).outcome is Outcome.RIGHT
    other = look(workspace, model, options, DIFFSYNTH_MODEL_BASE_PATH=str(workspace.root))
    assert other.outcome is Outcome.NOT_CHECKED


def test_a_link_of_the_cache_that_leads_nowhere_is_no_file(workspace: Workspace) -> None:
    snapshot = workspace.root / "hub/models--me--x/snapshots/1"
    snapshot.mkdir(parents=True)
    (snapshot / "a.safetensors").symlink_to("../../blobs/none")
    model = Model("x", "hub", option="model", files=("*.safetensors",), get="hf download {value}")
    found = look(workspace, model, {"model": "me/x"}, HF_HUB_CACHE=str(workspace.root / "hub"))
    assert found.outcome is Outcome.NOT_CHECKED
    assert found.todo == "hf download me/x"
    assert look(workspace, model, {"model": "/nowhere/x"}).is_wrong


def test_a_file(workspace: Workspace) -> None:
    model = Model("x", "file", option="vae", get="hf download me/x")
    file = workspace.root / "vae.safetensors"
    assert look(workspace, model, {"vae": str(file)}).is_wrong
    file.touch()
    assert "empty" in look(workspace, model, {"vae": str(file)}).what
    file.write_bytes(b"x")
    assert not look(workspace, model, {"vae": str(file)}).is_wrong


def test_what_a_script_of_the_export_writes(workspace: Workspace) -> None:
    model = Model("caches", "export", files=("cache-*/*.st",), get="bash cache.sh")
    found = look(workspace, model, {})
    assert (found.outcome, found.todo) == (Outcome.NOT_CHECKED, "bash cache.sh")
    (workspace.root / "export/cache-1").mkdir(parents=True)
    (workspace.root / "export/cache-1/1.st").write_bytes(b"")
    assert look(workspace, model, {}).outcome is Outcome.RIGHT


def test_an_option_that_is_not_known(workspace: Workspace) -> None:
    assert look(workspace, Model("x", "hub", option="model"), {}).outcome is Outcome.NOT_CHECKED
