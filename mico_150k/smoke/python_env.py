"""The trainer's own Python: it runs `driver.py`, and what that tells is read back."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.core.errors import UsageError
from mico_150k.smoke import driver
from mico_150k.smoke.workspace import Workspace

SECONDS = 600
"""For the imports, and for the parser with the first rows: a cold disk takes minutes."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a run of the driver has told, and how it ended: "" where it came to its end."""

    results: tuple[dict[str, Any], ...]
    ending: str

    def steps(self, step: str) -> list[dict[str, Any]]:
        """Return the results of a step, in order."""
        return [result for result in self.results if result["step"] == step]

    def last(self, step: str) -> dict[str, Any]:
        """Return the last result of a step; empty without one."""
        return next(reversed(self.steps(step)), {})


@dataclass(frozen=True, slots=True)
class PythonEnv:
    """A Python with a trainer's packages, and the workspace in which it runs."""

    python: Path
    workspace: Workspace

    def run(
        self, name: str, job: Mapping[str, Any], folder: str, environment: Mapping[str, str]
    ) -> Told:
        """Run the driver for a job, in a folder and with variables of its own."""
        root = self.workspace.root / name
        root.mkdir()
        script, results = root / "driver.py", root / "results.jsonl"
        # A copy: Python looks for modules beside a script, and beside this one are ours.
        shutil.copyfile(driver.__file__, script)
        results.touch()
        (root / "job.json").write_text(json.dumps({**job, "results": str(results)}))
        command = [str(self.python), str(script), str(root / "job.json")]
        ending = _ending(command, folder, environment, root / "log")
        told = tuple(map(json.loads, results.read_text(encoding="utf-8").splitlines()))
        return Told(told, "" if told and told[-1]["step"] == "end" else ending)


def find_python(python: str | Path) -> Path:
    """Return the trainer's Python: what was named, or that on PATH. Raises `UsageError`."""
    found = shutil.which(str(python) or "python")
    if not found:
        msg = f"{python or 'python'} cannot be run; name the trainer's own with --python."
        raise UsageError(msg)
    # Not resolved: an environment's Python is a link, and knows by its own place whose it is.
    return Path(found).absolute()


def _ending(command: list[str], folder: str, environment: Mapping[str, str], log: Path) -> str:
    """Run a command; how it ended, and what it said last."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the user's Python and our driver
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return f"it was stopped after {SECONDS} seconds"
        finally:
            _end_group(process)
    lines = log.read_bytes().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it said nothing"
    if status < 0:
        return f"it was killed by {signal.Signals(-status).name}: {last}"
    return f"it ended with {status}: {last}"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End whatever it has started and left, such as a DataLoader's workers."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()
