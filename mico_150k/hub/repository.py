"""One dataset repository on the Hub, asked with patience; its errors are plain ones."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mico_150k.errors import NoRepository, UsageError
from mico_150k.hub.patience import Patience

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")

DEFAULT_BRANCH = "main"
MIN_CLIENT = 2
"""The first major version of huggingface_hub whose `upload_folder` goes on after interruptions."""

KIND = "dataset"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub lists it: by SHA-256 where it is large, else by git's name (`blob`)."""

    size: int
    sha256: str
    blob: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All files of a revision, and the commit they were seen at."""

    commit: str
    files: dict[str, RemoteFile]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One of ours. `conflicts` where it can no longer be merged."""

    number: int
    status: str
    conflicts: bool

    @property
    def revision(self) -> str:
        """What commits to it go to."""
        return f"refs/pr/{self.number}"


class Repository:
    """A dataset repository by its name, `user/name`."""

    def __init__(self, name: str, patience: Patience | None = None) -> None:
        """Nothing is asked yet. Raises `UsageError` where that is no name of a repository."""
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        try:
            validate_repo_id(name)
        except HFValidationError as error:
            raise UsageError(f"{name!r} is no repository's name: {error}") from error
        if "/" not in name:
            msg = f"{name!r}: name the repository with its owner, as in `user/{name}`."
            raise UsageError(msg)
        self.name = name
        self.patience = patience or Patience()

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self._api.endpoint}/datasets/{self.name}"

    @property
    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi()

    def _ask(self, doing: str, call: Callable[["HfApi"], T]) -> T:
        return self.patience.ask(self.name, doing, lambda: call(self._api))

    def account(self) -> dict[str, Any]:
        """Whose the token is. Raises `NoAccess`."""
        found: dict[str, Any] = self._ask("asking whose the token is", lambda api: api.whoami())
        return found

    def exists(self) -> bool:
        """Whether it is there for this token."""
        try:
            self._ask("looking for it", lambda api: api.dataset_info(self.name))
        except NoRepository:
            return False
        return True

    def create(self, *, private: bool) -> None:
        """Create it; no error where it is there."""
        self._ask(
            "creating it",
            lambda api: api.create_repo(self.name, repo_type=KIND, private=private, exist_ok=True),
        )

    def check_writable(self) -> None:
        """Raise `NoAccess` where the token may not write to it."""
        self._ask(
            "asking whether the token may write",
            lambda api: api.auth_check(self.name, repo_type=KIND, write=True),
        )

    def branches(self) -> dict[str, str]:
        """Branch → its commit."""
        refs = self._ask(
            "listing branches", lambda api: api.list_repo_refs(self.name, repo_type=KIND)
        )
        return {branch.name: branch.target_commit for branch in refs.branches}

    def tags(self) -> dict[str, str]:
        """Tag → its commit."""
        refs = self._ask("listing tags", lambda api: api.list_repo_refs(self.name, repo_type=KIND))
        return {tag.name: tag.target_commit for tag in refs.tags}

    def create_branch(self, name: str) -> None:
        """Create a branch of the default one's state; no error where it is there."""
        self._ask(
            f"creating the branch {name}",
            lambda api: api.create_branch(self.name, branch=name, repo_type=KIND, exist_ok=True),
        )

    def tag(self, name: str, commit: str) -> None:
        """Name a commit; no error where the name is there."""
        self._ask(
            f"setting the tag {name}",
            lambda api: api.create_tag(
                self.name, tag=name, revision=commit, repo_type=KIND, exist_ok=True
            ),
        )

    def snapshot(self, revision: str) -> Snapshot:
        """All files of a revision. Raises `NoRepository` where there is no such revision."""
        info = self._ask(
            f"looking at {revision}", lambda api: api.dataset_info(self.name, revision=revision)
        )
        return self.files_at(str(info.sha))

    def files_at(self, commit: str) -> Snapshot:
        """All files of a commit."""

        def list_files(api: "HfApi") -> dict[str, RemoteFile]:
            tree: Iterable[Any] = api.list_repo_tree(
                self.name, recursive=True, revision=commit, repo_type=KIND
            )
            return {
                file.path: RemoteFile(file.size, file.lfs.sha256 if file.lfs else "", file.blob_id)
                for file in tree
                if hasattr(file, "blob_id")
            }

        return Snapshot(commit, self._ask("listing its files", list_files))

    def read(self, path: str, commit: str) -> bytes:
        """A small file's content."""

        def download(api: "HfApi") -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                file = api.hf_hub_download(
                    self.name, path, repo_type=KIND, revision=commit, local_dir=folder
                )
                return Path(file).read_bytes()

        return self._ask(f"reading {path}", download)

    def upload(
        self, folder: Path, paths: Sequence[str], revision: str, message: str, parent: str
    ) -> str:
        """Send files of a folder; the commit that they are in then.

        One try: who calls looks at what is there before the next. Raises what the client raises.
        """
        done = self._api.upload_folder(
            repo_id=self.name,
            repo_type=KIND,
            folder_path=folder,
            allow_patterns=list(paths),
            revision=revision,
            commit_message=message,
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
        """One commit of small files and removals, all at once; its id. One try, as `upload`."""
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

    def pull_request(self, title: str, author: str) -> PullRequest:
        """The open pull request of this title and author, or a new one.

        Looks before each try to open one, so that a lost answer opens no second.
        """

        def find_or_open(api: "HfApi") -> PullRequest:
            there = api.get_repo_discussions(
                self.name,
                author=author,
                discussion_type="pull_request",
                repo_type=KIND,
            )
            for found in there:
                if found.title == title and found.status in _UNFINISHED:
                    pull = self._details(api, found.num)
                    if not pull.conflicts:
                        return pull
                    api.change_discussion_status(
                        self.name, found.num, "closed", repo_type=KIND, comment=_CONFLICTS
                    )
            opened = api.create_pull_request(self.name, title, repo_type=KIND)
            return PullRequest(opened.num, opened.status, conflicts=False)

        return self._ask("opening a pull request", find_or_open)

    def merge(self, number: int) -> None:
        """Merge a pull request, which may be a draft; no error where it is merged already."""

        def merge(api: "HfApi") -> None:
            pull = self._details(api, number)
            if pull.status == "merged":
                return
            if pull.conflicts:
                raise UsageError(
                    f"{self.url}/discussions/{number} conflicts with what was committed "
                    "meanwhile. Push again: that opens another, and sends little anew."
                )
            if pull.status == "draft":
                api.change_discussion_status(self.name, number, "open", repo_type=KIND)
            api.merge_pull_request(self.name, number, repo_type=KIND)

        self._ask(f"merging pull request {number}", merge)

    def _details(self, api: "HfApi", number: int) -> PullRequest:
        details = api.get_discussion_details(self.name, number, repo_type=KIND)
        return PullRequest(number, details.status, bool(details.conflicting_files))


_UNFINISHED = {"open", "draft"}
_CONFLICTS = "It conflicts with what was committed meanwhile; `mico push` opens another."


def require_client() -> None:
    """Raise `UsageError` where the huggingface_hub that is installed cannot push as we need."""
    import huggingface_hub

    version = huggingface_hub.__version__
    if int(version.partition(".")[0]) < MIN_CLIENT:
        msg = (
            f"Pushing needs huggingface_hub {MIN_CLIENT}.0 or later, and {version} is installed: "
            f"pip install 'huggingface_hub>={MIN_CLIENT}'. Nothing else here needs it, so that an "
            "environment of its own may be best."
        )
        raise UsageError(msg)
