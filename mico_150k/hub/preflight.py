"""Checks, before any upload, for what would interrupt a push or mislead readers."""

from collections.abc import Iterable
from typing import Any

from mico_150k.core.errors import NoAccess, NoLicense, PushRefused
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.repository import Repository
from mico_150k.hub.target import Publication, foreign_files
from mico_150k.inspection.check import check_dataset, check_header
from mico_150k.io.machine import gigabytes

MOST_SHOWN = 5
FILE_BYTES = 500 * 10**9
"""The largest file that the Hub accepts: huggingface.co/docs/hub/storage-limits."""


def check_account(account: dict[str, Any], repository: Repository) -> None:
    """Raise `NoAccess` if the token cannot write to the namespace of the repository."""
    token = account.get("auth", {}).get("accessToken", {})
    if token.get("role") == "read":
        msg = (
            f"The token {token.get('displayName', '')!r} of {account['name']} may only read. "
            "Create one that may write: huggingface.co/settings/tokens."
        )
        raise NoAccess(msg)
    owner = repository.name.partition("/")[0]
    owners = [account["name"], *(found["name"] for found in account.get("orgs", []))]
    if owner not in owners:
        msg = (
            f"The token belongs to {account['name']}, who is not a member of {owner!r}: it can "
            f"push to {', '.join(owners)}."
        )
        raise NoAccess(msg)


def check_visibility(repository: Repository, *, is_private: bool, asked: bool) -> None:
    """Raise `PushRefused` if a private repository is requested but this one is public."""
    if asked and not is_private:
        msg = (
            f"{repository.url} is public, and --private asks for a private one. Make it private "
            f"({repository.url}/settings), or push without --private."
        )
        raise PushRefused(msg)


def script_of(repository: Repository) -> str:
    """Return the name of the file that would make `load_dataset` fail in this repository."""
    return f"{repository.name.rpartition('/')[2]}.py"


def check_remote_files(repository: Repository, revision: str, there: Iterable[str]) -> None:
    """Raise `PushRefused` for remote files that would stop readers or be mistaken for shards."""
    paths = list(there)
    found = [*(path for path in paths if path == script_of(repository)), *foreign_files(paths)]
    if found:
        msg = (
            f"{repository.url} holds {shown(found)}: load_dataset fails from datasets 4 on with a "
            "script named like the repository, and folders of configurations may only have "
            "shards. Remove these files first:\n"
            f"    hf repos delete-files {repository.name} --type dataset --revision {revision} "
            f"{' '.join(map(repr, found[:MOST_SHOWN]))}"
        )
        raise PushRefused(msg)


def check_folder(folder: DatasetFolder, publication: Publication, missing: list[str]) -> None:
    """Raise `PushRefused` if the folder cannot be pushed.

    Only sizes are compared: the upload hashes every byte, and the push compares the hashes with the
    manifest before it sends the card. Shards that are already on the Hub may be missing locally.

    Args:
        folder: The dataset folder.
        publication: The state that the push aims at.
        missing: Paths of the shards that are not on the Hub.
    """
    lost = [path for path in missing if not (folder.path / path).is_file()]
    if lost:
        msg = (
            f"{shown(lost)}: neither in {folder.path} nor on the Hub. Build it into another "
            "folder, and push that: the same source and options give the same bytes, and files "
            "that the Hub has are not uploaded again."
        )
        raise PushRefused(msg)
    needed = set(missing)
    faults = [
        f"{finding.where}: {finding.what}"
        for finding in check_dataset(folder, hashes=False)
        if finding.fault and not _is_sent(finding.where, publication, needed)
    ]
    faults += [
        f"{path}: larger than the Hub accepts ({gigabytes(FILE_BYTES)})"
        for path in missing
        if publication.shards[path].bytes > FILE_BYTES
    ]
    faults += [
        f"{layout.CARD}: {finding.what}"
        for finding in check_header(publication.card.header, publication.manifest)
        if finding.fault
    ]
    if faults:
        lines = shown(faults, "\n    ")
        msg = f"{folder.path} cannot be pushed (run `mico check` for details):\n    {lines}"
        raise PushRefused(msg)


def shown(found: list[str], separator: str = ", ") -> str:
    """Join the first items and the number of further ones."""
    more = [f"and {len(found) - MOST_SHOWN} more"] if len(found) > MOST_SHOWN else []
    return separator.join([*found[:MOST_SHOWN], *more])


def _is_sent(where: str, publication: Publication, needed: set[str]) -> bool:
    return where in publication.shards and where not in needed


def check_license(publication: Publication) -> None:
    """Raise `NoLicense` if the card states no license: a license must not be guessed."""
    if not (publication.card.header or {}).get("license"):
        msg = (
            f"{layout.CARD} states no license, and without one nobody may use the dataset. Choose "
            "one of the Hub's identifiers: --license cc-by-nc-4.0 (`unknown` is one of them)."
        )
        raise NoLicense(msg)


def check_metadata(publication: Publication) -> None:
    """Raise `PushRefused` if the Hub would reject the card."""
    from huggingface_hub import DatasetCard

    try:
        DatasetCard(publication.card.text).validate(repo_type="dataset")
    except ValueError as error:
        msg = f"The Hub rejects the card's header: {error}"
        raise PushRefused(msg) from error
