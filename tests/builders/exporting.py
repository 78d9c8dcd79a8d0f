"""What tests of trainers share: an export, its records, and the commands that its scripts give."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.core.trainer import Exported, Trainer
from mico_150k.dataset.reader import open_dataset
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import run_export

from ..factories import Case


def export(trainer: Trainer, dataset: Path, to: Path) -> Exported:
    """All rows of a dataset that a trainer takes."""
    job = ExportJob.prepare(open_dataset(dataset), trainer, to, ExportOptions())
    return run_export(job)


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_inputs(paths: list[str], sample: Case) -> None:
    """These are the files of a sample's inputs, in order."""
    found = [Path(path).read_bytes() for path in paths]
    assert len(found) == len(sample.inputs)
    for data, expected in zip(found, sample.inputs, strict=True):
        # An odd picture was normalised, and has other bytes; then it is in no other place.
        assert data == expected or expected not in found


@dataclass(frozen=True)
class Ran:
    """How a script ended, and the commands that it gave, in order."""

    code: int
    said: str
    commands: list[list[str]]


def run_script(script: Path, folder: Path, *arguments: str, **environment: str) -> Ran:
    """Run a script where `accelerate` and `python` write down their arguments and do nothing."""
    tools = folder / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    log = folder / "commands"
    log.write_bytes(b"")
    for name in ("accelerate", "python"):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nprintf "%s\\0" {name} "$@" >>"$LOG"\nprintf "\\0" >>"$LOG"\n')
        tool.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", str(script), *arguments],
        env={**os.environ, "PATH": path, "LOG": str(log), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    commands = [command.split("\0") for command in log.read_text().split("\0\0") if command]
    return Ran(ran.returncode, ran.stderr, commands)


def option(command: list[str], name: str) -> str:
    """The value that follows an option in a command."""
    return command[command.index(name) + 1]
