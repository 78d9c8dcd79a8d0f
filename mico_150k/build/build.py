"""A build: it turns a source into a dataset folder, all configurations in one pass.

    source ──► plan ──► units ──► examined rows ──► row groups ──► shards ──► index, sample, card

A shard is finished when all its files have their names and its record is written. A build that was
interrupted resumes at the first unfinished shard.
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
    """The options that decide a build's bytes; `shard_bytes` is bytes of images per shard."""

    configs: tuple[str, ...] = CONFIGS
    verify: Verify = Verify.STRUCTURE
    shard_bytes: int = SHARD_BYTES
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `UnknownConfig` for a name that no configuration has."""
        for name in self.configs:
            if name not in CONFIGS:
                msg = f"{name!r} is not a configuration; there are {', '.join(CONFIGS)}."
                raise UnknownConfig(msg)

    @property
    def with_images(self) -> tuple[str, ...]:
        """The configurations that are written shard by shard, in the registry's order."""
        return tuple(name for name in BUILDERS if name in self.configs)

    def to_argv(self) -> list[str]:
        """Return the equivalent options of `mico build`."""
        some = () if set(self.configs) == set(CONFIGS) else self.configs
        return [
            *(word for name in some for word in ("--config", name)),
            *("--verify", self.verify.value),
            *("--shard-mb", str(self.shard_bytes >> 20)),
            *("--seed", str(self.seed)),
        ]


