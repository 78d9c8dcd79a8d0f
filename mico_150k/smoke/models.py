"""Whether the models that a training opens are there: folders, files, and the Hub's cache."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.smoke.facts import Facts, Model
from mico_150k.smoke.finding import Finding, right, unknown, wrong
from mico_150k.smoke.workspace import Workspace

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """Where models are looked for.

    `options` are the trainer's, `folder` is where it starts, and `given` are the variables of the
    environment.
    """

    export: Path
    options: Mapping[str, Any]
    folder: str
    workspace: Workspace
    given: Mapping[str, str]

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """Look for each model; one that is not there is named with the command that gets it."""
        for model in facts.models:
            value = model.repo or self.options.get(model.option)
            if model.kind == "export":
                yield _written(model, self.export)
            elif model.required and not self.given.get(model.variable):
                yield unknown(
                    model.name, f"{model.variable} is not set",
                    f"run the command again with {model.variable}=PATH, as train.sh needs it",
                )  # fmt: skip
            elif not value:
                yield unknown(
                    model.name, f"the option {model.option} is not known",
                    "see the lines above: the trainer's parser must run first",
                )  # fmt: skip
            elif model.kind == "origins":
                yield from _origins(model, str(value), self.workspace, self.given)
            else:
                place = self.workspace.real(str(value), self.folder)
                yield _check(model, str(value), place, self.given)


def _written(model: Model, export: Path) -> Finding:
    """What a script of the export writes before the training, perhaps on another machine."""
    if missing := _missing(export, model.files):
        return unknown(model.name, f"{export} has no {', '.join(missing)} yet", model.get)
    return right(model.name, f"they are in {export}")


def _check(model: Model, value: str, place: Path, given: Mapping[str, str]) -> Finding:
    if model.kind == "hub" and _REPOSITORY.fullmatch(value) and not place.exists():
        return _cached(model, value, given)
    if not place.exists():
        return wrong(
            model.name, f"{place} does not exist", _how(model, model.get or "download it there")
        )
    if model.kind == "file":
        if not place.is_file() or not place.stat().st_size:
            return wrong(model.name, f"{place} is not a file, or is empty", _how(model, model.get))
        return right(model.name, str(place))
    missing = _missing(place / model.subfolder, model.files)
    if missing:
        what = f"{place / model.subfolder} has no {', '.join(missing)}"
        return wrong(model.name, what, _how(model, model.get or "download the whole model"))
    return right(model.name, str(place / model.subfolder))


def _missing(place: Path, patterns: tuple[str, ...]) -> list[str]:
    """Patterns that no complete file matches: a link of the Hub's cache may lead nowhere."""
    return [
        pattern for pattern in patterns if not any(file.is_file() for file in place.glob(pattern))
    ]


def _cached(model: Model, repo: str, given: Mapping[str, str]) -> Finding:
    """A repository of the Hub: whether its files are in the cache."""
    home = Path(given.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(given.get("HF_HUB_CACHE") or home / "hub")
    snapshots = cache / f"models--{repo.replace('/', '--')}" / "snapshots"
    for snapshot in sorted(snapshots.glob("*")):
        place = snapshot / model.subfolder
        if place.is_dir() and not _missing(place, model.files):
            return right(model.name, f"{repo} is in the Hub's cache")
    what = f"{repo} is not in the Hub's cache {cache}, or not complete"
    return unknown(model.name, what, _how(model, _download(model, repo)))


def _download(model: Model, repo: str) -> str:
    if model.get:
        return model.get.format(value=repo)
    below = f" --include '{model.subfolder}/*'" if model.subfolder else ""
    return f"hf download {repo}{below}"


def _how(model: Model, command: str) -> str:
    """The command, after what a gated repository asks for."""
    if not model.gated:
        return command
    return f"accept its license on huggingface.co, then `hf auth login`, then {command}"


def _origins(
    model: Model, value: str, workspace: Workspace, given: Mapping[str, str]
) -> Iterator[Finding]:
    """DiffSynth's `repository:pattern,…`: files below `models` in the clone."""
    base = Path(given.get("DIFFSYNTH_MODEL_BASE_PATH", "models"))
    for origin in value.split(","):
        repo, _, pattern = origin.partition(":")
        place = workspace.real(str(base / repo), str(workspace.clone))
        if _missing(place, (pattern,)):
            command = (
                f"modelscope download --model {repo} --include '{pattern}' --local_dir {place}"
            )
            yield unknown(model.name, f"{place} has no {pattern}", _how(model, command))
        else:
            yield right(model.name, f"{repo}, {pattern}")
