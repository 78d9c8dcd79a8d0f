"""One dataset repository on the Hub: retries requests and turns errors into messages."""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from mico_150k.core.errors import NoRepository, UsageError
from mico_150k.hub.retry import RetryPolicy
from mico_150k.io.places import repository_name

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")

DEFAULT_BRANCH = "main"
PULL_REQUESTS = "refs/pr/"
"""The prefix of a pull request's revision."""
KIND = "dataset"
MIN_CLIENT = 2
"""The first major version of huggingface_hub whose `upload_folder` resumes after interruptions."""
BATCH_FILES = 100
"""Shards in one commit: what the Hub recommends at most, 50 GB of them.

A request for the state of files asks for at most as many paths.
"""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub lists it: large ones have a SHA-256, others git's blob id (`blob`)."""

    size: int
    sha256: str
    blob: str

    def holds(self, content: bytes) -> bool:
        """Whether the file has this content."""
        if self.size != len(content):
            return False
        if self.sha256:
            return self.sha256 == sha256(content).hexdigest()
        # git's blob id.
        return self.blob == sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All files of a revision, and the commit at which they were listed."""

    commit: str
    files: dict[str, RemoteFile]


class Repository:
    """A dataset repository, named `user/name` or `hf://datasets/user/name`."""

    def __init__(self, name: str, retry: RetryPolicy | None = None) -> None:
        """Name a repository, without sending a request.

        Args:
            name: `user/name` or `hf://datasets/user/name`.
            retry: How requests are retried.

        Raises:
            UsageError: `name` is not a valid repository name.
        """
        _check_endpoint()
        name = repository_name(name)
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        try:
            validate_repo_id(name)
        except HFValidationError as error:
            raise UsageError(f"{name!r} is not the name of a repository: {error}") from error
        if "/" not in name:
            msg = f"{name!r}: name the repository with its owner, as in `user/{name}`."
            raise UsageError(msg)
        self.name = name
        self.retry = retry or RetryPolicy()

    @property
    def url(self) -> str:
        """The URL of its page."""
        return f"{self._api.endpoint}/datasets/{self.name}"

    @property
    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi()

    def ask(self, doing: str, call: Callable[["HfApi"], T]) -> T:
        """Return the result of `call`, with retries; `doing` describes it in messages."""
        return self.retry.call(self.name, doing, lambda: call(self._api))

    def account(self) -> dict[str, Any]:
        """Return the account that the token belongs to. Raises `NoAccess`."""
        found: dict[str, Any] = self.ask("checking the token", lambda api: api.whoami())
        return found

    def is_private(self) -> bool | None:
        """Whether the repository is private; None if the token cannot see such a repository."""
        try:
            info = self.ask("looking for the repository", lambda api: api.dataset_info(self.name))
        except NoRepository:
            return None
        return bool(info.private)

    def create(self, *, private: bool) -> None:
        """Create the repository unless it exists. If not private, the owner's default applies."""
        self.ask(
            "creating the repository",
            lambda api: api.create_repo(
                self.name, repo_type=KIND, private=private or None, exist_ok=True
            ),
        )

    def check_writable(self) -> None:
        """Raise `NoAccess` if the token cannot write to the repository."""
        self.ask(
            "checking for write access",
            lambda api: api.auth_check(self.name, repo_type=KIND, write=True),
        )

    def branches(self) -> dict[str, str]:
        """Return the commit of each branch."""
        refs = self.ask(
            "listing branches", lambda api: api.list_repo_refs(self.name, repo_type=KIND)
        )
        return {branch.name: branch.target_commit for branch in refs.branches}

    def tags(self) -> dict[str, str]:
        """Return the commit of each tag."""
        refs = self.ask("listing tags", lambda api: api.list_repo_refs(self.name, repo_type=KIND))
        return {tag.name: tag.target_commit for tag in refs.tags}

    def create_branch(self, name: str) -> None:
        """Create a branch from the default branch, unless it exists."""
        self.ask(
            f"creating the branch {name}",
            lambda api: api.create_branch(self.name, branch=name, repo_type=KIND, exist_ok=True),
        )

    def tag(self, name: str, commit: str) -> None:
        """Tag a commit. Raises `UsageError` if the tag belongs to another commit."""
        self.ask(
            f"setting the tag {name}",
            lambda api: api.create_tag(
                self.name, tag=name, revision=commit, repo_type=KIND, exist_ok=True
            ),
        )
        there = self.tags().get(name)
        if there != commit:
            msg = f"{self.name} has a tag {name!r} of another commit. Choose another name."
            raise UsageError(msg)

    def snapshot(self, revision: str) -> Snapshot:
        """List all files of a revision. Raises `NoRepository` if the revision does not exist."""
        commit = self.commit_of(revision)

        def list_files(api: "HfApi") -> dict[str, RemoteFile]:
            tree = api.list_repo_tree(self.name, recursive=True, revision=commit, repo_type=KIND)
            return _files(tree)

        return Snapshot(commit, self.ask("listing files", list_files))

    def commit_of(self, revision: str) -> str:
        """Return the commit of a revision. Raises `NoRepository` if it does not exist."""
        info = self.ask(
            f"reading the commit {revision}",
            lambda api: api.dataset_info(self.name, revision=revision),
        )
        return str(info.sha)

    def after(self, before: Snapshot, commit: str, paths: Sequence[str]) -> Snapshot:
        """Return the content after a commit of ours; only the committed paths are requested.

        Args:
            before: The content before the commit.
            commit: The commit.
            paths: The paths that the commit changed.
        """
        files = {path: file for path, file in before.files.items() if path not in set(paths)}
        for start in range(0, len(paths), BATCH_FILES):
            some = list(paths[start : start + BATCH_FILES])

            def look(api: "HfApi", some: list[str] = some) -> dict[str, RemoteFile]:
                return _files(api.get_paths_info(self.name, some, revision=commit, repo_type=KIND))

            files |= self.ask("checking the upload", look)
        return Snapshot(commit, files)

    def read(self, path: str, commit: str) -> bytes:
        """Return the content of a small file."""

        def download(api: "HfApi") -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                file = api.hf_hub_download(
                    self.name, path, repo_type=KIND, revision=commit, local_dir=folder
                )
                return Path(file).read_bytes()

        return self.ask(f"reading {path}", download)

    def upload(self, folder: Path, paths: Sequence[str], revision: str, parent: str) -> str:
        """Upload shards of a folder, without retries; returns the resulting commit.

        Before a retry, the caller must check what is already on the Hub. Errors of the client are
        raised as they are.

        Args:
            folder: The dataset folder.
            paths: The shards, relative to the folder.
            revision: The branch or pull request.
            parent: The commit that the revision must still be at.
        """
        done = self._api.upload_folder(
            repo_id=self.name,
            repo_type=KIND,
            folder_path=folder,
            allow_patterns=list(paths),
            revision=revision,
            commit_message="Add shards",
            parent_commit=parent,
        )
        return done.oid

    def commit(
        self,
        files: Mapping[str, Path | bytes],
        delete: Sequence[str],
        revision: str,
        message: str,
        parent: str,
    ) -> str:
        """Add and remove small files in one commit, without retries; returns the commit.

        Args:
            files: The content or local path of each file, by path.
            delete: Paths to remove.
            revision: The branch or pull request.
            message: The title of the commit.
            parent: The commit that the revision must still be at.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        done = self._api.create_commit(
            self.name,
            [
                *(CommitOperationDelete(path) for path in delete),
                *(CommitOperationAdd(path, content) for path, content in files.items()),
            ],
            repo_type=KIND,
            revision=revision,
            commit_message=message,
            parent_commit=parent,
        )
        return done.oid


def _files(listed: Iterable[Any]) -> dict[str, RemoteFile]:
    """Return the files, without folders, in a listing by the client."""
    return {
        file.path: RemoteFile(file.size, file.lfs.sha256 if file.lfs else "", file.blob_id)
        for file in listed
        if hasattr(file, "blob_id")
    }


def _check_endpoint() -> None:
    """Raise `UsageError` if HF_ENDPOINT is not a URL, which would make the client fail."""
    endpoint = os.environ.get("HF_ENDPOINT")
    try:
        parts = urlsplit(endpoint or "https://huggingface.co")
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        msg = f"HF_ENDPOINT is {endpoint!r}, not an address such as https://huggingface.co."
        raise UsageError(msg)


def require_client() -> None:
    """Raise `UsageError` if the installed huggingface_hub is too old to push."""
    import huggingface_hub

    version = huggingface_hub.__version__
    if int(version.partition(".")[0]) < MIN_CLIENT:
        msg = (
            f"Pushing needs huggingface_hub {MIN_CLIENT}.0 or later, and {version} is installed: "
            f"pip install 'huggingface_hub>={MIN_CLIENT}'. No other command needs it, so a "
            "separate environment may be best."
        )
        raise UsageError(msg)
