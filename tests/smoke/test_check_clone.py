"""A clone's patch, and whose package is installed."""

from dataclasses import replace
from pathlib import Path

import pytest

from mico_150k.api.patch import patch_clone
from mico_150k.smoke import facts
from mico_150k.smoke.check_clone import check_clone, check_imports
from mico_150k.smoke.finding import Outcome
from mico_150k.smoke.python_env import Told
from mico_150k.smoke.workspace import Workspace

from ..clones import write_clone


@pytest.mark.parametrize("name", ["bagel", "blip3o", "dimoo", "omnigen2"])
def test_a_clone_that_is_not_patched(name: str, tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "clone", name)
    known = replace(facts.load(name, {}), files=())
    _, before = check_clone(name, known, clone)
    is_needed = name != "omnigen2"
    assert before.is_wrong is is_needed
    assert (before.todo == f"mico patch {name} {clone}") is is_needed
    patch_clone(name, clone)
    _, after = check_clone(name, known, clone)
    assert after.outcome is Outcome.RIGHT
    assert after.what == "the clone is patched"


def test_a_clone_with_the_guide_s_own_lines(tmp_path: Path) -> None:
    clone = write_clone(tmp_path, "dimoo")
    script = clone / "train/train.py"
    script.write_text(script.read_text() + '# isinstance(data_item["user_image"], list)\n')
    _, found = check_clone("dimoo", replace(facts.load("dimoo", {}), files=()), clone)
    assert found.is_wrong
    assert "pasted by hand" in found.what


@pytest.mark.parametrize(
    ("places", "what"),
    [
        ([], "it is not installed"),
        (["/elsewhere/mine"], "it is installed from /elsewhere/mine, and not from this clone"),
    ],
)
def test_a_package_that_is_not_this_clone_s(places: list[str], what: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "temporary").mkdir()
    workspace = Workspace.make(tmp_path / "temporary", tmp_path / "real", None)
    known = facts.Facts("", "", "", (), {}, package="mine")
    told = Told(({"step": "place", "package": "mine", "places": places},), "")
    (found,) = check_imports(known, [], told, workspace)
    assert found.what == what
    assert found.todo == f"pip install -e {tmp_path / 'real'}"
    own = {"step": "place", "package": "mine", "places": [str(tmp_path / "real/src/mine")]}
    assert not list(check_imports(known, [], Told((own,), ""), workspace))
