"""Checks, before anything is sent, for what would stop a push half way or mislead readers."""

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
"""What the Hub takes as one file: huggingface.co/docs/hub/storage-limits."""


def check_account(account: dict[str, Any], repository: Repository) -> None:
    """Raise `NoAccess` where the token cannot write to the repository's owner."""
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
    """Raise `PushRefused` where a private repository is asked for, and this one is public."""
    if asked and not is_private:
        msg = (
            f"{repository.url} is public, and --private asks for a private one. Make it private "
            f"({repository.url}/settings), or push without --private."
        )
        raise PushRefused(msg)


def script_of(repository: Repository) -> str:
    """The file that stops `load_dataset` where it lies in the repository."""
    return f"{repository.name.rpartition('/')[2]}.py"


def check_remote_files(repository: Repository, revision: str, there: Iterable[str]) -> None:
    """Raise `PushRefused` for files there that would stop readers, or be taken for ours."""
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
    """Raise `PushRefused` where the folder is not fit to be pushed.

    Sizes are compared, not hashes: every byte is hashed while it is sent, and compared with the
    manifest before the card is. Shards that are on the Hub already need not be here.
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
    """The first of them, and how many more there are."""
    more = [f"and {len(found) - MOST_SHOWN} more"] if len(found) > MOST_SHOWN else []
    return separator.join([*found[:MOST_SHOWN], *more])


def _is_sent(where: str, publication: Publication, needed: set[str]) -> bool:
    return where in publication.shards and where not in needed


def check_license(publication: Publication) -> None:
    """Raise `NoLicense` where the card states none: nobody may guess it."""
    if not (publication.card.header or {}).get("license"):
        msg = (
            f"{layout.CARD} states no license, and without one nobody may use the dataset. Choose "
            "one of the Hub's identifiers: --license cc-by-nc-4.0 (`unknown` is one of them)."
        )
        raise NoLicense(msg)


def check_metadata(publication: Publication) -> None:
    """Raise `PushRefused` where the Hub would not take the card, before anything is sent."""
    from huggingface_hub import DatasetCard

    try:
        DatasetCard(publication.card.text).validate(repo_type="dataset")
    except ValueError as error:
        msg = f"The Hub rejects the card's header: {error}"
        raise PushRefused(msg) from error
