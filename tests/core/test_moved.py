"""Modules that people were told to import, and where they are now."""

import importlib
from pathlib import Path

import pytest

from mico_150k.core.moved import MOVED

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_says_the_new_one_which_is_there(old: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"moved to {MOVED[old]} in version 0.2.0"):
        importlib.import_module(old)
    if MOVED[old] != "mico_150k.loaders.torch" or importlib.util.find_spec("torch"):
        importlib.import_module(MOVED[old])


def test_the_changelog_lists_every_module_that_has_moved() -> None:
    text = CHANGELOG.read_text()
    for old, new in MOVED.items():
        assert f"| `{old}` | `{new}` |" in text


def test_a_name_that_never_was_is_not_explained() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        importlib.import_module("mico_150k.nothing")
