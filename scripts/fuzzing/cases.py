"""A case: something mutated in a folder of its own, the commands that read it, and what they did.

A case is decided by its kind, its number and the seed, so that each can be run again alone.
"""

import contextlib
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fuzzing import base, victim
from fuzzing.child import Ended, Limits, call
from fuzzing.faults import ESCAPE, UNJUDGED, Fault, faults_of

PARQUET, MANIFEST, IMAGE, DATASET = "parquet", "manifest", "image", "dataset"
KINDS = (PARQUET, MANIFEST, IMAGE, DATASET)
TRIES = 20
MAKING = Limits(120, 8 * 10**9)

Mutate = Callable[[Path, random.Random], str]
"""Mutates what lies at a path, and says how."""
Command = tuple[str, Callable[[], object]]
"""What a command is called in a report, and the call."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all cases have in common. `keep` is where those with a fault are kept, if anywhere."""

    base: Path
    at: Path
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    keep: Path | None = None


@dataclass(slots=True)
class Result:
    """What a case has shown. `how` is in what way it was mutated.

    `runs` are commands, and `done` those that said so; `judged` are builds that were compared with
    their source.
    """

    kind: str
    number: int
    how: str = ""
    runs: int = 0
    done: int = 0
    judged: int = 0
    peak: int = 0
    slowest: float = 0.0
    faults: list[Fault] = field(default_factory=list)

    def add(self, ended: Ended, who: str) -> None:
        """Count a command's run, and what is wrong with its end."""
        self.runs += 1
        self.done += ended.status == 0
        self.peak = max(self.peak, ended.peak)
        self.slowest = max(self.slowest, ended.seconds)
        self.faults += faults_of(ended, who)


@dataclass(frozen=True, slots=True)
class Case:
    """A case that is under way, in `folder`."""

    folder: Path
    rng: random.Random
    setting: Setting
    result: Result

    def make(self, original: str, name: str, mutate: Mutate) -> bool:
        """Copy something of the base data and mutate it; tells whether there is what to run on."""

        def make() -> None:
            for attempt in range(TRIES):
                shutil.rmtree(self.folder / name, onerror=unlink)
                shutil.copytree(self.setting.base / original, self.folder / name)
                try:
                    print(mutate(self.folder / name, self.rng))
                except Exception:  # another way, then: not everything can be spoilt in every way
                    if attempt == TRIES - 1:
                        raise
                else:
                    break

        ended = call(make, self.folder, MAKING, self.folder / "log" / "make", teardown=False)
        self.result.how = f"{original}: {ended.stdout.strip()}"
        if ended.status:
            why = f"could not be made: {ended.over or ended.stderr[-200:]}"
            self.result.faults.append(Fault(UNJUDGED, why))
        return ended.status == 0

    def run(self, *commands: Command) -> list[Ended]:
        """Run commands, and note what is wrong with how they end and what they touch."""
        before = victim.contents(self.folder)
        ends = []
        for who, function in commands:
            log = self.folder / "log" / f"{self.result.runs:02}-{who.replace(' ', '-')}"
            limits = self.setting.limits
            ends.append(call(function, self.folder, limits, log, teardown=True))
            self.result.add(ends[-1], who)
            now = victim.contents(self.folder)
            if now != before:
                changed = sorted(set(now.items()) ^ set(before.items()))
                self.result.faults.append(Fault(ESCAPE, f"{changed[0][0]} was changed", who))
                before = now
        return ends


def mico(*arguments: object) -> Callable[[], object]:
    """A call of `mico` with these arguments."""
    return lambda: base.run_mico(*arguments)


def run_case(kind: str, number: int, setting: Setting, body: Callable[[Case], None]) -> Result:
    """Give a case its folder, run its body, and clear up; keep it where it has shown a fault."""
    rng = random.Random(f"{setting.seed}-{kind}-{number}")  # noqa: S311 - no secret
    folder = setting.at / f"{kind}-{number}"
    for name in ("log", "out"):
        (folder / name).mkdir(parents=True)
    result = Result(kind, number)
    try:
        victim.plant(folder, base.read_rows(setting.base)[0].images[0].data)
        body(Case(folder, rng, setting, result))
    finally:
        found = [fault for fault in result.faults if fault.what != UNJUDGED]
        if setting.keep and found:
            _keep(folder, setting.keep / f"{kind}-{setting.seed}-{number}", result)
        shutil.rmtree(folder, onerror=unlink)
    return result


def _keep(folder: Path, target: Path, result: Result) -> None:
    shutil.rmtree(target, onerror=unlink)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, target)
    said = "".join(f"{fault.who or 'after all'}: {fault}\n" for fault in result.faults)
    (target / "faults.txt").write_text(f"{result.how}\n{said}")


def unlink(_function: object, path: str, _error: object) -> None:
    """For `rmtree`: a link where a folder was, or nothing any more."""
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - a name of any bytes
