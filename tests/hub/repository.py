"""A dataset repository of a test Hub: commits, branches, tags and pull requests."""

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A file in a tree: a large one by its SHA-256, a small one with its content."""

    size: int
    sha256: str = ""
    content: bytes = b""

    @property
    def oid(self) -> str:
        """The blob's name in git: of the content, or of the pointer to it."""
        data = self.content
        if self.sha256:
            data = f"version 1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


Tree = dict[str, Entry]


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Commit:
    oid: str
    tree: Tree
    title: str


@dataclass
class Pull:
    """A pull request. A draft must be opened before it is merged."""

    number: int
    title: str
    author: str
    base: str
    status: str = "draft"

    @property
    def ref(self) -> str:
        return f"refs/pr/{self.number}"


@dataclass
class Repository:
    """One repository. `refs` are branches by name and pull requests by `refs/pr/n`."""

    name: str
    private: bool = False
    refs: dict[str, list[Commit]] = field(default_factory=dict)
    tags: dict[str, Commit] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    lfs_endings: tuple[str, ...] = (".parquet", ".png", ".jpg")
    # As the Hub: anything larger goes the way of large files, whatever its ending.
    largest_small_file: int = 10 << 20

    def __post_init__(self) -> None:
        attributes = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"
        first = Commit("0" * 40, {}, "nothing")
        self.refs["main"] = [first]
        self.commit("main", {".gitattributes": Entry(len(attributes), content=attributes)}, "first")

    def at(self, revision: str) -> Commit:
        """The commit of a branch, a tag, a pull request or an id."""
        return self.commits(revision)[-1]

    def commits(self, revision: str) -> list[Commit]:
        """The same and those before it, oldest first; the one that all begin with is not shown."""
        for name in (revision, revision.removeprefix("refs/heads/")):
            if name in self.refs:
                return self.refs[name][1:]
        if revision in self.tags:
            revision = self.tags[revision].oid
        for commits in self.refs.values():
            for number, commit in enumerate(commits):
                if commit.oid == revision:
                    return commits[1 : number + 1]
        raise Refused(404, "RevisionNotFound")

    def tree(self, revision: str = "main") -> Tree:
        return self.at(revision).tree

    def history(self, revision: str = "main") -> list[str]:
        """Titles of the commits that were made, oldest first."""
        return [commit.title for commit in self.refs[revision][2:]]

    def commit(
        self,
        revision: str,
        add: Tree,
        title: str,
        *,
        delete: tuple[str, ...] = (),
        parent: str | None = None,
    ) -> Commit:
        if revision not in self.refs:
            raise Refused(404, "RevisionNotFound")
        head = self.refs[revision][-1]
        if parent and head.oid != parent:
            raise Refused(412, message="A commit has happened since. Please refresh and try again.")
        kept = {path: entry for path, entry in head.tree.items() if path not in delete}
        tree = {**kept, **add}
        # As in life, where it holds the time: clients remember much by it, and ports come back.
        commit = Commit(secrets.token_hex(20), tree, title)
        self.refs[revision] = [*self.refs[revision], commit]
        return commit

    def open_pull(self, title: str, author: str) -> Pull:
        pull = Pull(len(self.pulls) + 1, title, author, self.refs["main"][-1].oid)
        self.pulls.append(pull)
        self.refs[pull.ref] = list(self.refs["main"])
        return pull

    def pull(self, number: int) -> Pull:
        if not 0 < number <= len(self.pulls):
            raise Refused(404)
        return self.pulls[number - 1]

    def conflicts(self, pull: Pull) -> list[str]:
        """Files that were changed on both sides, and not alike."""
        ours, theirs = self.tree("main"), self.tree(pull.ref)
        changed = self._changed(pull, pull.ref) & self._changed(pull, "main")
        return sorted(path for path in changed if ours.get(path) != theirs.get(path))

    def _changed(self, pull: Pull, revision: str) -> set[str]:
        base, tree = self.tree(pull.base), self.tree(revision)
        return {path for path in {*base, *tree} if base.get(path) != tree.get(path)}

    def merge(self, number: int) -> None:
        """Bring a pull request's changes to main."""
        pull = self.pull(number)
        if pull.status != "open":
            raise Refused(409, message=f"This pull request is {pull.status}")
        if self.conflicts(pull):
            raise Refused(409, message="Merge conflict")
        theirs, changed = self.tree(pull.ref), self._changed(pull, pull.ref)
        add = {path: theirs[path] for path in changed if path in theirs}
        self.commit("main", add, pull.title, delete=tuple(changed - set(theirs)))
        pull.status = "merged"

    def entry(self, path: str, found: Entry, xet_hash: str | None) -> dict[str, Any]:
        """A file as the tree lists it."""
        listed: dict[str, Any] = {
            "type": "file", "path": path, "size": found.size, "oid": found.oid,
        }  # fmt: skip
        if found.sha256:
            listed["lfs"] = {"oid": found.sha256, "size": found.size, "pointerSize": 130}
            if xet_hash:
                listed["xetHash"] = xet_hash
        return listed

    def folders(self, tree: Tree) -> set[str]:
        """All folders of a tree, but the root."""
        parents = (parent for path in tree for parent in PurePosixPath(path).parents)
        return {parent.as_posix() for parent in parents} - {"."}

    def is_large(self, path: str, size: int) -> bool:
        return path.endswith(self.lfs_endings) or size > self.largest_small_file
