"""What is looked at before anything is sent, and what a push will take."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mico_150k import names
from mico_150k.builders import BUILDERS
from mico_150k.check import check_dataset, check_header
from mico_150k.dataset_folder import DatasetFolder
from mico_150k.errors import NoAccess, NoLicence, PushRefused
from mico_150k.forecast import gigabytes
from mico_150k.hub.publication import Publication
from mico_150k.hub.repository import Repository

MOST_SHOWN = 5
NEW_SHARE = 0.06
"""New bytes of each further configuration of the same images. Measured with hf_xet over four of
them (`scripts/measure_xet.py`): 1 % in the mean with images of 1.2 MB, 8 % with 0.3 MB."""

# huggingface.co/docs/hub/storage-limits
FILE_BYTES = 500 * 10**9
FREE_PRIVATE = 100 * 10**9
PAID_PRIVATE = 10**12
FREE_PUBLIC = 10**12
PAID_PUBLIC = 10 * 10**12
_GRANT = "a plan or a grant (datasets@huggingface.co)"


@dataclass(frozen=True, slots=True)
class PushForecast:
    """What a push will send, in files and bytes.

    `new` is what Xet will transfer of it, about: images that several configurations share are
    sent once. `total` is what the repository holds in the end. `warnings` are for a person.
    """

    files: int
    bytes: int
    new: int
    total: int
    stale: int
    warnings: tuple[str, ...]

    def seconds(self, megabits: float) -> float:
        """At so many megabits a second."""
        return self.new * 8 / (megabits * 1e6)


def make_push_forecast(
    publication: Publication,
    missing: list[str],
    stale: list[str],
    warnings: Iterable[str],
) -> PushForecast:
    """The forecast for what is missing."""
    sizes: dict[str, int] = {}
    for path in missing:
        config = path.partition("/")[0]
        sizes[config] = sizes.get(config, 0) + publication.shards[path].bytes
    return PushForecast(
        files=len(missing),
        bytes=sum(sizes.values()),
        new=_new_bytes(publication, sizes),
        total=publication.total_bytes,
        stale=len(stale),
        warnings=tuple(warnings),
    )


def _new_bytes(publication: Publication, sizes: dict[str, int]) -> int:
    """The first configuration of images is new, and a share of every further one."""
    with_images = [config for config in sizes if config in BUILDERS]
    others = sum(size for config, size in sizes.items() if config not in BUILDERS)
    there = [
        config
        for config in publication.manifest["configs"]
        if config in BUILDERS and config not in sizes
    ]
    first = 0 if there else max((sizes[config] for config in with_images), default=0)
    rest = sum(sizes[config] for config in with_images) - first
    return first + round(rest * NEW_SHARE) + others


def storage_warnings(
    account: dict[str, Any], repository: Repository, total: int, *, private: bool
) -> Iterator[str]:
    """Where the account may not hold it. The Hub decides; these are its published limits."""
    owner = repository.name.partition("/")[0]
    if owner != account["name"]:
        if total > FREE_PUBLIC:
            yield f"{gigabytes(total)}: whether {owner} may hold it depends on its plan"
        return
    paid = bool(account.get("isPro"))
    limit = (
        (PAID_PRIVATE if paid else FREE_PRIVATE)
        if private
        else (PAID_PUBLIC if paid else FREE_PUBLIC)
    )
    if total > limit:
        kind = "private" if private else "public"
        yield (
            f"{gigabytes(total)} of {kind} storage is more than the {gigabytes(limit)} that "
            f"{'a PRO' if paid else 'a free'} account may count on: the Hub wants {_GRANT}"
        )


def check_account(account: dict[str, Any], repository: Repository) -> None:
    """Raise `NoAccess` where the token cannot write to the repository's owner."""
    token = account.get("auth", {}).get("accessToken", {})
    if token.get("role") == "read":
        msg = (
            f"The token {token.get('displayName', '')!r} of {account['name']} may only read. "
            "Make one that may write: huggingface.co/settings/tokens."
        )
        raise NoAccess(msg)
    owner = repository.name.partition("/")[0]
    owners = [account["name"], *(found["name"] for found in account.get("orgs", []))]
    if owner not in owners:
        msg = (
            f"The token is {account['name']}'s, who is no member of {owner!r}: it can push to "
            f"{', '.join(owners)}."
        )
        raise NoAccess(msg)


def check_folder(folder: DatasetFolder, publication: Publication, missing: list[str]) -> None:
    """Raise `PushRefused` where the folder is not fit to be pushed.

    Sizes are compared, not hashes: every byte is hashed while it is sent, and compared with the
    manifest before the card is. Shards that are on the Hub already need not be here.
    """
    needed = set(missing)
    faults = [
        f"{finding.where}: {finding.what}"
        for finding in check_dataset(folder, hashes=False)
        if finding.fault and not _is_sent(finding.where, publication, needed)
    ]
    faults += [
        f"{path}: larger than the Hub takes ({gigabytes(FILE_BYTES)})"
        for path in missing
        if publication.shards[path].bytes > FILE_BYTES
    ]
    faults += [
        f"{names.CARD}: {finding.what}"
        for finding in check_header(publication.card.header, publication.manifest)
        if finding.fault
    ]
    if faults:
        more = [f"and {len(faults) - MOST_SHOWN} more"] if len(faults) > MOST_SHOWN else []
        lines = "\n    ".join([*faults[:MOST_SHOWN], *more])
        msg = f"{folder.path} is not fit to be pushed (`mico check` says more):\n    {lines}"
        raise PushRefused(msg)


def _is_sent(where: str, publication: Publication, needed: set[str]) -> bool:
    return where in publication.shards and where not in needed


def check_licence(publication: Publication) -> None:
    """Raise `NoLicence` where the card states none: nobody may guess it."""
    if not (publication.card.header or {}).get("license"):
        msg = (
            f"{names.CARD} states no licence, and a dataset without one can be used by nobody in "
            "good faith. Say which, by the Hub's identifier: --licence cc-by-nc-4.0 "
            "(`unknown` is one of them)."
        )
        raise NoLicence(msg)


def check_metadata(publication: Publication) -> None:
    """Raise `PushRefused` where the Hub would not take the card, before anything is sent."""
    from huggingface_hub import DatasetCard

    try:
        DatasetCard(publication.card.text).validate(repo_type="dataset")
    except ValueError as error:
        msg = f"The Hub does not take the card's header: {error}"
        raise PushRefused(msg) from error