@dataclass(frozen=True, slots=True, repr=False)
class BuildResult:
    """A finished build; `resumed` counts shards from earlier runs, `seconds` is this run's time."""

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
        """Describe the finished build in a folder; `started` is a value of `time.monotonic`."""
        found = (path for path in folder.rglob("*") if path.is_file())
        besides = {folder / layout.MTIME_TOKENS, folder / layout.WORK / LOCK}
        files = [path for path in found if path not in besides]
        size = sum(path.stat().st_size for path in files)
        seconds = time.monotonic() - started
        return cls(str(folder), report, len(files), size, shards, resumed, seconds)

    @property
    def folder(self) -> Path:
        """The dataset folder, if it is on this machine."""
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
    """Return the versions of the packages that affect a build's bytes: part of its identity."""
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
        """Plan a build from the source's headers.

        Args:
            source: The samples to build.
            out: The dataset folder on this machine.
            options: What to build.
            location: The output's name in messages, if `out` stands for a folder elsewhere.
            license: The license for the card; by default that of the previous run stays.

        Raises:
            DuplicateIds: Two rows have the same id.
            EmptySource: The source has no row.
            OutputRefused: The source lies in `out`, or `out` is a file.
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
        """Whether this build is finished in its folder.

        Raises:
            OutputRefused: The folder holds something else.
        """
        return self._workspace.is_finished(self.identity(), self.mtime_tokens)

    def check_disk(self, sink: ShardSink = KEEP_HERE) -> None:
        """Raise `DiskTooSmall` if the disk is too small for a build that has not begun."""
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
        """Build, or resume an interrupted build. Finished shards are kept after any error.

        Args:
            overwrite: Whether to remove another build from the folder.
            recheck: Whether to read all finished shards again and compare their hashes.
            tolerance: The fraction of rows that may be skipped.
            executor: Where the build runs; in this process by default.
            sink: Where finished shards are moved to, for a disk that is smaller than the data.
            on_progress: Called with the progress.

        Raises:
            OutputRefused: The folder holds something else.
            DiskTooSmall: The disk cannot take the result.
            TooManySkipped: More rows are unusable than `tolerance` allows.
            BrokenFile: A file of the source is damaged.
            MicoError: The source or the executor failed.
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

    def run_partition(  # noqa: PLR0913 - as `run`
        self,
        partition: Partition,
        *,
        recheck: bool = False,
        tolerance: float = TOLERANCE,
        executor: Executor | None = None,
        sink: ShardSink = KEEP_HERE,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> PartitionResult:
        """Build one partition of the units, while other processes build the others.

        All partitions write to the same folder, or their executors to the same `sink`, which the
        first one claims; `complete` finishes the dataset. The arguments and errors are those of
        `run`.

        Args:
            partition: Which units to build.
            recheck: As for `run`.
            tolerance: As for `run`.
            executor: As for `run`.
            sink: As for `run`.
            on_progress: As for `run`.
        """
        started = time.monotonic()
        units = partition.take(self.plan)
        shards = sum(len(unit.shards) for unit in units)
        place = self._workspace.name
        with self._claimed(units, sink, shared=True) as is_left:
            if is_left:
                self._workspace.claim_partition(partition.number, partition.of)
                records = self._records(units, hashes=recheck, sink=sink)
                resumed = len(records)
                watch = DropLimit(self.plan, tolerance, records.values(), on_progress)
                self._check_disk(units, _bytes(records, sink), sink)
                # What the executor has sent is not taken: only `complete` needs it here.
                self._write(units, records, watch, executor or InProcess())
                return PartitionResult(place, shards, resumed, time.monotonic() - started)
        self._update_finished()
        return PartitionResult(place, shards, shards, time.monotonic() - started)

    def complete(
        self,
        *,
        recheck: bool = False,
        tolerance: float = TOLERANCE,
        sink: ShardSink = KEEP_HERE,
    ) -> BuildResult:
        """Finish the dataset of a partitioned build, here or in a `sink`.

        Args:
            recheck: As for `run`.
            tolerance: As for `run`.
            sink: As for `run`.

        Raises:
            ShardsMissing: A partition is not finished.
            TooManySkipped: More rows are unusable than `tolerance` allows.
            OutputRefused: The folder holds something else.
        """
        started = time.monotonic()
        if not self._workspace.is_begun:
            raise self._missing(set())
        # Gently: on a file system without locks, others may still write what is missing.
        with self._claimed((), gently=True) as is_left:
            if is_left:
                records = self._records(self.plan.units, hashes=recheck, sink=sink)
                if len(records) < self.plan.shards:
                    raise self._missing(set(records))
                for record in records.values():
                    sink.take(record)
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
        """Claim the folder for these units; yields whether anything is left to do."""
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
        """Write a newly given license into the card of a finished build.

        Raises:
            OutputRefused: The card was edited by hand where that edit would be lost.
        """
        self._workspace.tidy()
        folder = DatasetFolder(self.out)
        if self.license and not self.license.is_stated_by(read_card(folder)):
            write_card(folder, self.license)

    @property
    def mtime_tokens(self) -> dict[str, str]:
        """File name → a token that changes with the source's file."""
        return {file.name: file.mtime_token for file in self.source.files}

    @property
    def _with_sample(self) -> bool:
        return layout.SAMPLE in self.options.configs

    def _records(
        self, units: Iterable[Unit], *, hashes: bool, sink: ShardSink = KEEP_HERE
    ) -> dict[int, ShardRecord]:
        """Return the finished shards of these units by number."""
        there = self._workspace.records(
            hashes=hashes, elsewhere=sink.holds, parts_elsewhere=sink.holds_parts
        )
        return {
            shard.number: there[shard.number] for unit in units for shard in unit.finished(there)
        }

    def _check_disk(self, units: Sequence[Unit], there: int, sink: ShardSink = KEEP_HERE) -> None:
        """Raise `DiskTooSmall` if the rest does not fit; `there` bytes are already written."""
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
        """Build the shards of these units that `records` lacks, and add them to it."""
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
            f"{self._workspace.name}: {len(missing)} of {counted(self.plan.shards, 'shard')} "
            f"are missing: {named}{more}\n"
            f"Re-run `mico build --partition I/N` for {self._missing_partitions(finished)}: "
            "finished shards are kept."
        )

    def _missing_partitions(self, finished: set[int]) -> str:
        """Which partitions are to be run, in words."""
        begun = self._workspace.begun_partitions()
        if len(divisions := {of for _, of in begun}) != 1:
            return "each I, with the same N or another"
        of = divisions.pop()
        said = [
            f"{number}/{of} ({'not finished' if (number, of) in begun else 'not begun'})"
            for number in range(1, of + 1)
            if any(unit.missing(finished) for unit in Partition(number, of).take(self.plan))
        ]
        return ", ".join(said)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the build: the same identity gives the same bytes."""
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
        """Return the distinct shapes of the source's files."""
        shapes = [file.shape.to_dict() for file in self.source.files if file.shape]
        different = {json_sha256(shape): shape for shape in shapes}
        return [different[digest] for digest in sorted(different)]

    def _finished_before(self, started: float) -> BuildResult:
        self._update_finished()
        return self._result(Report.of_folder(self.out), self.plan.shards, started)

    def _result(self, report: Report, resumed: int, started: float) -> BuildResult:
        return BuildResult.of_folder(self.out, report, self.plan.shards, resumed, started)


def _bytes(records: Mapping[int, ShardRecord], sink: ShardSink = KEEP_HERE) -> int:
    """Return the bytes that finished shards take on this disk."""
    files = [file for record in records.values() for file in record.parts.values()]
    if sink.shards_here is None:
        files += [file for record in records.values() for file in record.files.values()]
    return sum(file.bytes for file in files)
