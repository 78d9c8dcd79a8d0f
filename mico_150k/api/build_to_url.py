"""A build whose result lies behind a URL that fsspec writes to, or in a bucket on the Hub."""

from collections.abc import Callable
from dataclasses import replace

from mico_150k.api.progress_bar import OnProgress, default_row_bar
from mico_150k.build.build import Build, BuildOptions, BuildResult
from mico_150k.build.executors import Executor
from mico_150k.build.partition import Partition, PartitionResult
from mico_150k.card.file import License
from mico_150k.io.places import HubBucket, RemoteUrl
from mico_150k.io.temporary import temporary_folder
from mico_150k.sources.source import Source


def build_to_url(
    source: Source,
    place: RemoteUrl | HubBucket,
    options: BuildOptions,
    choose: Callable[[Build], Executor],
    license: License | None,
    tolerance: float,
    on_progress: OnProgress | None,
    *,
    private: bool = False,
    partition: Partition | None = None,
    finish: bool = False,
) -> BuildResult | PartitionResult:
    """Build in temporary folders, and send each shard as soon as it is finished.

    Args:
        source: Where the rows come from.
        place: The URL of the dataset, or its folder in a bucket.
        options: What decides its bytes.
        choose: Says where the planned build runs.
        license: The license for its card.
        tolerance: The share of rows that may be skipped.
        on_progress: Called with the progress.
        private: Whether a bucket that is not there is created as a private one.
        partition: The partition to build, if it is not the whole.
        finish: Complete what was built in partitions.

    Raises:
        RemoteError: The place cannot be written to, or does not keep what was sent.
        OutputRefused: It holds something else.
        ShardsMissing: Partitions are missing.
    """
    from mico_150k.build.sending import UploadExecutor
    from mico_150k.build.upload import RemoteFolder

    with temporary_folder() as here:
        remote = RemoteFolder.open(place, here, private=private, parts=partition is None)
        if license:
            remote.fetch_index()
        planned = Build.prepare(source, here, options, str(place), license)
        if finish:
            result = planned.complete(tolerance=tolerance, sink=remote)
        else:
            executor = UploadExecutor(choose(planned), remote)
            with default_row_bar("building", on_progress) as tell:
                if partition:
                    return planned.run_partition(
                        partition,
                        executor=executor,
                        sink=remote,
                        tolerance=tolerance,
                        on_progress=tell,
                    )
                result = planned.run(
                    executor=executor, sink=remote, tolerance=tolerance, on_progress=tell
                )
        remote.publish()
        files, size = remote.totals()
        return replace(result, location=str(place), files=files, bytes=size)
