"""What `mico smoke` knows about each trainer's clone: a data file and a reader each, in this room.

`facts/NAME.yaml` has the keys of `Facts`, and `readers/NAME.py` three functions that the trainer's
own Python runs; docs/adding-a-trainer.md describes both. A `when` in the data file replaces keys
for an option of the export.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from mico_150k.core.errors import UnknownConfig
from mico_150k.core.trainer import Exported

_HERE = Path(__file__).parent
PROCESSES = "processes"
"""The factor of a step that is not an option: the processes that train.sh starts."""


@dataclass(frozen=True, slots=True)
class Model:
    """Files that a training needs, besides the clone and the export.

    `kind` is `folder`, `file`, `hub` (a folder, or a name on the Hub), `origins` (DiffSynth's
    `repository:pattern,…`) or `export` (files that a script of the export writes). The value comes
    from an option of the trainer, or is `repo`. `get` is the command that gets it.
    """

    name: str
    kind: str
    variable: str = ""
    required: bool = False
    option: str = ""
    repo: str = ""
    subfolder: str = ""
    files: tuple[str, ...] = ()
    gated: bool = False
    get: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimizer step takes: a product of numbers, options and `processes`."""

    unit: str
    factors: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training writes, what of that it would resume, and how large its first one is.

    Where it does not resume by itself, its train.sh refuses a folder that holds one.
    """

    gigabytes: float
    resumes: bool = True
    option: str = ""
    folder: str = ""
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flags:
    """Files of the clone that define the trainer's options, and options from libraries."""

    files: tuple[str, ...] = ()
    library: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """A trainer's clone, as its train.sh and the reader know it; paths are relative to the clone.

    `imports` maps each foreign package that the code imports to what pip installs for it.
    """

    commit: str
    variable: str
    script: str
    roots: tuple[str, ...]
    imports: Mapping[str, str]
    patch: str = "none"
    package: str = ""
    reader: str = ""
    files: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    needs_gpu: tuple[str, ...] = ()
    flags: Flags = field(default_factory=Flags)
    step: Step | None = None
    checkpoint: Checkpoint | None = None
    models: tuple[Model, ...] = ()

    @property
    def variables(self) -> list[str]:
        """The variables of train.sh that hold paths, besides the clone and `OUTPUT`."""
        return [model.variable for model in self.models if model.variable]

    def install(self, package: str) -> str:
        """Return the command that installs a package."""
        return f"pip install {self.imports.get(package, package)}"


def known() -> list[str]:
    """Return the trainers that have facts."""
    return sorted(path.stem for path in (_HERE / "facts").glob("*.yaml"))


def reader(trainer: str) -> Path:
    """Return the script that reads an export by the trainer's own code."""
    return _HERE / "readers" / f"{trainer}.py"


def load(trainer: str, options: Mapping[str, Any]) -> Facts:
    """Return a trainer's facts for an export with these options. Raises `UnknownConfig`."""
    if trainer not in known():
        msg = f"there are no facts about {trainer!r}, but about {', '.join(known())}."
        raise UnknownConfig(msg)
    plain = yaml.safe_load((_HERE / "facts" / f"{trainer}.yaml").read_text(encoding="utf-8"))
    return parse(plain, options)


def options_of(exported: Exported) -> dict[str, Any]:
    """Return what a `when` may ask for: the export's options, and its format."""
    return {**exported.options, "format": exported.identity.get("format", "")}


def parse(plain: Mapping[str, Any], options: Mapping[str, Any]) -> Facts:
    """Return the facts in a data file. Raises `TypeError` for a key that does not exist."""
    found = {key: value for key, value in plain.items() if key != "when"}
    for case in plain.get("when", ()):
        if options.get(case["option"]) in case["is"]:
            found |= {key: value for key, value in case.items() if key not in {"option", "is"}}
            break
    for key, kind in (("flags", Flags), ("step", Step), ("checkpoint", Checkpoint)):
        if key in found:
            found[key] = _made(kind, found[key])
    found["models"] = tuple(_made(Model, model) for model in found.get("models", ()))
    facts: Facts = _made(Facts, found)
    return facts


def _made(kind: Any, plain: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of the classes above
    """An instance, lists as tuples. Raises `TypeError`."""
    names = {each.name for each in fields(kind)}
    if unknown := sorted(set(plain) - names):
        msg = f"{kind.__name__} has no {', '.join(unknown)}"
        raise TypeError(msg)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()})
