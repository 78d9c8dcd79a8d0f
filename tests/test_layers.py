"""No room imports a room above it: the contract in pyproject.toml holds, and would be missed."""

import subprocess
import sys
from pathlib import Path

import pytest

import mico_150k

pytest.importorskip("importlinter", reason="import-linter comes with the extra `dev`")
from importlinter import configuration
from importlinter.application.use_cases import lint_imports

configuration.configure()
ROOT = Path(__file__).parents[1]
ABOVE = {
    "core": "io",
    "io": "trainers",
    "images": "trainers",
    "trainers": "builders",
    "builders": "dataset",
    "dataset": "sources",
    "sources": "build",
    "card": "export",
    "build": "inspection",
    "export": "loaders",
    "refine": "smoke",
    "inspection": "smoke",
    "loaders": "smoke",
    "pretokenize": "smoke",
    "smoke": "hub",
    "hub": "api",
    "api": "cli",
}
"""A room right above each, for all that have one."""
BESIDE = {"io": "images", "sources": "card", "build": "export", "refine": "loaders"}


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed, with `builders/` inside it."""
    tree = tmp_path_factory.mktemp("tree")
    subprocess.run([ROOT / "scripts" / "assemble", tree], check=True)
    return tree


@pytest.fixture
def tree(assembled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It is found there, and not where this process has imported it from."""
    monkeypatch.delitem(sys.modules, mico_150k.__name__)
    monkeypatch.syspath_prepend(assembled)
    return assembled


def layers_hold(tree: Path) -> bool:
    return lint_imports(
        str(tree / "pyproject.toml"), cache_dir=str(tree / "cache"), is_debug_mode=True
    )


def test_the_layers_hold(tree: Path) -> None:
    assert layers_hold(tree)


def test_each_room_has_a_floor(tree: Path) -> None:
    rooms = {path.parent.name for path in tree.glob("mico_150k/*/__init__.py")}
    assert rooms == {*ABOVE, "cli"}


@pytest.mark.parametrize(("room", "other"), [*ABOVE.items(), *BESIDE.items()])
def test_an_import_of_a_room_above_or_beside_is_found(
    tree: Path, room: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = tree / "mico_150k" / room / "planted.py"
    planted.write_text(f"def late() -> None:\n    import mico_150k.{other}\n")
    try:
        assert not layers_hold(tree)
    finally:
        planted.unlink()
    assert f"mico_150k.{room} is not allowed to import mico_150k.{other}" in capsys.readouterr().out
