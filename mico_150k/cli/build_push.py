"""`mico build --push`."""

from mico_150k.build.build import Build
from mico_150k.card.file import License, write_card
from mico_150k.cli.build_result import say_built
from mico_150k.cli.hub import open_repository, say_transfer
from mico_150k.cli.push import say_pushed
from mico_150k.cli.terminal import progress, say
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.push import Push, PushOptions
from mico_150k.hub.push_forecast import PushForecast, storage_warnings
from mico_150k.hub.streaming import StreamingPush


def build_and_push(
    planned: Build, name: str, license: License, *, keep: bool, private: bool, tolerance: float
) -> None:
    """Build, with shards on their way as they are finished; then push what is left."""
    repository = open_repository(name)
    folder = DatasetFolder(planned.out)
    if not planned.is_finished():
        sink = StreamingPush.prepare(repository, planned.out, keep=keep, private=private)
        total = planned.forecast.output
        warnings = storage_warnings(repository, sink.state, total, private=private)
        forecast = PushForecast.of_build(planned, warnings)
        say("{} rows to {}, a new dataset", planned.forecast.rows, repository.name)
        say_transfer(forecast, f"about {forecast.files} shards")
        sink.begin()
        with progress("building and pushing") as on_progress:
            result = planned.run(tolerance=tolerance, sink=sink, on_progress=on_progress)
        say_built(result)
    options = PushOptions(private=private, license=license)
    last = Push.prepare(folder, repository, options)
    write_card(folder, license)
    say_pushed(last.run(), last.way)
