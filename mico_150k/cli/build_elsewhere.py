"""`mico build --out URL`."""

from collections.abc import Callable
from dataclasses import asdict, replace

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.executors import Executor
from mico_150k.card.file import License
from mico_150k.cli.build_result import say_built
from mico_150k.cli.terminal import progress, show_json, showing
from mico_150k.io.temporary import temporary_folder
from mico_150k.sources.source import Source


def build_elsewhere(
    source: Source,
    location: str,
    options: BuildOptions,
    choose: Callable[[Build], Executor],
    license: License | None = None,
    *,
    tolerance: float,
    as_json: bool,
) -> None:
    """Build in temporary folders, and send each shard as soon as it is finished.

    `choose` says who does the work.
    """
    from mico_150k.build.sending import UploadExecutor
    from mico_150k.build.upload import RemoteFolder

    with temporary_folder() as here:
        remote = RemoteFolder.open(location, here)
        if license:
            remote.fetch_index()
        planned = Build.prepare(source, here, options, location, license)
        executor = UploadExecutor(choose(planned), remote)
        with progress("building") as on_progress:
            result = planned.run(
                executor=executor, sink=remote, tolerance=tolerance, on_progress=on_progress
            )
        remote.publish()
        files, size = remote.totals()
        whole = replace(result, files=files, bytes=size)
        with showing():
            if as_json:
                show_json({**asdict(whole), "folder": location})
        say_built(whole, location)
