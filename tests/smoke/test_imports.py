"""The imports that always run are found, through the clone's own modules, and no others."""

from pathlib import Path

import pytest

from mico_150k.smoke.imports import foreign_imports

FILES = {
    "tools/start.py": """\
import os, numpy.linalg as la
from typing import TYPE_CHECKING
import beside
from own import thing
from own.sub import other as renamed, value
from outside.deep import name, *
""".replace("name, *", "name"),
    "tools/beside.py": "from starred import *\n",
    "own/__init__.py": "import at_package\n",
    "own/thing.py": """\
from .sub import other
from . import sub
from .. import nothing_above
if TYPE_CHECKING:
    import only_for_types
if has_flash():
    import under_a_condition
try:
    import may_fail
except ImportError:
    may_fail = None
try:
    import must_not_fail
except ValueError:
    pass
def later():
    import inside_a_function
class Kept:
    import inside_a_class
with open("x"):
    import inside_a_with
if __name__ == "__main__":
    import not_the_script
""",
    "own/sub/__init__.py": "value = 1\n",
    "own/sub/other.py": "import at_depth\nimport at_depth\n",
    "wandb/run-1/files/code.py": "",  # a folder of logs is not the package
    "alone.py": "import by_name\n",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_through_the_clone(clone: Path) -> None:
    (clone / "own/thing.py").write_text(FILES["own/thing.py"].replace("from .. import", "#"))
    found = foreign_imports(clone, ["tools", "."], ["tools/start.py", "alone.py"])
    assert [(each.module, each.name) for each in found] == [
        ("numpy.linalg", ""), ("starred", ""), ("at_package", ""), ("at_depth", ""),
        ("must_not_fail", ""), ("inside_a_class", ""), ("inside_a_with", ""),
        ("outside.deep", "name"), ("by_name", ""),
    ]  # fmt: skip
    assert str(found[0]) == "`import numpy.linalg` (tools/start.py, line 1)"
    assert str(found[-2]) == "`from outside.deep import name` (tools/start.py, line 6)"
    assert found[0].package == "numpy"


def test_what_the_script_imports_when_it_runs_counts(clone: Path) -> None:
    script = clone / "tools/start.py"
    script.write_text('import wandb\nif __name__ == "__main__":\n    import at_the_end\n')
    found = foreign_imports(clone, ["tools", "."], ["tools/start.py"])
    assert [each.module for each in found] == ["wandb", "at_the_end"]
