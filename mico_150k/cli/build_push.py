"""`mico build --push`."""

from mico_150k.build import Build
from mico_150k.card_file import Licence, write_card
from mico_150k.cli.build_result import say_built
from mico_150k.cli.terminal import progress
from mico_150k.dataset_folder import DatasetFolder


def build_and_push(
    planned: Build, name: str, licence: Licence, *, keep: bool, private: bool, tolerance: float
) -> None:
    """Build, with every shard on its way as soon as it is finished; then push what is left."""
    from mico_150k.cli.push import say_pushed
    from mico_150k.hub.push import Push, PushOptions
    from mico_150k.hub.repository import Repository
    from mico_150k.hub.streaming import StreamingPush

    repository = Repository(name)
    folder = DatasetFolder(planned.out)
    if not DatasetFolder.is_built(planned.out):
        outlet = StreamingPush.begin(repository, planned.out, keep=keep, private=private)
        with progress("building and pushing") as on_progress:
            result = planned.run(tolerance=tolerance, outlet=outlet, on_progress=on_progress)
        say_built(result)
    write_card(folder, licence)
    last = Push.prepare(folder, repository, PushOptions(private=private))
    say_pushed(last.run(), last.way)
