"""`mico` as a person runs it, in this process: one of its own would import for seconds."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mico_150k.cli import main

DONE, FAILED, WRONG_USAGE = 0, 1, 2


@dataclass(frozen=True)
class Done:
    """How a command has ended, and what it has printed."""

    returncode: int
    stdout: str
    stderr: str


Mico = Callable[..., Done]


def runner(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    """What runs `mico` in that folder, with the arguments that it is called with."""
    monkeypatch.chdir(folder)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["mico", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            status = DONE
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return run
