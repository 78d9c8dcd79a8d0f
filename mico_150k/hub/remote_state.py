"""The state of a repository before a push, read before anything is created, sent or built."""

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
    """`account` is the token's; `private` is None where the repository is not there yet."""

    account: dict[str, Any]
    private: bool | None
    content: Content

    @classmethod
    def look(cls, repository: Repository, revision: str, *, private: bool) -> "RemoteState":
        """Look, with a token that is to write; `private` is what is asked for.

        Raises `UsageError`, and `HubError` in all its kinds: where it may not be written to, is
        public against what is asked for, or holds a file that would stop readers.
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
    """Create it, and look that it is as private as was asked for. Raises `PushRefused`."""
    repository.create(private=private)
    if private:
        is_private = bool(repository.is_private())
        preflight.check_visibility(repository, is_private=is_private, asked=private)


def _look(repository: Repository, revision: str) -> Snapshot:
    """What a revision holds; of a branch that will be made, what it is to begin with."""
    if revision == DEFAULT_BRANCH or revision.startswith(PULL_REQUESTS):
        return repository.snapshot(revision)
    there = revision in repository.branches()
    return repository.snapshot(revision if there else DEFAULT_BRANCH)
