"""Datasets on the Hub: their names, and the messages for those that cannot be read."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from mico_150k.core.errors import UsageError
from mico_150k.io.transient import FORBIDDEN, UNAUTHORISED, is_transient, status_of

_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+(@[\w./-]+)?")
_REPOSITORY = re.compile(
    r"hf://(?P<kind>datasets/|buckets/)?(?P<name>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?"
)
BUCKETS = "hf://buckets/"
_CLIENT_OF_BUCKETS = (1, 6)
"""The first huggingface_hub whose file system knows buckets."""


def is_hub_id(location: str) -> bool:
    """Whether a location has the form of a Hub repository: `USER/NAME` or `USER/NAME@REVISION`."""
    return _HUB_ID.fullmatch(location) is not None


def hub_url(location: str) -> str:
    """Return the `hf://` URL of a dataset that is named by its id; any other location as it is.

    A file or folder on this machine takes precedence over a repository of the same name.
    """
    is_here = "://" in location or os.path.lexists(location)
    if is_here or not is_hub_id(location):
        return location
    name, at, revision = location.partition("@")
    # A slash in a revision, as in refs/pr/1, must not become part of the path.
    return f"hf://datasets/{name}{at}{quote(revision, safe='')}"


def why_unreadable(location: str, error: BaseException) -> str:
    """Return why the Hub does not serve a location, and what to do about it.

    Args:
        location: The place as the user named it.
        error: What the Hub's client raised, or what was raised from that.

    Returns:
        The message; empty where the place is not on the Hub, or the error is another one.
    """
    found = _REPOSITORY.match(hub_url(location))
    if not found:
        return ""
    name, revision = found["name"], unquote(found["revision"] or "")
    if found["kind"] == "buckets/":
        said = why_no_bucket(name, error)
        return f"{location}: {said}" if said else ""
    for cause in _causes(error):
        if why := _of_repository(cause, location, name, f"{found['kind'] or ''}{name}", revision):
            return why
        if is_transient(cause):
            return f"{location}: {_not_here(location)}{_unreachable(cause)}"
    return ""


def why_no_bucket(name: str, error: BaseException) -> str:
    """Why the Hub does not serve a bucket, `USER/BUCKET`, and what to do about it.

    Args:
        name: The bucket.
        error: What the Hub's client raised, or what was raised from that.

    Returns:
        The message, without the location; empty where the error is another one.
    """
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/buckets/{name}"
    said = {
        UNAUTHORISED: "the Hub does not accept your token. Log in with `hf auth login`.",
        FORBIDDEN: f"your token for the Hub has no permission for the bucket {name}.\n"
        f"Ask for access on {page}, or log in as another user with `hf auth login`.",
    }
    for cause in _causes(error):
        if isinstance(cause, getattr(errors, "BucketNotFoundError", ())):
            return (
                f"the Hub has no bucket {name} that you can read.\n"
                "Check the spelling. If it is a private bucket, log in with `hf auth login`."
            )
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set, so the Hub is not asked."
        if (status := status_of(cause)) in said:
            return said[status]
        if is_transient(cause):
            return _unreachable(cause)
    return ""


def require_buckets(location: str) -> None:
    """Raise `UsageError` where the huggingface_hub that is installed knows no buckets."""
    import huggingface_hub

    version = huggingface_hub.__version__
    if tuple(int(part) for part in version.split(".")[:2]) < _CLIENT_OF_BUCKETS:
        needed = ".".join(map(str, _CLIENT_OF_BUCKETS))
        msg = (
            f"{location}: a bucket needs huggingface_hub {needed} or later, and {version} is "
            f"installed: pip install 'huggingface_hub>={needed}'"
        )
        raise UsageError(msg)


def _of_repository(error: BaseException, location: str, name: str, path: str, revision: str) -> str:
    """Return the message for a repository that is missing, gated or not accessible."""
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"{constants.ENDPOINT}/{path}"
    if isinstance(error, OfflineModeIsEnabled):
        return f"{location}: {_not_here(location)}HF_HUB_OFFLINE is set, so the Hub is not asked."
    if isinstance(error, GatedRepoError):
        return (
            f"{location}: {name} is gated on the Hub.\n"
            f"Accept its terms on {page}, and log in with `hf auth login`, or set HF_TOKEN."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{location}: {name} has no revision {revision!r} on the Hub.\nSee {page}/tree/main"
    if isinstance(error, RepositoryNotFoundError):
        whose = "that your token can read" if get_token() else "that is public"
        private = "ask its owner for access" if get_token() else "log in with `hf auth login`"
        return (
            f"{location}: {_not_here(location)}the Hub has no dataset {name} {whose}.\n"
            f"Check the spelling. If it is a private dataset, {private}."
        )
    refused = {
        UNAUTHORISED: "the Hub does not accept your token. Log in with `hf auth login`.",
        FORBIDDEN: f"your token for the Hub may not read {name}.\n"
        f"Ask for access on {page}, or log in as another user with `hf auth login`.",
    }
    status = status_of(error)
    return f"{location}: {refused[status]}" if status in refused else ""


def _unreachable(error: BaseException) -> str:
    from huggingface_hub import constants

    if status := status_of(error):
        said = f"answers with status {status}"
    else:
        said = f"cannot be reached: {type(error).__name__}: {error}"
    return (
        f"the Hub at {constants.ENDPOINT} {said}\n"
        "Check the network, and HF_ENDPOINT if it is set; then run the command again."
    )


def _not_here(location: str) -> str:
    """Return that a location is not a folder here either, and similar names beside it."""
    if not is_hub_id(location):
        return ""
    parent = Path(location).parent
    if parent.is_dir():
        return f"there is no such folder in {parent} on this machine, and "
    return "there is no such folder on this machine, and "


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and the chain of its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
