"""Estimates what a push uploads, and whether the account's storage suffices."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mico_150k.build.build import Build
from mico_150k.builders import BUILDERS
from mico_150k.dataset import layout
from mico_150k.hub.remote_state import RemoteState
from mico_150k.hub.repository import Repository
from mico_150k.hub.target import Publication
from mico_150k.io.machine import gigabytes

NEW_SHARE = 0.06
"""The share of bytes that is new in each further configuration of the same images.

Measured with hf_xet over four of them (`scripts/measure_xet.py`): 1 % on average with images of
1.2 MB, 8 % with images of 0.3 MB.
"""

# huggingface.co/docs/hub/storage-limits; for an organization with a plan, its minimum.
_LIMITS = {
    "a free account": (10**12, 100 * 10**9),
    "a PRO account": (10 * 10**12, 10**12),
    "a free organization": (10**12, 100 * 10**9),
    "an organization with one seat": (12 * 10**12, 10**12),
}
"""Bytes of public and of private storage that the owner can rely on."""
_GRANT = "a plan or a grant (datasets@huggingface.co)"


@dataclass(frozen=True, slots=True)
class PushForecast:
    """What a push will upload, in files and bytes.

    `new` estimates what Xet transfers: images that several configurations share are sent once.
    `total` is the final size of the repository, in `total_files` shards. `warnings` are messages
    for the user.
    """

    files: int
    total_files: int
    bytes: int
    new: int
    total: int
    stale: int
    warnings: tuple[str, ...]

    @classmethod
    def of_push(
        cls, publication: Publication, state: RemoteState, warnings: Iterable[str]
    ) -> "PushForecast":
        """Estimate the upload of the missing shards."""
        missing = publication.missing_shards(state.content.files)
        sizes: dict[str, int] = {}
        for path in missing:
            config = path.partition("/")[0]
            sizes[config] = sizes.get(config, 0) + publication.shards[path].bytes
        there = [config for config in publication.manifest["configs"] if config not in sizes]
        return cls(
            files=len(missing),
            total_files=len(publication.shards),
            bytes=sum(sizes.values()),
            new=_new_bytes(sizes, there),
            total=publication.total_bytes,
            stale=len(publication.stale(state.content.files)),
            warnings=tuple(warnings),
        )

    @classmethod
    def of_build(cls, planned: Build, warnings: Iterable[str]) -> "PushForecast":
        """Estimate the upload of a build that sends its shards as it runs."""
        total = planned.forecast.output
        sizes = dict.fromkeys(planned.options.with_images, planned.forecast.images)
        rest = total - sum(sizes.values())
        files = planned.plan.shards * len(sizes)
        return cls(
            files=files,
            total_files=files,
            bytes=total,
            new=_new_bytes({**sizes, layout.INDEX: rest}, ()),
            total=total,
            stale=0,
            warnings=tuple(warnings),
        )

    def seconds(self, megabits: float) -> float:
        """Return the upload time in seconds at a bandwidth of `megabits` per second."""
        return self.new * 8 / (megabits * 1e6)


def _new_bytes(sizes: Mapping[str, int], there: Iterable[str]) -> int:
    """Estimate the new bytes: all of the first configuration, a share of each further one."""
    with_images = [size for config, size in sizes.items() if config in BUILDERS]
    others = sum(size for config, size in sizes.items() if config not in BUILDERS)
    first = 0 if any(config in BUILDERS for config in there) else max(with_images, default=0)
    return first + round((sum(with_images) - first) * NEW_SHARE) + others


def storage_warnings(
    repository: Repository, state: RemoteState, total: int, *, private: bool
) -> Iterator[str]:
    """Yield a warning if the upload may exceed the account's storage.

    The Hub decides; the limits here are the ones it publishes. `private` is the requested
    visibility, which counts if the repository does not exist yet.
    """
    private = private if state.private is None else state.private
    owner = _kind_of_owner(state.account, repository)
    limit = _LIMITS[owner][private]
    if total > limit:
        kind = "private" if private else "public"
        yield (
            f"{gigabytes(total)} of {kind} storage is more than the {gigabytes(limit)} that "
            f"{owner} can rely on: the Hub requires {_GRANT}"
        )


def _kind_of_owner(account: dict[str, Any], repository: Repository) -> str:
    owner = repository.name.partition("/")[0]
    if owner == account["name"]:
        return "a PRO account" if account.get("isPro") else "a free account"
    organisation = next(found for found in account["orgs"] if found["name"] == owner)
    paid = bool(organisation.get("isEnterprise"))
    return "an organization with one seat" if paid else "a free organization"
