"""The state of a repository, read before a push creates, uploads or builds anything."""

from dataclasses import dataclass
from typing import Any

from mico_150k.hub import preflight
from mico_150k.hub.content import Content
from mico_150k.hub.repository import (
    DEFAULT_BRANCH,
    PULL_REQUESTS,
    Repository,
    Snapshot,
    require_client,
)


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The state of a repository before a push.

    `account` is the owner of the token. `private` is None if the repository does not exist yet.
    """

    account: dict[str, Any]
    private: bool | None
    content: Content

    @classmethod
    def look(cls, repository: Repository, revision: str, *, private: bool) -> "RemoteState":
        """Read the state of a repository, and check that the token can write to it.

        Args:
            repository: The repository.
            revision: The branch or pull request to push to.
            private: Whether a private repository is requested.

        Raises:
            UsageError: The installed client cannot push.
            HubError: The repository is not writable, is public although a private one is
                requested, or holds a file that would stop readers.
        """
        require_client()
        account = repository.account()
        preflight.check_account(account, repository)
        is_private = repository.is_private()
        if is_private is None:
            return cls(account, None, Content())
        preflight.check_visibility(repository, is_private=is_private, asked=private)
        repository.check_writable()
        snapshot = _look(repository, revision)
        preflight.check_remote_files(repository, revision, snapshot.files)
        return cls(account, is_private, Content.read(repository, snapshot))


def create(repository: Repository, *, private: bool) -> None:
    """Create the repository and check its visibility. Raises `PushRefused`."""
    repository.create(private=private)
    if private:
        is_private = bool(repository.is_private())
        preflight.check_visibility(repository, is_private=is_private, asked=private)


def _look(repository: Repository, revision: str) -> Snapshot:
    """Return the content of a revision; for a new branch, the content that it starts with."""
    if revision == DEFAULT_BRANCH or revision.startswith(PULL_REQUESTS):
        return repository.snapshot(revision)
    there = revision in repository.branches()
    return repository.snapshot(revision if there else DEFAULT_BRANCH)
