"""What stands in the help of `mico` is what the commands say, and each waits for itself alone."""

import subprocess
import sys

import pytest
import typer

from mico_150k.cli.app import SUMMARIES, app

GROUP = typer.main.get_command(app)
HEAVY = {"pyarrow", "numpy", "PIL", "datasets", "pandas", "torch", "huggingface_hub", "jinja2"}
PROGRAM = """
import sys
from mico_150k.__main__ import main
sys.argv[1:] = sys.argv[2:]
try:
    main()
except SystemExit:
    pass
print("loaded:", *sys.modules, file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """The modules that a run of `mico` has imported."""
    command = [sys.executable, "-c", PROGRAM, "mico", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_summary_of_a_command_is_the_first_line_of_its_help(name: str) -> None:
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    assert command.name == name
    assert " ".join(command.help.partition("\n\n")[0].split()) == SUMMARIES[name]


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("exprot",)])
def test_what_needs_no_command_imports_none(arguments: tuple[str, ...]) -> None:
    found = loaded(*arguments)
    assert not found & HEAVY
    assert not {name for name in found if name.startswith("mico_150k.api.")} - {
        "mico_150k.api.progress_bar"
    }


def test_a_dataset_is_inspected_without_what_builds_one(dataset: object) -> None:
    found = loaded("inspect", str(dataset))
    assert "mico_150k.inspection.statistics" in found
    assert not found & {"pandas", "datasets", "torch", "duckdb", "jinja2", "matplotlib"}
    assert not {name for name in found if name.startswith("mico_150k.build.")}
