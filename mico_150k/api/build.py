"""`build_dataset`: a dataset from a source, as `mico build` makes it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mico_150k.api.build_to_hub import HubBuildResult, build_to_hub
from mico_150k.api.build_to_url import build_to_url
from mico_150k.api.check import OnWait
from mico_150k.api.progress_bar import OnProgress, default_row_bar
from mico_150k.build.build import CONFIGS, Build, BuildOptions, BuildResult
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.executors import Executor, InProcess
from mico_150k.build.forecast import building_memory, choose_workers, image_room
from mico_150k.build.output import checked_out, checked_work
from mico_150k.build.partition import Partition, PartitionResult
from mico_150k.build.plan import SHARD_BYTES
from mico_150k.build.processes import Processes
from mico_150k.card.file import License
from mico_150k.core.errors import NoLicense, UsageError
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.hub.push import PushProgress
from mico_150k.hub.push_forecast import PushForecast
from mico_150k.hub.repository import Repository
from mico_150k.hub.retry import RetryPolicy
from mico_150k.hub.streaming import HubTarget
from mico_150k.images.header import Verify
from mico_150k.images.pixels import require_decoder
from mico_150k.io.hub import require_buckets
from mico_150k.io.machine import parse_size
from mico_150k.io.places import HubBucket, HubDataset, LocalFolder, Place, RemoteUrl
from mico_150k.sources import DEMO, Source, open_source


@dataclass(frozen=True, slots=True)
class BuildOutlook:
    """What a build is about to do.

    Attributes:
        build: The planned build, with its forecast of bytes.
        executor: Where it runs, in words: `2 workers`.
        memory: Bytes that it needs, about.
        seconds: How long it takes, about.
    """

    build: Build
    executor: str
    memory: int
    seconds: float


Result = TypeVar("Result", bound=BuildResult | PartitionResult | HubBuildResult)
OnBuildOutlook = Callable[[BuildOutlook], None]


def build_dataset(
    source: Source | str | Path | Callable[[], Source] = DEMO,
    out: str | Path | None = None,
    *,
    configs: Sequence[str] = CONFIGS,
    verify: str = Verify.STRUCTURE.value,
    tolerance: float = TOLERANCE,
    shard_mb: int = SHARD_BYTES >> 20,
    seed: int = 0,
    license: str | License | None = None,
    workers: int | None = None,
    max_memory: str | None = None,
    ray_address: str | None = None,
    partition: str | None = None,
    finish: bool = False,
    overwrite: bool = False,
    recheck: bool = False,
    private: bool = False,
    work: str | Path | None = None,
    on_outlook: OnBuildOutlook = lambda _: None,
    on_progress: OnProgress | None = None,
    on_forecast: Callable[[PushForecast], None] = lambda _: None,
    on_transfer: Callable[[PushProgress], None] = lambda _: None,
    on_wait: OnWait = lambda *_: None,
) -> BuildResult | PartitionResult | HubBuildResult:
    """Build a dataset from a source, or resume a build that was interrupted.

    Args:
        source: What `open_source` returns, a function that calls it, or a location that it opens.
        out: The folder to write; a URL that fsspec writes to, such as `s3://bucket/name`;
            `hf://buckets/USER/BUCKET/FOLDER`; or `hf://datasets/USER/NAME`, an unpublished
            repository that gets shards as they finish.
            By default `mico-150k`, or `mico-demo` for the demo.
        configs: The configurations to write.
        verify: How much of each image is checked: `header`, `structure` or `decode`.
        tolerance: The share of rows that may be skipped, 0 to 1.
        shard_mb: MiB of images in a shard, about.
        seed: Decides the order of shards and the configuration `sample`.
        license: The Hub's identifier of the dataset's license, for its card.
        workers: Processes; by default as many as cores, work and memory allow.
        max_memory: What the build may use, such as `12GB`; by default all that is free.
        ray_address: Build on a Ray cluster: its address, `auto` for the one around, or `local`.
        partition: Build one of N partitions alone, such as `3/8`; `finish` completes them.
        finish: Complete what was built in partitions; nothing is read.
        overwrite: Replace another build in the folder.
        recheck: Read finished shards again instead of trusting their size.
        private: Create the repository or bucket on the Hub as a private one.
        work: Where shards wait for the Hub, and what is needed to resume; by default in the cache.
        on_outlook: Called with what will be done before the first row is read.
        on_progress: Called with the progress. Without it, a bar is drawn on a terminal and in a
            notebook.
        on_forecast: Called with what will be sent to the Hub, before anything is.
        on_transfer: Called when the Hub holds more shards.
        on_wait: Called when the Hub asks to wait.

    Returns:
        What was built; with `partition`, what was built of that; with a repository on the Hub, the
        commit that holds it.

    Raises:
        UsageError: An argument is wrong, has no effect beside another, or does not fit `out`.
        MissingPackage: `verify` or `executor` needs a package that is not installed.
        SourceError: The source is not what a build can read, in one of its kinds.
        OutputRefused: The folder holds something else.
        TooManySkipped: More rows than `tolerance` are unusable.
        DiskTooSmall: The result will not fit.
        HubError: The Hub cannot be reached, or does not take it, in one of its kinds.
    """
    started = time.monotonic()
    require_decoder(Verify(verify))
    options = BuildOptions(
        configs=tuple(name for name in CONFIGS if name in configs)
        if set(configs) <= set(CONFIGS)
        else tuple(configs),
        verify=Verify(verify),
        shard_bytes=shard_mb << 20,
        seed=seed,
    )
    stated = License(license) if isinstance(license, str) else license
    memory = parse_size(max_memory) if max_memory is not None else None
    part = Partition.parse(partition) if partition is not None else None
    if out is None:
        source = _opened(source)
        out = default_out(source.kind)
    place = checked_out(str(out))
    given = {
        "--partition": part is not None,
        "--finish": finish,
        "--overwrite": overwrite,
        "--recheck": recheck,
        "--executor ray": ray_address is not None,
        "--workers": workers is not None,
        "--max-memory": memory is not None,
        "--work": work is not None,
        "--private": private,
    }
    _refuse_misplaced(place, given)
    _refuse_unused(given)

    def choose(planned: Build) -> Executor:
        executor, outlook = _choose(planned, workers, memory, ray_address)
        on_outlook(outlook)
        return executor

    if isinstance(place, HubDataset):
        if ray_address is not None:
            msg = f"--executor ray is for a build into a folder, which {place} is not."
            raise UsageError(msg)
        if stated is None:
            msg = f"--out {place} publishes: say under which license, as `--license cc-by-nc-4.0`."
            raise NoLicense(msg)
        folder = checked_work(str(work)) if work is not None else None
        # Before the source is read, which may take minutes.
        repository = Repository(place.name, RetryPolicy(on_wait=on_wait))
        target = HubTarget.look(repository, private=private)
        opened = _opened(source)
        with default_row_bar("building and sending", on_progress) as tell:
            published = build_to_hub(
                opened,
                target,
                options,
                stated,
                work=folder,
                tolerance=tolerance,
                choose_executor=choose,
                on_forecast=on_forecast,
                on_progress=tell,
                on_transfer=on_transfer,
            )
        return _timed(published, started)
    if isinstance(place, HubBucket):
        require_buckets(str(place))  # before the source is read, which may take minutes
    opened = _opened(source)
    if isinstance(place, RemoteUrl | HubBucket):
        sent = build_to_url(
            opened,
            place,
            options,
            choose,
            stated,
            tolerance,
            on_progress,
            private=private,
            partition=part,
            finish=finish,
        )
        return _timed(sent, started)
    planned = Build.prepare(opened, place.path, options, license=stated)
    if finish:
        return _timed(planned.complete(recheck=recheck, tolerance=tolerance), started)
    executor = choose(planned)
    with default_row_bar("building", on_progress) as tell:
        if part:
            built = planned.run_partition(
                part, recheck=recheck, tolerance=tolerance, executor=executor, on_progress=tell
            )
            return _timed(built, started)
        whole = planned.run(
            overwrite=overwrite,
            recheck=recheck,
            tolerance=tolerance,
            executor=executor,
            on_progress=tell,
        )
    return _timed(whole, started)


_REFUSED = {
    "--partition": (("--finish", "--overwrite"), "a build without --partition"),
    "--finish": (
        ("--workers", "--max-memory", "--executor ray", "--overwrite"),
        "a build without --finish, which writes no shard",
    ),
    "--overwrite": (("--recheck",), "a build without --overwrite, which keeps no shard"),
    "--executor ray": (("--workers", "--max-memory"), "--executor local; Ray knows its nodes"),
}
"""Option → the options that have no effect beside it, and what those are for."""


def _refuse_misplaced(place: Place, given: Mapping[str, bool]) -> None:
    """Raise `UsageError` for options that are for another kind of place."""
    refused = {
        ("--overwrite", "--recheck"): (LocalFolder, "a folder on this machine"),
        ("--partition", "--finish"): (
            LocalFolder | RemoteUrl | HubBucket,
            "a folder, a bucket or an object store",
        ),
        ("--work",): (HubDataset, "--out hf://datasets/USER/NAME"),
        ("--private",): (
            HubDataset | HubBucket,
            "--out hf://datasets/USER/NAME and hf://buckets/USER/BUCKET",
        ),
    }
    for options, (kinds, purpose) in refused.items():
        if not isinstance(place, kinds) and any(given[name] for name in options):
            are = "is" if len(options) == 1 else "are"
            msg = f"--out {place}: {' and '.join(options)} {are} for {purpose}."
            raise UsageError(msg)


def _refuse_unused(given: Mapping[str, bool]) -> None:
    """Raise `UsageError` for options that have no effect beside others."""
    for option, (others, purpose) in _REFUSED.items():
        unused = [name for name in others if given[name]]
        if given[option] and unused:
            are = "is" if len(unused) == 1 else "are"
            msg = f"{', '.join(unused)} {are} for {purpose}."
            raise UsageError(msg)


def _timed(result: Result, started: float) -> Result:
    """The result with the time since then: reading headers and planning take a part of it."""
    return replace(result, seconds=time.monotonic() - started)


def default_out(kind: str) -> str:
    """The folder of a build where none is given, by the kind of its source."""
    return layout.DEMO_DATASET if kind == DEMO else layout.DATASET


def _opened(source: Source | str | Path | Callable[[], Source]) -> Source:
    if isinstance(source, str | Path):
        return open_source(str(source))
    return source() if callable(source) else source


def _choose(
    planned: Build, asked: int | None, max_memory: int | None, ray_address: str | None
) -> tuple[Executor, BuildOutlook]:
    """Where the build runs. Raises `MemoryTooSmall`, `ExecutorMissing`."""
    executor: Executor
    if ray_address is not None:
        from mico_150k.build.ray import RayCluster

        executor = RayCluster(ray_address)
        workers = 1
        nodes, cores = executor.size
        where = f"{counted(nodes, 'node')} with {counted(cores, 'core')}, each unit at most"
    else:
        workers = choose_workers(planned.source, planned.plan, asked, max_memory)
        room = image_room(planned.source, planned.plan, workers, max_memory)
        executor = InProcess(room) if workers == 1 else Processes(workers, image_room=room)
        where = counted(workers, "worker")
    memory = building_memory(planned.source, planned.plan, workers)
    return executor, BuildOutlook(planned, where, memory, planned.forecast.seconds / workers)
