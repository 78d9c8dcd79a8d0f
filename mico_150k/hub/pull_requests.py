"""The pull request of a push: opens it, finds it after an interruption, and merges it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mico_150k.core.errors import PushRefused
from mico_150k.hub.repository import DEFAULT_BRANCH, KIND, PULL_REQUESTS, Repository

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TITLE = "Update by mico push"
"""An interrupted push finds its pull request by this title and its author."""

_UNFINISHED = {"open", "draft"}
_OUTDATED = (
    "The branch or the dataset has changed since this was opened; `mico push` opens another."
)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request of `mico push`.

    `conflicts` is whether it can no longer be merged, `empty` whether it has no commit.
    """

    number: int
    status: str
    conflicts: bool
    empty: bool

    @property
    def revision(self) -> str:
        """The revision that commits to the pull request go to."""
        return f"{PULL_REQUESTS}{self.number}"


def open_pull_request(repository: Repository, author: str) -> PullRequest:
    """Return the open pull request of an earlier push, or a new one; close outdated ones.

    Each retry looks for an open one first, so a lost response does not open a second one.

    Args:
        repository: The repository.
        author: The account that pushes.
    """

    def find_or_open(api: "HfApi") -> PullRequest:
        there = api.get_repo_discussions(
            repository.name, author=author, discussion_type="pull_request", repo_type=KIND
        )
        for found in there:
            if found.title == TITLE and found.status in _UNFINISHED:
                pull = _details(api, repository, found.num)
                if not _is_outdated(repository, pull):
                    return pull
                api.change_discussion_status(
                    repository.name, found.num, "closed", repo_type=KIND, comment=_OUTDATED
                )
        opened = api.create_pull_request(repository.name, TITLE, repo_type=KIND)
        return PullRequest(opened.num, opened.status, conflicts=False, empty=True)

    return repository.ask("opening a pull request", find_or_open)


def merge(repository: Repository, number: int) -> None:
    """Merge a pull request, which may be a draft; do nothing if it is already merged."""

    def merge_it(api: "HfApi") -> None:
        pull = _details(api, repository, number)
        if pull.status == "merged":
            return
        if pull.conflicts:
            raise PushRefused(
                f"{repository.url}/discussions/{number} conflicts with a newer commit. Push "
                "again: that opens another, and uploads only what is missing."
            )
        if pull.status == "draft":
            api.change_discussion_status(repository.name, number, "open", repo_type=KIND)
        api.merge_pull_request(repository.name, number, repo_type=KIND)

    repository.ask(f"merging pull request {number}", merge_it)


def _is_outdated(repository: Repository, pull: PullRequest) -> bool:
    """Whether the pull request has conflicts, or is empty and based on an old commit.

    A push would compare the folder with that old commit, which is not what readers see.
    """
    if pull.conflicts or not pull.empty:
        return pull.conflicts
    return repository.commit_of(pull.revision) != repository.commit_of(DEFAULT_BRANCH)


def _details(api: "HfApi", repository: Repository, number: int) -> PullRequest:
    details = api.get_discussion_details(repository.name, number, repo_type=KIND)
    commits = [event for event in details.events if event.type == "commit"]
    return PullRequest(number, details.status, bool(details.conflicting_files), empty=not commits)
