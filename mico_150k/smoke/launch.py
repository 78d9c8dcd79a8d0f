"""The command with which an export's train.sh would start its trainer."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mico_150k.core.excerpt import excerpt
from mico_150k.core.trainer import LAUNCH
from mico_150k.smoke import recorder
from mico_150k.smoke.facts import Facts, Model
from mico_150k.smoke.workspace import Workspace

PROGRAMS = ("torchrun", "accelerate", "deepspeed", "python", "python3")
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Launch:
    """A launcher's arguments, the script's, and the folder and variables that both have.

    `script` is "" where the facts' script is not among the arguments.
    """

    program: str
    launcher: tuple[str, ...]
    script: str
    arguments: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]


class LaunchFailed(Exception):
    """train.sh has ended before it started a trainer; the text is what it said last."""


def placeholders(facts: Facts, given: Mapping[str, str], workspace: Workspace) -> dict[str, str]:
    """Return paths for variables of train.sh that it needs and nobody has set: empty ones."""
    return {
        model.variable: str(_empty(model, workspace))
        for model in facts.models
        if model.required and not given.get(model.variable)
    }


def _empty(model: Model, workspace: Workspace) -> Path:
    place = workspace.root / "models" / model.variable
    place.parent.mkdir(exist_ok=True)
    if model.kind == "file":
        place.touch()
    else:
        place.mkdir(exist_ok=True)
    return place


def try_launch(
    export: Path, facts: Facts, workspace: Workspace, python: Path, given: Mapping[str, str]
) -> Launch:
    """Run train.sh to where it starts the trainer, on the copy of the clone.

    Args:
        export: The export's folder.
        facts: What is known of the clone.
        workspace: The copy.
        python: The trainer's Python.
        given: The environment's variables, with models' paths and `OUTPUT` as the user has them.

    Raises:
        LaunchFailed: It ends with an error, starts nothing, or runs for too long.
    """
    log = workspace.root / "command.json"
    _write_tools(workspace.tools)
    variables = {
        **workspace.environment(given),
        **placeholders(facts, given, workspace),
        **{name: str(Path(given[name]).absolute()) for name in facts.variables
           if given.get(name) and Path(given[name]).exists()},
        facts.variable: str(workspace.clone),
        "PATH": os.pathsep.join(
            [str(workspace.tools), str(python.parent), given.get("PATH", os.defpath)]
        ),
        "MICO_SMOKE_SCRIPT": facts.script,
        "MICO_SMOKE_PYTHON": str(python),
        "MICO_SMOKE_LOG": str(log),
    }  # fmt: skip
    if workspace.real_output:
        workspace.output.mkdir(exist_ok=True)
        variables["OUTPUT"] = str(workspace.output)
    try:
        done = subprocess.run(  # noqa: S603 - the export's own script, as a training would run it
            ["bash", str(export / LAUNCH)],  # noqa: S607 - the user's
            cwd=workspace.start, env=variables, stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        msg = f"it has not started a trainer within {_SECONDS} seconds"
        raise LaunchFailed(msg) from error
    except OSError as error:
        raise LaunchFailed(str(error)) from error
    if not log.exists():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        msg = excerpt(said[-1]) if said else f"it ends with {done.returncode}, and says nothing"
        raise LaunchFailed(msg.replace(str(workspace.clone), str(workspace.real_clone)))
    return _launch(json.loads(log.read_text(encoding="utf-8")), facts, workspace)


def _launch(command: Mapping[str, object], facts: Facts, workspace: Workspace) -> Launch:
    words = [str(word) for word in command["arguments"]]  # type: ignore[attr-defined] # a list
    at = next((n for n, word in enumerate(words) if word.endswith(facts.script)), len(words))
    found = command["environment"]
    assert isinstance(found, dict)
    tools = str(workspace.tools)
    path = [each for each in found.get("PATH", "").split(os.pathsep) if each != tools]
    return Launch(
        str(command["program"]),
        tuple(words[:at]),
        words[at] if at < len(words) else "",
        tuple(words[at + 1 :]),
        str(command["folder"]),
        {**found, "PATH": os.pathsep.join(path)},
    )


def _write_tools(folder: Path) -> None:
    for name in PROGRAMS:
        tool = folder / name
        words = [sys.executable, "-I", recorder.__file__, name]
        tool.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        tool.chmod(0o755)
