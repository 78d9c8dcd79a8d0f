"""What `import mico_150k` gives: these names, and nothing that a trainer's environment lacks."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from inspect import getdoc, signature

import pytest

import mico_150k

NAMES = {
    "Dataset", "MicoError", "Sample", "Selection", "Task", "TrainingLoader", "TrainingRows",
    "__version__", "build_dataset", "check_dataset", "export_dataset", "inspect_dataset",
    "inspect_source", "open_dataset", "open_source", "patch_clone", "pretokenize_dataset",
    "preview_dataset", "push_dataset", "refine_dataset", "register", "relocate_export",
    "smoke_test", "write_card",
}  # fmt: skip
"""A name that is added, moved or removed changes this list, the README and CHANGELOG.md."""
FUNCTIONS = sorted(name for name in NAMES if name.islower() and not name.startswith("_"))


def test_the_exported_names_are_these() -> None:
    assert set(mico_150k.__all__) == NAMES
    of_torch = {"TrainingLoader", "TrainingRows"}
    assert set(dir(mico_150k)) == (NAMES if find_spec("torch") else NAMES - of_torch)
    assert set(mico_150k._MODULES) == NAMES - {"__version__"}


def test_each_name_is_that_of_its_module() -> None:
    for name, module in mico_150k._MODULES.items():
        if name.startswith("Training"):
            pytest.importorskip("torch")
        home = import_module(f"mico_150k.{module}")
        assert getattr(mico_150k, name) is getattr(home, name)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'datasets'"):
        _ = mico_150k.datasets  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_documented_for_a_reader(name: str) -> None:
    function = getattr(mico_150k, name)
    documented = getdoc(function) or ""
    assert documented.splitlines()[0].endswith(".")
    for argument in signature(function).parameters:
        if argument not in {"name", "trainer_options"} and "Args:" in documented:
            assert f"\n    {argument}: " in documented, argument


def test_an_import_loads_no_dependency() -> None:
    heavy = ("datasets", "torch", "pandas", "duckdb", "pyarrow", "PIL", "numpy", "rich", "typer")
    program = f"import sys, mico_150k; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_help_shows_these_and_nothing_internal() -> None:
    program = "import pydoc, mico_150k; print(pydoc.plain(pydoc.render_doc(mico_150k)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for name in FUNCTIONS:
        assert f"\n    {name}(" in done.stdout, name
    for internal in ("explain_moved_modules", "import_module", "TYPE_CHECKING", "_MODULES"):
        assert internal not in done.stdout
