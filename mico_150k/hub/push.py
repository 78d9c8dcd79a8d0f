"""A push: what is missing is sent, and readers see the state before it or the one after it.

    look ──► compare ──► check the folder ──► shards ──► compare ──► card, last ──► read it back

A first push goes to the branch; without a card, `load_dataset` does not take it for finished. A
later one goes to a pull request, is read back there, and is merged.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mico_150k import names
from mico_150k.check import Finding
from mico_150k.dataset_folder import DatasetFolder
from mico_150k.errors import HubError, UsageError
from mico_150k.hub import preflight
from mico_150k.hub.preflight import PushForecast
from mico_150k.hub.publication import Publication
from mico_150k.hub.remote_check import check_remote, read_manifest, read_remote_card
from mico_150k.hub.repository import DEFAULT_BRANCH, Repository, Snapshot, require_client
from mico_150k.hub.settling import until_so

BATCH_FILES = 100
"""Shards in one commit: what the Hub recommends at most, 50 GB of them."""
TITLE = "Update by mico push"
"""Of pull requests; by it, an interrupted push finds its own again."""
_PULL_REQUESTS = "refs/pr/"


class Way(str, Enum):
    """How a push reaches its readers."""

    NOTHING = "nothing to do"
    FIRST = "to the branch, card last"
    REPLACE = "to the branch, its card taken down meanwhile"
    PULL_REQUEST = "to a pull request, which is merged"


@dataclass(frozen=True, slots=True)
class PushOptions:
    """`configs` are those to push, all where there are none. `tag` names the result."""

    configs: tuple[str, ...] = ()
    private: bool = False
    revision: str = DEFAULT_BRANCH
    tag: str = ""


@dataclass(frozen=True, slots=True)
class PushProgress:
    """Shards that are on the Hub, of how many."""

    files: int
    total_files: int
    bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class PushResult:
    """A finished push. `files` and `bytes` are of shards that were sent; `commit` is the state."""

    url: str
    commit: str
    files: int
    bytes: int
    removed: int
    findings: tuple[Finding, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Push:
    """A push that is planned, and may start."""

    folder: DatasetFolder
    repository: Repository
    options: PushOptions
    publication: Publication
    author: str
    way: Way
    creates: bool
    forecast: PushForecast

    @classmethod
    def prepare(cls, folder: DatasetFolder, repository: Repository, options: PushOptions) -> "Push":
        """Look at what is here and there; sends nothing.

        Raises `UsageError`, `HubError` in all its kinds, and `NotADataset`.
        """
        require_client()
        account = repository.account()
        preflight.check_account(account, repository)
        exists = repository.exists()
        snapshot = _look(repository, options.revision) if exists else Snapshot("", {})
        if exists:
            repository.check_writable()
        card = read_remote_card(repository, snapshot)
        there = read_manifest(repository, snapshot)
        publication = Publication.of_folder(
            folder,
            repository.name,
            options.configs,
            there=there or {},
            card_there=card,
        )
        preflight.check_licence(publication)
        missing = publication.missing_shards(snapshot.files)
        stale = publication.stale(snapshot.files)
        small = publication.changed_small(snapshot.files)
        published = there is not None or not {"configs", "dataset_info"}.isdisjoint(
            card.header or {}
        )
        way = _way(options.revision, published=published, changes=bool(missing or stale or small))
        if way is not Way.NOTHING:
            preflight.check_folder(folder, publication, missing)
            repository.patience.ask(
                repository.name,
                "asking whether its card is valid",
                lambda: preflight.check_metadata(publication),
            )
        if options.tag and exists:
            _check_tag(repository, options.tag, snapshot.commit, way)
        warnings = preflight.storage_warnings(
            account, repository, publication.total_bytes, private=options.private
        )
        forecast = preflight.make_push_forecast(publication, missing, stale, warnings)
        return cls(
            folder, repository, options, publication, account["name"], way, not exists, forecast
        )

    def run(self, on_progress: Callable[[PushProgress], None] = lambda _: None) -> PushResult:
        """Send what is missing. Raises `HubError` in all its kinds; what is sent is kept."""
        started = time.monotonic()
        repository, options = self.repository, self.options
        findings: list[Finding] = []
        if self.creates:
            repository.create(private=options.private)
        self._create_branch()
        if self.way is not Way.NOTHING:
            target = self._target()
            self._send_shards(target, on_progress)
            commit = self._close(target)
            findings = self._check(commit)
            if self.way is Way.PULL_REQUEST:
                repository.merge(int(target.removeprefix(_PULL_REQUESTS)))
                self._check_merged()
        commit = repository.snapshot(options.revision).commit
        if options.tag:
            repository.tag(options.tag, commit)
        return PushResult(
            url=repository.url,
            commit=commit,
            files=self.forecast.files,
            bytes=self.forecast.bytes,
            removed=self.forecast.stale,
            findings=tuple(findings),
            seconds=time.monotonic() - started,
        )

    def _create_branch(self) -> None:
        revision = self.options.revision
        given = revision == DEFAULT_BRANCH or revision.startswith(_PULL_REQUESTS)
        if not given and revision not in self.repository.branches():
            self.repository.create_branch(revision)

    def _target(self) -> str:
        """The revision that commits go to."""
        if self.way is Way.PULL_REQUEST:
            return self.repository.pull_request(TITLE, self.author).revision
        if self.way is Way.REPLACE:
            down = (names.CARD, names.MANIFEST)
            until_so(
                self.repository,
                self.options.revision,
                lambda snapshot: (
                    [path for path in down if path in snapshot.files]
                    if self.publication.missing_shards(snapshot.files)
                    else []
                ),
                lambda paths, snapshot: self.repository.commit(
                    {}, paths, self.options.revision, _TAKE_DOWN, snapshot.commit
                ),
            )
        return self.options.revision

    def _send_shards(self, target: str, on_progress: Callable[[PushProgress], None]) -> None:
        """Send shards in batches until none is missing."""
        shards = self.publication.shards
        total = self.publication.total_bytes

        def missing(snapshot: Snapshot) -> list[str]:
            paths = self.publication.missing_shards(snapshot.files)
            left = sum(shards[path].bytes for path in paths)
            on_progress(PushProgress(len(shards) - len(paths), len(shards), total - left, total))
            return paths[:BATCH_FILES]

        until_so(
            self.repository,
            target,
            missing,
            lambda paths, snapshot: self.repository.upload(
                self.folder.path, paths, target, _ADD_SHARDS, snapshot.commit
            ),
        )

    def _close(self, target: str) -> str:
        """The card and all small files, and stale ones away, in one commit; its id."""

        def different(snapshot: Snapshot) -> list[str]:
            changed = self.publication.changed_small(snapshot.files)
            return [*changed, *self.publication.stale(snapshot.files)]

        def commit(_: list[str], snapshot: Snapshot) -> str:
            return self.repository.commit(
                self.publication.changed_small(snapshot.files),
                self.publication.stale(snapshot.files),
                target,
                _message(self.publication),
                snapshot.commit,
            )

        return until_so(self.repository, target, different, commit)

    def _check(self, commit: str) -> list[Finding]:
        """Read back what is there. Raises `HubError` where something is wrong."""
        findings = list(check_remote(self.repository, commit, self.publication.manifest))
        faults = [f"{found.where}: {found.what}" for found in findings if found.fault]
        if faults:
            lines = "\n    ".join(faults[: preflight.MOST_SHOWN])
            msg = f"{self.repository.url} at {commit[:8]}: not what was sent:\n    {lines}"
            raise HubError(msg)
        return findings

    def _check_merged(self) -> None:
        """Whether the branch holds what the pull request did."""
        there = self.repository.snapshot(self.options.revision).files
        left = [*self.publication.missing_shards(there), *self.publication.changed_small(there)]
        if left:
            msg = (
                f"{self.repository.url}: the pull request is merged, and {left[0]} is not what it "
                "should be: somebody has committed meanwhile. Push again."
            )
            raise HubError(msg)


def _look(repository: Repository, revision: str) -> Snapshot:
    """What a revision holds; nothing, where it is a branch that will be made."""
    if revision == DEFAULT_BRANCH or revision.startswith(_PULL_REQUESTS):
        return repository.snapshot(revision)
    there = revision in repository.branches()
    return repository.snapshot(revision if there else DEFAULT_BRANCH)


def _way(revision: str, *, published: bool, changes: bool) -> Way:
    """How to publish; `published` is whether readers take what is there for finished."""
    if not changes:
        return Way.NOTHING
    if not published:
        return Way.FIRST
    return Way.PULL_REQUEST if revision == DEFAULT_BRANCH else Way.REPLACE


def _check_tag(repository: Repository, tag: str, commit: str, way: Way) -> None:
    there = repository.tags().get(tag)
    if there is not None and (way is not Way.NOTHING or there != commit):
        msg = f"{repository.name} has a tag {tag!r} already, of another state. Choose another name."
        raise UsageError(msg)


def _message(publication: Publication) -> str:
    version = publication.manifest["build"]["versions"]["mico-150k"]
    return f"{publication.manifest['rows']} rows, built by mico-150k {version}"


_ADD_SHARDS = "Add shards"
_TAKE_DOWN = "Take the card down while shards are replaced"
