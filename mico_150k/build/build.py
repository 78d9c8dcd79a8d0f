"""A build: from a source to a dataset folder, in one pass, all configurations at once.

    source ──► plan ──► units ──► examined rows ──► row groups ──► shards ──► index, sample, card

A shard is finished when all its files have their names and its record is written; a build that
was stopped goes on with the first that is not.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mico_150k.build.drop_limit import TOLERANCE, DropLimit
from mico_150k.build.executors import KEEP_HERE, Executor, InProcess, ShardSink
from mico_150k.build.finalize import finish
from mico_150k.build.forecast import Forecast, make_forecast
from mico_150k.build.output import refuse_misread, refuse_source
from mico_150k.build.partition import Partition, PartitionResult
from mico_150k.build.plan import SHARD_BYTES, Plan, Unit, make_plan
from mico_150k.build.provenance import RELEASE, build_command, unless
from mico_150k.build.worker import UnitBuilder
from mico_150k.builders import BUILDERS
from mico_150k.card.file import License, read_card, write_card
from mico_150k.core.errors import ShardsMissing, UnknownConfig
from mico_150k.core.identity import json_sha256
from mico_150k.core.plural import counted
from mico_150k.core.progress import Progress
from mico_150k.dataset import configurations, layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.records import ShardRecord
from mico_150k.dataset.report import Report
from mico_150k.dataset.row_group import MAX_BYTES, MAX_ROWS
from mico_150k.dataset.workspace import Workspace
from mico_150k.images.header import Verify
from mico_150k.io.locks import LOCK
from mico_150k.io.machine import gigabytes
from mico_150k.sources import DEMO
from mico_150k.sources.source import Source
from mico_150k.version import __version__

IDENTITY_VERSION = 1
"""Of the keys of a build's identity."""
_MOST_NAMED = 5
CONFIGS = (*BUILDERS, layout.SAMPLE)
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
            if name not in CONFIGS:
                msg = f"{name!r} is not a configuration; there are {', '.join(CONFIGS)}."
                raise UnknownConfig(msg)

    @property
    def with_images(self) -> tuple[str, ...]:
        """The configurations that are written shard by shard, in the registry's order."""
        return tuple(name for name in BUILDERS if name in self.configs)

    def to_argv(self) -> list[str]:
        """The options of `mico build` that say the same."""
        some = () if set(self.configs) == set(CONFIGS) else self.configs
        return [
            *(word for name in some for word in ("--config", name)),
            *("--verify", self.verify.value),
            *("--shard-mb", str(self.shard_bytes >> 20)),
            *("--seed", str(self.seed)),
        ]


@dataclass(frozen=True, slots=True, repr=False)
class BuildResult:
    """A finished build. `resumed` shards were there before; `seconds` are of this run."""

    location: str
    report: Report
    files: int
    bytes: int
    shards: int
    resumed: int
    seconds: float

    @classmethod
    def of_folder(
        cls, folder: Path, report: Report, shards: int, resumed: int, started: float
    ) -> "BuildResult":
        """What lies in a folder whose build is finished; `started` is `time.monotonic`'s."""
        found = (path for path in folder.rglob("*") if path.is_file())
        besides = {folder / layout.MTIME_TOKENS, folder / layout.WORK / LOCK}
        files = [path for path in found if path not in besides]
        size = sum(path.stat().st_size for path in files)
        seconds = time.monotonic() - started
        return cls(str(folder), report, len(files), size, shards, resumed, seconds)

    @property
    def folder(self) -> Path:
        """The folder, where it is on this machine."""
        return Path(self.location)

    def __repr__(self) -> str:
        """The build in one line."""
        read, rows = self.report.rows_read, self.report.rows
        return (
            f"<{type(self).__name__} {self.location}: {rows} of {counted(read, 'row')} in "
            f"{counted(self.shards, 'shard')}; {counted(self.files, 'file')}, "
            f"{gigabytes(self.bytes)}, {self.seconds:.1f} s>"
        )


def versions() -> dict[str, str]:
    """Of what decides a build's bytes besides its options: part of its identity."""
    return {"mico-150k": __version__, "pyarrow": version("pyarrow"), "pillow": version("pillow")}


