"""What runs inside a trainer loads nothing that the trainer's environment may lack."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mico_150k.trainers

MODULES = [path.stem for path in Path(mico_150k.trainers.__path__[0]).glob("[a-z]*.py")]
TRAINERS_OWN = {"PIL", "pyarrow", "numpy", "datasets"}
"""What a trainer has anyway, in a version of its own."""


def imports(code: str) -> set[str]:
    """The packages outside the standard library that are loaded after this code."""
    names = "sorted({name.partition('.')[0] for name in sys.modules})"
    command = f"import sys\n{code}\nimport json\nprint(json.dumps({names}))"
    done = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True
    )
    found = set(json.loads(done.stdout)) - set(sys.stdlib_module_names)
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("module", ["__init__", "bagel", "blip3o", "dimoo"])
def test_a_trainers_module_loads_nothing_heavy(module: str) -> None:
    assert module == "__init__" or module in MODULES
    name = "mico_150k.trainers" if module == "__init__" else f"mico_150k.trainers.{module}"
    alone = imports("pass")
    loaded = imports(f"import {name}") - alone - {"mico_150k"}
    # pyarrow looks for these itself, and goes on without them.
    assert loaded - {"pandas", "dateutil", "pytz", "six", "cython_runtime"} <= {
        "bagel": {"PIL", "pyarrow", "numpy"},
        "dimoo": {"numpy"},
    }.get(module, set())


def test_no_module_imports_what_the_trainers_do_not_have() -> None:
    for path in Path(mico_150k.trainers.__path__[0]).glob("*.py"):
        tree = ast.parse(path.read_text())
        named = {
            name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
        }
        outside = named - set(sys.stdlib_module_names) - {"mico_150k"}
        assert outside <= TRAINERS_OWN, f"{path.name} imports {outside - TRAINERS_OWN}"
