"""A build whose result is a dataset on the Hub, on a disk that may be smaller than the data.

    look ──► plan ──► shards, each sent ──► card and small files ──► read back ──► clean up

What it takes to resume lies in a work folder, which is removed at the end.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.executors import Executor, InProcess
from mico_150k.card.file import License
from mico_150k.core.errors import DiskTooSmall
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.push import Push, PushOptions, PushProgress
from mico_150k.hub.push_forecast import PushForecast, storage_warnings
from mico_150k.hub.streaming import HubTarget, StreamingPush, lost_shards
from mico_150k.hub.work_folder import WORK_FOLDERS, HubWorkFolder, default_work_folder
from mico_150k.io.cache import cache_folder
from mico_150k.io.places import HubDataset
from mico_150k.sources.source import Source


@dataclass(frozen=True, slots=True)
class HubBuildResult:
    """A build that is published, and was read back.

    Attributes:
        url: The dataset's page.
        commit: The commit that holds it.
        rows_read: Rows of the source.
        rows: Rows written.
        skipped: Rows skipped, by reason.
        files: Shards on the Hub, of all configurations.
        bytes: Their bytes.
        shards: Shards of one configuration.
        resumed: Those that were finished before this run.
        was_published: Whether this very build was published already, and nothing was done.
        seconds: How long this run took.
    """

    url: str
    commit: str
    rows_read: int
    rows: int
    skipped: dict[str, int]
    files: int
    bytes: int
    shards: int
    resumed: int
    was_published: bool
    seconds: float

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any], **known: Any) -> "HubBuildResult":  # noqa: ANN401 - fields
        """The result of a build whose manifest is on the Hub; `known` are the other fields."""
        files = [file for shards in manifest["configs"].values() for file in shards.values()]
        return cls(
            rows_read=manifest["rows_read"],
            rows=manifest["rows"],
            skipped=manifest["skipped"],
            files=len(files),
            bytes=sum(file["bytes"] for file in files),
            **known,
        )


def build_to_hub(
    source: Source,
    target: HubTarget,
    options: BuildOptions,
    license: License,
    *,
    work: Path | None = None,
    tolerance: float = TOLERANCE,
    choose_executor: Callable[[Build], Executor] = lambda _: InProcess(),
    on_forecast: Callable[[PushForecast], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_transfer: Callable[[PushProgress], None] = lambda _: None,
) -> HubBuildResult:
    """Build a dataset and publish it on the Hub, sending shards as they finish.

    A shard is removed here once the Hub holds it. A run that was stopped resumes from its work
    folder and from what the Hub holds. A repository that holds this very build is left as it is.

    Args:
        source: The release to build from.
        target: An unpublished repository, from `HubTarget.look`.
        options: What decides the dataset's bytes.
        license: The license that the card states.
        work: The work folder; by default one in the cache, named by repository and build.
        tolerance: The share of rows that may be skipped.
        choose_executor: Says who does the work, on this machine, once the build is planned.
        on_forecast: Called with what will be sent, before anything is.
        on_progress: Called when a row group is written.
        on_transfer: Called when the Hub holds more shards. While shards are being built, the
            totals are estimates.

    Returns:
        The dataset's page and commit, and what became of the rows.

    Raises:
        PushRefused: The repository is published, and does not hold this build.
        OutputRefused: The work folder holds something else, or another run works in it.
        DiskTooSmall: The work folder's disk is too small, or full.
        MicoError: What `Build.run` and `Push.run` raise. What the Hub has then is kept.
    """
    started = time.monotonic()
    repository = target.repository
    place = work or cache_folder() / WORK_FOLDERS
    planned = Build.prepare(source, place, options, str(HubDataset(repository.name)), license)
    identity = planned.identity()
    folder = HubWorkFolder(work or default_work_folder(repository.name, repository.url, identity))
    planned = replace(planned, out=folder.dataset)
    claim = {
        "repository": repository.url,
        "build": {"identity": identity, "mtime_tokens": planned.mtime_tokens},
    }
    content = target.state.content
    states_license = license.is_stated_by(content.card)
    if states_license and target.holds_build(identity, (*options.configs, layout.INDEX)):
        folder.clear_finished(claim)
        return HubBuildResult.of_manifest(
            content.manifest or {},
            url=repository.url,
            commit=content.snapshot.commit,
            shards=planned.plan.shards,
            resumed=planned.plan.shards,
            was_published=True,
            seconds=time.monotonic() - started,
        )
    target.refuse_published()
    executor = choose_executor(planned)
    forecast = _forecast(planned, target)
    on_forecast(forecast)

    def tell(files: int, size: int) -> None:
        on_transfer(PushProgress(files, forecast.total_files, size, forecast.total))

    with _another_disk_may_do(), folder.claimed(claim):
        dataset = DatasetFolder(folder.dataset)
        # The repository may have been removed since the build was finished, and be new.
        if planned.is_finished() and lost_shards(
            dataset.path, dataset.manifest["configs"], content.snapshot
        ):
            folder.clear()
        sink = StreamingPush(target, dataset.path, workers=executor.workers, on_sent=tell)
        planned.check_disk(sink)
        sink.begin()
        built = planned.run(
            executor=executor, sink=sink, tolerance=tolerance, on_progress=on_progress
        )
        last = PushOptions(private=target.private, license=license)
        pushed = Push.prepare(dataset, repository, last).run(on_transfer)
        manifest = dataset.manifest
        folder.clear()
    return HubBuildResult.of_manifest(
        manifest,
        url=pushed.url,
        commit=pushed.commit,
        shards=built.shards,
        resumed=built.resumed,
        was_published=False,
        seconds=time.monotonic() - started,
    )


def _forecast(planned: Build, target: HubTarget) -> PushForecast:
    total = planned.forecast.output
    private = target.private
    warnings = storage_warnings(target.repository, target.state, total, private=private)
    return PushForecast.of_build(planned, warnings)


@contextmanager
def _another_disk_may_do() -> Iterator[None]:
    """Say the way out where the disk of the work folder is too small."""
    try:
        yield
    except DiskTooSmall as error:
        msg = f"{error}\nShards wait there until they are sent; --work FOLDER names another disk."
        raise DiskTooSmall(msg) from error
