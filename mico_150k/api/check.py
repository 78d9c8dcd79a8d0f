"""`check_dataset`: whether a dataset is whole and loads, as `mico check` says it."""

from collections.abc import Callable, Iterator
from itertools import chain

from mico_150k.api.locations import AnyDataset, as_folder
from mico_150k.dataset.reader import Dataset, storage_of
from mico_150k.hub.repository import DEFAULT_BRANCH, Repository
from mico_150k.hub.retry import RetryPolicy
from mico_150k.hub.verify import check_remote
from mico_150k.inspection import check
from mico_150k.inspection.check import Finding
from mico_150k.inspection.dataset_files import RemoteFiles

OnWait = Callable[[str, float], None]
"""Called with why the Hub is waited for, and for how many seconds."""


def check_dataset(
    dataset: AnyDataset,
    *,
    hashes: bool = True,
    remote: str = "",
    revision: str = DEFAULT_BRANCH,
    on_wait: OnWait = lambda *_: None,
) -> Iterator[Finding]:
    """Check that a dataset is what its manifest says, loads, and shows in the Hub's viewer.

    Args:
        dataset: The dataset, or where it lies.
        hashes: Compare every file's SHA-256; otherwise sizes alone.
        remote: Compare this repository on the Hub, `USER/NAME`, with the folder instead.
        revision: The branch, tag or commit of `remote`.
        on_wait: Called when the Hub asks to wait.

    Yields:
        What was looked at; `fault` is true where something is wrong.

    Raises:
        NotADataset: There is no dataset of this format.
        HubError: The Hub cannot be asked, in one of its kinds.
    """
    if remote:
        folder = as_folder(dataset, "mico check --remote")
        repository = Repository(remote, RetryPolicy(on_wait=on_wait))
        yield from check_remote(repository, revision, folder)
        return
    storage = dataset.storage if isinstance(dataset, Dataset) else storage_of(dataset)
    if not storage.is_local:
        yield from check.check_dataset(RemoteFiles(storage), hashes=hashes)
        return
    folder = as_folder(dataset, "mico check")
    yield from chain(check.check_place(folder.path), check.check_dataset(folder, hashes=hashes))
