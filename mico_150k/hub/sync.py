"""The loop of every upload: compare, send what differs, and compare again."""

from collections.abc import Callable

from mico_150k.core.errors import PushRefused
from mico_150k.hub.repository import Repository, Snapshot
from mico_150k.hub.retry import plain_error
from mico_150k.io.transient import is_transient, status_of


def sync_until_equal(
    repository: Repository,
    revision: str,
    different: Callable[[Snapshot], list[str]],
    send: Callable[[list[str], Snapshot], str],
    known: Snapshot | None = None,
) -> Snapshot:
    """Send what differs until nothing does.

    After one of our own commits, only the files in it are compared. After a transient failure, all
    files are compared, since the response may be lost or somebody else may have committed.

    Args:
        repository: The repository.
        revision: The branch or pull request.
        different: Returns the paths that differ in a snapshot.
        send: Sends these files; returns the commit.
        known: The current content of the revision, if known.

    Returns:
        The snapshot without differences.
    """
    failures = 0
    before: list[str] = []
    sent: list[str] = []
    snapshot = known or repository.snapshot(revision)
    while paths := different(snapshot):
        wrong = [path for path in paths if path in sent]
        if wrong:
            msg = (
                f"{wrong[0]} differs from the manifest: it was changed, or is damaged. `mico "
                "check` lists such files."
            )
            raise PushRefused(msg)
        sent = []
        if paths != before:
            failures = 0
        before = paths
        try:
            commit = send(paths, snapshot)
        except Exception as error:
            doing = f"uploading {paths[0]} to {revision}"
            if not is_transient(error) and not _is_transfer(error):
                told = error.__cause__ if type(error) is RuntimeError else error
                raise plain_error(told or error, repository.name, doing) from error
            failures += 1
            repository.retry.wait(failures, error, repository.name, doing)
            snapshot = repository.snapshot(revision)
        else:
            sent = paths
            snapshot = repository.after(snapshot, commit, paths)
    return snapshot


def _is_transfer(error: Exception) -> bool:
    """Whether sending content failed in a way that may be transient.

    Both hf_xet and the plain client raise a RuntimeError for any cause.
    """
    if type(error) is not RuntimeError or status_of(error):
        return False
    cause = error.__cause__
    return not isinstance(cause, Exception) or is_transient(cause)
