"""A training by the options that its train.sh gives: rows, steps, checkpoints, disk and GPUs."""

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.core.plural import counted
from mico_150k.core.trainer import Exported
from mico_150k.io.machine import existing, free_space
from mico_150k.smoke.facts import PROCESSES, Facts
from mico_150k.smoke.finding import Finding, right, unknown, wrong
from mico_150k.smoke.flags import unknown_flags, values
from mico_150k.smoke.launch import Launch
from mico_150k.smoke.python_env import Told
from mico_150k.smoke.workspace import Workspace

_GIGABYTE = 10**9
_AGAIN = "run the command again"
_LATER = f"mend what is wrong above, then {_AGAIN}"
_MEND = "mend that line of train.sh, or export again; another commit may have other options"


@dataclass(frozen=True, slots=True)
class Training:
    """What is known once train.sh has launched, and the trainer's Python has run its reader."""

    facts: Facts
    exported: Exported
    launch: Launch
    told: Told
    workspace: Workspace

    @property
    def options(self) -> Mapping[str, Any]:
        """The trainer's options, or what the command line says of them."""
        found: Mapping[str, Any] = self.told.last("options").get("options", {})
        return found or values(self.launch.arguments)

    @property
    def processes(self) -> int | None:
        """The processes that train.sh starts; None where the launcher's parser failed."""
        found: int | None = self.told.last("launcher").get("processes")
        return found

    @property
    def gpus(self) -> int:
        """The GPUs that there are."""
        count: int = self.told.last("gpus").get("count", 0)
        return count

    def findings(self) -> Iterator[Finding]:
        """Judge the launch, from its flags to the GPUs."""
        yield from self._flags()
        yield from self._rows()
        yield from self._step()
        yield from self._checkpoint()
        yield self._gpus()

    def _flags(self) -> Iterator[Finding]:
        program, launcher = self.launch.program, self.told.last("launcher")
        if not shutil.which(program, path=self.launch.environment["PATH"]):
            yield wrong(
                "train.sh",
                f"there is no {program}",
                "activate the environment, or install it there",
            )
        if "error" in launcher:
            said = launcher["error"]
            yield wrong(
                "train.sh", f"{program} does not take its arguments: {said}",
                "export again, or install START.md's versions",
            )  # fmt: skip
        found = self.told.last("options")
        if "options" in found:
            yield right(
                "train.sh", "the trainer's own parser takes its "
                f"{counted(len(values(self.launch.arguments)), 'option')}",
            )  # fmt: skip
        elif found.get("refused"):
            yield wrong(
                "train.sh", f"the trainer's own parser refuses its options: {found['error']}", _MEND
            )  # fmt: skip
        else:
            yield from self._names(found)

    def _names(self, found: Mapping[str, Any]) -> Iterator[Finding]:
        """What the names of options say, where the parser cannot be run."""
        flags = self.facts.flags
        others = unknown_flags(self.launch.arguments, flags, self.workspace.clone)
        if flags.files and others:
            yield wrong("train.sh", f"the trainer has no {', '.join(others)}", _MEND)
        why = f"the trainer's parser cannot be run: {found.get('error') or self.told.ending}"
        is_missing = str(found.get("error")).startswith("ModuleNotFoundError")
        if found.get("offline") or (self.told.steps("stand-in") and not is_missing):
            yield unknown("train.sh", why, f"see the lines above and below, then {_AGAIN}")
        else:
            yield wrong("train.sh", why, "install what START.md names, in these versions")

    def _rows(self) -> Iterator[Finding]:
        found = self.told.last("rows")
        if not found:
            if self.told.ending and "options" in self.told.last("options"):
                read = counted(len(self.told.steps("row")), "row")
                yield wrong(
                    "rows", f"after {read} Python stopped: {self.told.ending}",
                    "export again, and patch the clone again",
                )  # fmt: skip
            else:
                yield unknown("rows", "nothing was read", _LATER)
        elif found.get("offline"):
            yield unknown(
                "rows", f"its dataset class downloads something: {found['error']}",
                f"download the models below, then {_AGAIN}",
            )  # fmt: skip
        elif "error" in found:
            yield wrong("rows", f"its dataset class fails: {found['error']}", "export again")
        elif found["differ"]:
            yield wrong("rows", f"they are not those of the export: {'; '.join(found['differ'])}",
                        "export again, and patch the clone again")  # fmt: skip
        elif not found["rows"]:
            yield wrong("rows", "its dataset class reads none", "export again")
        else:
            stand_in = " (with a stand-in for the tokenizer)" if found["stand_in"] else ""
            yield right(
                "rows", f"its dataset class reads the first {found['rows']} as the export has "
                f"them: inputs, output, text{stand_in}",
            )  # fmt: skip

    def _step(self) -> Iterator[Finding]:
        step = self.facts.step
        if step is None:
            return
        known = {**self.options, PROCESSES: self.processes}
        factors = [known.get(f) if isinstance(f, str) else f for f in step.factors]
        if any(factor is None or factor is True for factor in factors):
            yield unknown("step", "its size is not known", _LATER)
            return
        needed = math.prod(int(factor) for factor in factors if factor is not None)
        groups = sum(self.exported.row_groups.values())
        there = groups if step.unit == "row groups" else self.exported.rows
        said = " × ".join(
            f"{name} {factor}" if isinstance(name, str) else str(factor)
            for name, factor in zip(step.factors, factors, strict=True)
        )
        if there < needed:
            yield wrong(
                "step", f"a step takes {needed:,} {step.unit} ({said}), and the export has "
                f"{there:,}", "export more rows, or start train.sh with fewer GPUs: GPUS=1",
            )  # fmt: skip
        else:
            yield right("step", f"{there:,} {step.unit} for steps of {needed:,} ({said})")

    def _checkpoint(self) -> Iterator[Finding]:
        facts = self.facts.checkpoint
        if facts is None:
            return
        value = self.options.get(facts.option)
        if facts.folder:
            value = facts.folder.format_map(self.options)
        if not isinstance(value, str):
            yield unknown("checkpoint", "its folder is not known", _LATER)
            return
        folder = self.workspace.real(value, self.launch.folder)
        found = sorted(path for pattern in facts.found for path in folder.glob(pattern))
        if not found:
            yield right("checkpoint", f"{folder} has none: the training starts at its beginning")
        elif not facts.resumes:
            yield wrong(
                "checkpoint", f"{found[-1]} is there, and train.sh would stop",
                "set OUTPUT to an empty folder, or resume from it as train.sh says",
            )  # fmt: skip
        elif self.exported.token in str(folder):
            yield right("checkpoint", f"the training resumes this export's own: {found[-1]}")
        else:
            yield wrong(
                "checkpoint", f"the training would resume {found[-1]}, which may be another "
                "export's", "set OUTPUT to an empty folder, or leave it unset",
            )  # fmt: skip
        yield self._disk(folder, facts.gigabytes)

    def _disk(self, folder: Path, gigabytes: float) -> Finding:
        free, place = free_space(folder), existing(folder)
        if free is None:
            return unknown("disk", f"{place} does not tell its free space", "look at it by hand")
        what = (
            f"{place} has {free / _GIGABYTE:,.0f} GB free; the first checkpoint takes about "
            f"{gigabytes:,.0f} GB"
        )
        if free >= gigabytes * _GIGABYTE:
            return right("disk", what)
        if not self.gpus:  # the training has another machine
            return unknown("disk", what, f"{_AGAIN} on the machine that trains")
        return wrong("disk", what, "set OUTPUT to a folder on a larger disk")

    def _gpus(self) -> Finding:
        count, asked = self.gpus, self.processes
        said = f"train.sh starts {counted(asked, 'process', 'processes')}" if asked else "train.sh"
        if not count:
            return unknown(
                "GPUs", f"there is none here; {said}", f"{_AGAIN} on the machine that trains"
            )
        names = ", ".join(dict.fromkeys(self.told.last("gpus")["names"]))
        if asked and asked > count:
            return wrong(
                "GPUs", f"{said}, and there are {count} ({names})",
                f"GPUS={count} bash {self.exported.root}/train.sh",
            )  # fmt: skip
        return right("GPUs", f"{count} ({names}); {said}")
