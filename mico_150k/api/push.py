"""`push_dataset`: a dataset folder to the Hub, as `mico push` sends it."""

from collections.abc import Callable, Sequence

from mico_150k.api.card import make_license
from mico_150k.api.check import OnWait
from mico_150k.api.locations import AnyDataset, as_folder
from mico_150k.card.file import License, write_card
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.push import Push, PushOptions, PushProgress, PushResult
from mico_150k.hub.repository import DEFAULT_BRANCH, Repository
from mico_150k.hub.retry import RetryPolicy


def push_dataset(
    dataset: AnyDataset,
    repository: str,
    *,
    configs: Sequence[str] = (),
    private: bool = False,
    revision: str = DEFAULT_BRANCH,
    tag: str = "",
    license: str | License | None = None,
    license_name: str = "",
    license_link: str = "",
    overwrite: bool = False,
    on_outlook: Callable[[Push], None] = lambda _: None,
    on_progress: Callable[[PushProgress], None] = lambda _: None,
    on_wait: OnWait = lambda *_: None,
) -> PushResult:
    """Push a dataset folder to the Hub, or resume a push that was interrupted.

    Only what is missing is sent. Readers see the state before it or the one after it.

    Args:
        dataset: A dataset folder on this machine.
        repository: `USER/NAME`.
        configs: The configurations to push; all by default. `index` is always among them.
        private: Create the repository as a private one.
        revision: The branch to push to.
        tag: A tag for the resulting commit.
        license: The Hub's identifier, such as `cc-by-nc-4.0`; by default what the card states.
        license_name: The name of a license `other`.
        license_link: Where the text of a license `other` is.
        overwrite: Lose what people have changed in the card on the Hub.
        on_outlook: Called with the planned push before anything is sent.
        on_progress: Called with the shards that are on the Hub.
        on_wait: Called when the Hub asks to wait.

    Returns:
        The commit that was read back and compared with the folder.

    Raises:
        HubError: The Hub cannot be reached, or does not take it, in one of its kinds.
        NoLicense: Neither the card nor an argument states a license.
        NotADataset: There is no dataset of this format.
        UsageError: An argument is wrong.
    """
    stated = make_license(license, license_name, license_link)
    options = PushOptions(
        configs=tuple(configs),
        private=private,
        revision=revision,
        tag=tag,
        license=stated,
        overwrite=overwrite,
    )
    planned = plan_push(dataset, repository, options, on_wait)
    on_outlook(planned)
    return run_push(planned, on_progress)


def plan_push(dataset: AnyDataset, repository: str, options: PushOptions, on_wait: OnWait) -> Push:
    """What would be sent; nothing is. Raises as `push_dataset`."""
    folder = as_folder(dataset, "mico push")
    return Push.prepare(folder, Repository(repository, RetryPolicy(on_wait=on_wait)), options)


def run_push(planned: Push, on_progress: Callable[[PushProgress], None]) -> PushResult:
    """Send it, and state the license in the folder's own card as well."""
    if planned.options.license:
        write_card(DatasetFolder(planned.publication.folder), planned.options.license)
    return planned.run(on_progress)
