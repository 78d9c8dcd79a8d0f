"""The pull request of a push: found again after an interruption, read back, and merged."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mico_150k.core.errors import PushRefused
from mico_150k.hub.repository import DEFAULT_BRANCH, KIND, PULL_REQUESTS, Repository

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TITLE = "Update by mico push"
"""By it, and by its author, an interrupted push finds its own again."""

_UNFINISHED = {"open", "draft"}
_OUTDATED = (
    "The branch or the dataset has changed since this was opened; `mico push` opens another."
)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One of ours. `conflicts` where it can no longer be merged, `empty` without a commit."""

    number: int
    status: str
    conflicts: bool
    empty: bool

    @property
    def revision(self) -> str:
        """What commits to it go to."""
        return f"{PULL_REQUESTS}{self.number}"


def open_pull_request(repository: Repository, author: str) -> PullRequest:
    """The open pull request of ours, or a new one; one that leads nowhere is closed.

    Looks before each try to open one, so that a lost answer opens no second.
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
    """Merge a pull request, which may be a draft; no error where it is merged already."""

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
    """Whether it cannot be merged, or is an empty one, of a state that is no longer there.

    What such a one would be compared with is not what readers have.
    """
    if pull.conflicts or not pull.empty:
        return pull.conflicts
    return repository.commit_of(pull.revision) != repository.commit_of(DEFAULT_BRANCH)


def _details(api: "HfApi", repository: Repository, number: int) -> PullRequest:
    details = api.get_discussion_details(repository.name, number, repo_type=KIND)
    commits = [event for event in details.events if event.type == "commit"]
    return PullRequest(number, details.status, bool(details.conflicting_files), empty=not commits)
