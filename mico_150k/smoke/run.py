"""All checks of one training, in the order in which a person mends what they find."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.core.errors import CloneRefused, UsageError
from mico_150k.core.trainer import LAUNCH, Exported
from mico_150k.export.folder import ExportFolder
from mico_150k.io.temporary import temporary_folder
from mico_150k.smoke import facts as known
from mico_150k.smoke.check_clone import check_clone, check_imports
from mico_150k.smoke.check_training import Training
from mico_150k.smoke.facts import Facts
from mico_150k.smoke.finding import Finding, unknown, wrong
from mico_150k.smoke.imports import Import, foreign_imports
from mico_150k.smoke.launch import Launch, LaunchFailed, try_launch
from mico_150k.smoke.models import ModelCheck
from mico_150k.smoke.python_env import PythonEnv, find_python
from mico_150k.smoke.workspace import Workspace

ROWS = 4
"""Of the export, which the trainer's dataset class reads."""


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """An export, the clone that is to train on it, and the Python that is to run that."""

    exported: Exported
    export: Path
    clone: Path
    python: Path
    facts: Facts

    @classmethod
    def prepare(
        cls, trainer: str, clone: str | Path, export: str | Path, python: str | Path = ""
    ) -> "SmokeTest":
        """Read what the export is. Raises `UsageError`, `NotAnExport`, `CloneRefused`."""
        folder = Path(export).resolve()
        exported = ExportFolder(folder).exported
        if exported.trainer != trainer:
            msg = f"{export} is an export for {exported.trainer}, and not for {trainer}."
            raise UsageError(msg)
        facts = known.load(trainer, known.options_of(exported))
        if not Path(clone).is_dir():
            msg = f"{clone} is not a folder; it must be a clone of the trainer's repository."
            raise CloneRefused(msg)
        return cls(exported, folder, Path(clone).resolve(), find_python(python), facts)

    def run(self) -> Iterator[Finding]:
        """Make all checks; the clone and the export stay as they are. Raises `CloneRefused`."""
        if Path(self.exported.root) != self.export:
            yield wrong(
                "export", f"its files name {self.exported.root}, where it was before",
                f"mico relocate {self.export}",
            )  # fmt: skip
        found = list(check_clone(self.exported.trainer, self.facts, self.clone))
        yield from found
        if any(finding.subject == "clone" and finding.is_wrong for finding in found):
            return
        given = {**os.environ}
        with temporary_folder() as root:
            workspace = Workspace.make(root, self.clone, given.get("OUTPUT"))
            env = PythonEnv(self.python, workspace)
            try:
                launch = try_launch(self.export, self.facts, workspace, self.python, given)
            except LaunchFailed as error:
                yield from self._imports(env, str(workspace.clone), workspace.environment(given))
                yield wrong(
                    LAUNCH, f"it stops before it starts the trainer: {error}", "mend what it says"
                )
                yield unknown(
                    "rows", "train.sh has not come so far", "run the command again after that"
                )
                return
            yield from self._imports(env, launch.folder, launch.environment)
            yield from self._training(env, launch, given)

    def _imports(
        self, env: PythonEnv, folder: str, environment: Mapping[str, str]
    ) -> Iterator[Finding]:
        """Do what the trainer's code imports, in its Python."""
        facts, clone = self.facts, env.workspace.clone
        files = (facts.script, *(file for file in facts.files if file.endswith(".py")))
        imports = foreign_imports(clone, facts.roots, files)
        imports += [Import(package, "", LAUNCH, 0) for package in facts.also]
        job = {
            **self._job(env.workspace),
            "imports": [(found.module, found.name) for found in imports],
            "packages": [facts.package] if facts.package else [],
        }
        told = env.run("imports", job, folder, environment)
        yield from check_imports(facts, imports, told, env.workspace)

    def _training(
        self, env: PythonEnv, launch: Launch, given: Mapping[str, str]
    ) -> Iterator[Finding]:
        """Run the trainer's parser and dataset class, and judge what is known then."""
        if not launch.script:
            words = " ".join((launch.program, *launch.launcher))
            yield wrong(
                LAUNCH, f"it does not start {self.facts.script}, but {words}", "export again"
            )
            return
        job = {
            **self._job(env.workspace),
            "reader": str(known.reader(self.facts.reader or self.exported.trainer)),
            "program": launch.program,
            "launcher": launch.launcher,
            "script": launch.script,
            "arguments": launch.arguments,
            "export": str(self.export),
            "rows": min(ROWS, self.exported.rows),
            "token": self.exported.token,
        }
        told = env.run("training", job, launch.folder, launch.environment)
        training = Training(self.facts, self.exported, launch, told, env.workspace)
        yield from training.findings()
        models = ModelCheck(self.export, training.options, launch.folder, env.workspace, given)
        yield from models.findings(self.facts)

    def _job(self, workspace: Workspace) -> dict[str, Any]:
        script = workspace.clone / self.facts.script
        return {"script_folder": str(script.parent), "needs_gpu": self.facts.needs_gpu}
