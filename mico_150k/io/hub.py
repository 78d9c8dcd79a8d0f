"""Datasets on the Hub: their names, and the messages for those that cannot be read."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from mico_150k.io.transient import FORBIDDEN, UNAUTHORISED, is_transient, status_of

_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+(@[\w./-]+)?")
_REPOSITORY = re.compile(r"hf://(?P<kind>datasets/)?(?P<name>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?")


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
    for cause in _causes(error):
        if why := _of_repository(cause, location, name, f"{found['kind'] or ''}{name}", revision):
            return why
        if is_transient(cause):
            return _unreachable(cause, location)
    return ""


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


def _unreachable(error: BaseException, location: str) -> str:
    from huggingface_hub import constants

    if status := status_of(error):
        said = f"answers with status {status}"
    else:
        said = f"cannot be reached: {type(error).__name__}: {error}"
    return (
        f"{location}: {_not_here(location)}the Hub at {constants.ENDPOINT} {said}\n"
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
