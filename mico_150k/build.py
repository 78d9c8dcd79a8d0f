"""A build: from a source to a dataset folder, in one pass, all configurations at once.

    source ──► plan ──► units ──► examined rows ──► row groups ──► shards ──► index, sample, card

A shard is finished when all its files have their names and its record is written; a build that
was stopped goes on with the first that is not.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mico_150k import names
from mico_150k.builders import BUILDERS, get_builder
from mico_150k.finish import Report, finish
from mico_150k.forecast import Forecast, make_forecast
from mico_150k.images.header import Verify
from mico_150k.plan import SHARD_BYTES, Plan, make_plan
from mico_150k.row_group import MAX_BYTES, MAX_ROWS
from mico_150k.sources.source import Source
from mico_150k.unit import UnitBuilder
from mico_150k.version import __version__
from mico_150k.watch import TOLERANCE, Progress, Watch
from mico_150k.workspace import Workspace

CONFIGS = (*BUILDERS, names.SAMPLE)
"""What can be asked for. `index` is always written: exports and filters rest on it."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What decides a build's bytes, except the source. `shard_bytes` are of images."""

    configs: tuple[str, ...] = CONFIGS
    verify: Verify = Verify.STRUCTURE
    shard_bytes: int = SHARD_BYTES
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `UnknownConfig` for a name that none has."""
        for name in self.configs:
            if name != names.SAMPLE:
                get_builder(name)

    @property
    def with_images(self) -> tuple[str, ...]:
        """The configurations that are written shard by shard, in the registry's order."""
        return tuple(name for name in BUILDERS if name in self.configs)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A finished build. `resumed` shards were there before; `seconds` are of this run."""

    folder: Path
    report: Report
    files: int
    bytes: int
    shards: int
    resumed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Build:
    """A build that is planned and may start."""

    source: Source
    plan: Plan
    out: Path
    options: BuildOptions
    forecast: Forecast

    @classmethod
    def prepare(cls, source: Source, out: Path, options: BuildOptions) -> "Build":
        """Plan a build from headers. Raises `DuplicateIds`."""
        plan = make_plan(source, shard_bytes=options.shard_bytes, seed=options.seed)
        forecast = make_forecast(
            source,
            plan,
            len(options.with_images),
            sample=names.SAMPLE in options.configs,
            out=out,
        )
        return cls(source, plan, out, options, forecast)

    def run(
        self,
        *,
        overwrite: bool = False,
        tolerance: float = TOLERANCE,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> BuildResult:
        """Build, or go on with a build that was stopped.

        Raises `OutputRefused`, `DiskTooSmall`, `TooManyLeftOut`, `BrokenFile`, and what the
        source raises. What is finished by then is kept.
        """
        started = time.monotonic()
        workspace = Workspace(self.out, (*BUILDERS, names.SAMPLE, names.INDEX))
        identity = self.identity()
        stamps = {file.name: file.stamp for file in self.source.files}
        if not workspace.claim(identity, stamps, overwrite=overwrite):
            return self._finished_before(started)
        records = workspace.records()
        there = sum(file.bytes for record in records.values() for file in record.files.values())
        self.forecast.check_disk(self.out, there)
        resumed = len(records)
        watch = Watch(self.plan, tolerance, records.values(), on_progress)
        with_sample = names.SAMPLE in self.options.configs
        builder = UnitBuilder(
            self.source,
            self.plan,
            workspace,
            self.options.with_images,
            with_sample,
            self.options.verify,
        )
        for unit in self.plan.units:
            for record in builder.build(unit, set(records), watch.on_group):
                records[record.number] = record
        in_order = [records[number] for number in sorted(records)]
        report = finish(workspace, self.plan, identity, in_order, with_sample=with_sample)
        return self._result(report, resumed, started)

    def identity(self) -> dict[str, Any]:
        """What this build is: two builds with the same identity have the same bytes."""
        plan = json.dumps(asdict(self.plan), sort_keys=True, default=str)
        return {
            "source": self.source.kind,
            "plan": sha256(plan.encode()).hexdigest(),
            "options": {
                "configs": sorted(self.options.configs),
                "verify": self.options.verify.value,
                "shard_bytes": self.options.shard_bytes,
                "seed": self.options.seed,
                "row_group_bytes": MAX_BYTES,
                "row_group_rows": MAX_ROWS,
            },
            "versions": {
                "mico-150k": __version__,
                "pyarrow": version("pyarrow"),
                "pillow": version("pillow"),
            },
        }

    def _finished_before(self, started: float) -> BuildResult:
        report = Report.from_dict(json.loads((self.out / names.REPORT).read_text()))
        return self._result(report, self.plan.shards, started)

    def _result(self, report: Report, resumed: int, started: float) -> BuildResult:
        files = [path for path in self.out.rglob("*") if path.is_file()]
        return BuildResult(
            folder=self.out,
            report=report,
            files=len(files),
            bytes=sum(path.stat().st_size for path in files),
            shards=self.plan.shards,
            resumed=resumed,
            seconds=time.monotonic() - started,
        )