@dataclass(frozen=True, slots=True)
class Build:
    """A build that is planned and may start."""

    source: Source
    plan: Plan
    out: Path
    options: BuildOptions
    forecast: Forecast
    location: str = ""
    license: License | None = None

    @classmethod
    def prepare(
        cls,
        source: Source,
        out: Path,
        options: BuildOptions,
        location: str = "",
        license: License | None = None,
    ) -> "Build":
        """Plan a build from headers. Raises `DuplicateIds`, `EmptySource`, `OutputRefused`.

        `location` is what the user knows `out` as, where it stands for a folder elsewhere.
        `license` is for the card; where none is given, that of the run before stays.
        """
        refuse_source(out, source)
        if not location:
            refuse_misread(out)
        plan = make_plan(source, shard_bytes=options.shard_bytes, seed=options.seed)
        forecast = make_forecast(
            source,
            plan,
            len(options.with_images),
            sample=layout.SAMPLE in options.configs,
            out=out,
        )
        return cls(source, plan, out, options, forecast, location, license)

    def is_finished(self) -> bool:
        """Whether this very build is finished in its folder.

        Raises `OutputRefused` where that holds something else.
        """
        return self._workspace.is_finished(self.identity(), self.mtime_tokens)

    def check_disk(self, sink: ShardSink = KEEP_HERE) -> None:
        """Raise `DiskTooSmall` where the disk cannot take a build that is not begun there yet."""
        if not self._workspace.is_begun:
            self._check_disk(self.plan.units, 0, sink)

    def run(  # noqa: PLR0913 - each is a choice of its own, and has a default
        self,
        *,
        overwrite: bool = False,
        recheck: bool = False,
        tolerance: float = TOLERANCE,
        executor: Executor | None = None,
        sink: ShardSink = KEEP_HERE,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> BuildResult:
        """Build, or go on with a build that was stopped.

        `recheck` reads all finished shards again. `executor` is this process where none is given.
        `sink` is where finished shards go at once, for a disk that is smaller than the data.
        Raises `OutputRefused`, `DiskTooSmall`, `TooManyLeftOut`, `BrokenFile`, and what the
        source and the executor raise. What is finished by then is kept.
        """
        started = time.monotonic()
        units = self.plan.units
        with self._claimed(units, sink, overwrite=overwrite) as is_left:
            if is_left:
                records = self._records(units, hashes=recheck, sink=sink)
                resumed = len(records)
                for record in records.values():
                    sink.take(record)
                sink.deliver()
                watch = DropLimit(self.plan, tolerance, records.values(), on_progress)
                self._check_disk(units, _bytes(records, sink), sink)
                self._write(units, records, watch, executor or InProcess(), sink)
                return self._result(self._finish(records, tolerance), resumed, started)
        return self._finished_before(started)

    def run_partition(
        self,
        partition: Partition,
        *,
        recheck: bool = False,
        tolerance: float = TOLERANCE,
        executor: Executor | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> PartitionResult:
        """Build one partition of the units, beside other processes that build theirs.

        All write to the same folder, which the first of them makes its own. `complete` is what
        brings it to its end. Raises what `run` raises.
        """
        started = time.monotonic()
        units = partition.take(self.plan)
        shards = sum(len(unit.shards) for unit in units)
        with self._claimed(units, shared=True) as is_left:
            if is_left:
                records = self._records(units, hashes=recheck)
                resumed = len(records)
                watch = DropLimit(self.plan, tolerance, records.values(), on_progress)
                self._check_disk(units, _bytes(records))
                self._write(units, records, watch, executor or InProcess())
                return PartitionResult(str(self.out), shards, resumed, time.monotonic() - started)
        self._update_finished()
        return PartitionResult(str(self.out), shards, shards, time.monotonic() - started)

    def complete(self, *, recheck: bool = False, tolerance: float = TOLERANCE) -> BuildResult:
        """Complete a build that was done in partitions.

        Raises `ShardsMissing`, `TooManyLeftOut`, `OutputRefused`.
        """
        started = time.monotonic()
        if not self._workspace.is_begun:
            raise self._missing(set())
        # Gently: on a file system without locks, others may still write what is missing.
        with self._claimed((), gently=True) as is_left:
            if is_left:
                records = self._records(self.plan.units, hashes=recheck)
                if len(records) < self.plan.shards:
                    raise self._missing(set(records))
                DropLimit(self.plan, tolerance, records.values()).check()
                self._workspace.sweep()
                return self._result(self._finish(records, tolerance), self.plan.shards, started)
        return self._finished_before(started)

    @property
    def _workspace(self) -> Workspace:
        # Absolute: pyarrow takes some relative paths for a URI or a home folder.
        known_as = self.location or str(self.out)
        return Workspace(self.out.absolute(), configurations.CONFIGS, known_as)

    @contextmanager
    def _claimed(
        self,
        units: Sequence[Unit],
        sink: ShardSink = KEEP_HERE,
        *,
        overwrite: bool = False,
        shared: bool = False,
        gently: bool = False,
    ) -> Iterator[bool]:
        """Have the folder for these units; yields whether anything is left to do."""
        with self._workspace.claimed(
            self.identity(),
            self.mtime_tokens,
            lambda cleared: self._check_disk(units, cleared, sink),
            overwrite=overwrite,
            shared=shared,
            gently=gently,
        ) as is_left:
            if is_left and self.license:
                self._workspace.keep_license(self.license.header)
            yield is_left

    def _update_finished(self) -> None:
        """Have the card of a finished build state the license that is given, if one is.

        Raises `OutputRefused` where a person has changed what would be lost.
        """
        self._workspace.tidy()
        folder = DatasetFolder(self.out)
        if self.license and not self.license.is_stated_by(read_card(folder)):
            write_card(folder, self.license)

    @property
    def mtime_tokens(self) -> dict[str, str]:
        """What changes when a file of the source does, by its name."""
        return {file.name: file.mtime_token for file in self.source.files}

    @property
    def _with_sample(self) -> bool:
        return layout.SAMPLE in self.options.configs

    def _records(
        self, units: Iterable[Unit], *, hashes: bool, sink: ShardSink = KEEP_HERE
    ) -> dict[int, ShardRecord]:
        """The finished shards of these units."""
        there = self._workspace.records(hashes=hashes, elsewhere=sink.holds)
        return {
            shard.number: there[shard.number] for unit in units for shard in unit.finished(there)
        }

    def _check_disk(self, units: Sequence[Unit], there: int, sink: ShardSink = KEEP_HERE) -> None:
        """Raise `DiskTooSmall` where what is left to do will not fit; `there` bytes need not."""
        images = sum(map(self.plan.unit_bytes, units))
        share = images / (self.plan.image_bytes or 1)
        here = 1.0 if sink.shards_here is None else sink.shards_here / self.plan.shards
        self.forecast.check_disk(self.out, there, share, min(1.0, here))

    def _write(
        self,
        units: Sequence[Unit],
        records: dict[int, ShardRecord],
        watch: DropLimit,
        executor: Executor,
        sink: ShardSink = KEEP_HERE,
    ) -> None:
        """Build what is not in `records` of these units, and put it there."""
        for unit in units:
            for shard in unit.shards:
                if shard.number not in records:
                    self._workspace.forget(shard.number)
        candidates = (id_ for ids in self.plan.sample.values() for id_ in ids)
        builder = UnitBuilder(
            self.source,
            self.plan,
            self._workspace,
            self.options.with_images,
            frozenset(candidates if self._with_sample else ()),
            self.options.verify,
            threaded=False,
        )
        watch.begin()
        with closing(executor.build(builder, units, set(records), watch.on_group)) as built:
            for record in built:
                sink.take(record)
                records[record.number] = record
        sink.deliver()

    def _finish(self, records: dict[int, ShardRecord], tolerance: float) -> Report:
        return finish(
            self._workspace,
            self.plan,
            {"build": self.identity(), "commands": [self._command(tolerance)]},
            [records[number] for number in sorted(records)],
            with_sample=self._with_sample,
        )

    def _command(self, tolerance: float) -> list[str]:
        return build_command(
            *self.source.reading.to_argv(),
            *self.options.to_argv(),
            *unless(TOLERANCE, "--tolerance", tolerance),
            source="" if self.source.kind == DEMO else RELEASE,
        )

    def _missing(self, finished: set[int]) -> ShardsMissing:
        missing = sorted(
            {shard.number for unit in self.plan.units for shard in unit.shards} - finished
        )
        named = ", ".join(layout.shard_name(number) for number in missing[:_MOST_NAMED])
        more = ", …" if len(missing) > _MOST_NAMED else ""
        return ShardsMissing(
            f"{self.out}: {len(missing)} of {counted(self.plan.shards, 'shard')} missing: "
            f"{named}{more}\n"
            "Re-run `mico build --partition I/N` for each I, with the same N or another: "
            "finished shards are kept."
        )

    def identity(self) -> dict[str, Any]:
        """What this build is: two builds with the same identity have the same bytes."""
        return {
            "version": IDENTITY_VERSION,
            "source": self.source.kind,
            "plan": json_sha256(self.plan.identity()),
            "options": {
                "configs": sorted(self.options.configs),
                "verify": self.options.verify.value,
                "shard_bytes": self.options.shard_bytes,
                "seed": self.options.seed,
                "row_group_bytes": MAX_BYTES,
                "row_group_rows": MAX_ROWS,
            },
            "columns": self._columns(),
            "versions": versions(),
        }

    def _columns(self) -> list[dict[str, Any]]:
        """The different ways in which the source's files hold their samples."""
        shapes = [file.shape.to_dict() for file in self.source.files if file.shape]
        different = {json_sha256(shape): shape for shape in shapes}
        return [different[digest] for digest in sorted(different)]

    def _finished_before(self, started: float) -> BuildResult:
        self._update_finished()
        return self._result(Report.of_folder(self.out), self.plan.shards, started)

    def _result(self, report: Report, resumed: int, started: float) -> BuildResult:
        return BuildResult.of_folder(self.out, report, self.plan.shards, resumed, started)


def _bytes(records: Mapping[int, ShardRecord], sink: ShardSink = KEEP_HERE) -> int:
    """What finished shards take of this disk."""
    files = [file for record in records.values() for file in record.parts.values()]
    if sink.shards_here is None:
        files += [file for record in records.values() for file in record.files.values()]
    return sum(file.bytes for file in files)
