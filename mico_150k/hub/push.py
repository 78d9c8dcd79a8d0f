"""Pushes a dataset: uploads what is missing; readers see either the old or the new state.

    look ──► compare ──► check the folder ──► shards ──► compare ──► card, last ──► read it back

A first push goes to the branch, with a placeholder card that makes `load_dataset` fail. A later
push goes to a pull request, which is read back and then merged.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mico_150k.card.file import License, make_card, read_card
from mico_150k.core.errors import HubError, UsageError
from mico_150k.core.plural import counted
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub import preflight
from mico_150k.hub.card_conflicts import refuse_to_lose
from mico_150k.hub.placeholder import is_placeholder, put_placeholder
from mico_150k.hub.pull_requests import merge, open_pull_request
from mico_150k.hub.push_forecast import PushForecast, storage_warnings
from mico_150k.hub.remote_state import RemoteState, create
from mico_150k.hub.repository import (
    BATCH_FILES,
    DEFAULT_BRANCH,
    PULL_REQUESTS,
    Repository,
    Snapshot,
)
from mico_150k.hub.sync import sync_until_equal
from mico_150k.hub.target import Publication, check_own_files
from mico_150k.hub.verify import check_publication
from mico_150k.inspection.check import Finding
from mico_150k.io.machine import gigabytes


class PushStrategy(str, Enum):
    """How a push reaches its readers."""

    NOTHING = "nothing to do"
    FIRST = "to the branch, card last"
    REPLACE = "to the branch, with a placeholder card until it is finished"
    PULL_REQUEST = "to a pull request, which is merged"


@dataclass(frozen=True, slots=True)
class PushOptions:
    """Options of a push.

    `configs` are the configurations to push (empty: all). `tag` tags the resulting commit.
    `license` replaces the license on the folder's card. `overwrite` discards what people have
    written into the card on the Hub.
    """

    configs: tuple[str, ...] = ()
    private: bool = False
    revision: str = DEFAULT_BRANCH
    tag: str = ""
    license: License | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class PushProgress:
    """The shards that are already on the Hub, and the total."""

    files: int
    total_files: int
    bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, repr=False)
class PushResult:
    """The result of a push. `files` and `bytes` count the uploaded shards.

    `commit` is the commit that was compared with the folder.
    """

    url: str
    commit: str
    files: int
    bytes: int
    removed: int
    findings: tuple[Finding, ...]
    seconds: float

    def __repr__(self) -> str:
        """Describe the push in one line."""
        return (
            f"<{type(self).__name__} {self.url} at {self.commit[:8]}: "
            f"{counted(self.files, 'shard')} "
            f"sent, {gigabytes(self.bytes)}, verified, {self.seconds:.1f} s>"
        )


@dataclass(frozen=True, slots=True)
class Push:
    """A planned push that can start."""

    repository: Repository
    options: PushOptions
    state: RemoteState
    publication: Publication
    way: PushStrategy
    forecast: PushForecast

    @classmethod
    def prepare(cls, folder: DatasetFolder, repository: Repository, options: PushOptions) -> "Push":
        """Compare the folder with the Hub, without uploading or writing anything.

        Args:
            folder: The dataset folder.
            repository: The repository to push to.
            options: What to push, and how.

        Raises:
            UsageError: An option does not fit.
            HubError: The Hub cannot be reached or refuses the push.
            NotADataset: The folder is not a complete dataset.
            UnsafeFile: A file to send is not a regular file inside the folder.
        """
        check_own_files(folder)
        state = RemoteState.look(repository, options.revision, private=options.private)
        card = make_card(folder, options.license) if options.license else read_card(folder)
        publication = Publication.of_folder(
            folder, repository.name, options.configs, card, state.content
        )
        preflight.check_license(publication)
        there = state.content.files
        missing = publication.missing_shards(there)
        changes = bool(missing or publication.stale(there) or publication.changed_small(there))
        way = _way(options.revision, published=state.content.is_published, changes=changes)
        if way is not PushStrategy.NOTHING:
            if not options.overwrite:
                relicensed = options.license is not None
                refuse_to_lose(repository, folder, card, state.content.card, relicensed=relicensed)
            preflight.check_folder(folder, publication, missing)
            repository.retry.call(
                repository.name,
                "asking whether its card is valid",
                lambda: preflight.check_metadata(publication),
            )
        if options.tag and state.private is not None:
            _check_tag(repository, options.tag, state.content.snapshot.commit, way)
        total = publication.total_bytes
        warnings = storage_warnings(repository, state, total, private=options.private)
        forecast = PushForecast.of_push(publication, state, warnings)
        return cls(repository, options, state, publication, way, forecast)

    @property
    def creates(self) -> bool:
        """Whether the push creates the repository."""
        return self.state.private is None

    def run(self, on_progress: Callable[[PushProgress], None] = lambda _: None) -> PushResult:
        """Upload what is missing. Raises any `HubError`; uploaded files stay on the Hub."""
        started = time.monotonic()
        if self.creates:
            create(self.repository, private=self.options.private)
        self._create_branch()
        commit = self.state.content.snapshot.commit
        findings: tuple[Finding, ...] = ()
        if self.way is PushStrategy.PULL_REQUEST:
            pull = open_pull_request(self.repository, self.state.account["name"])
            findings = self._publish(pull.revision, on_progress)[1]
            merge(self.repository, pull.number)
            commit = self._check_merged()
        elif self.way is not PushStrategy.NOTHING:
            commit, findings = self._publish(self.options.revision, on_progress)
        if self.options.tag:
            self.repository.tag(self.options.tag, commit)
        return PushResult(
            url=self.repository.url,
            commit=commit,
            files=self.forecast.files,
            bytes=self.forecast.bytes,
            removed=self.forecast.stale,
            findings=findings,
            seconds=time.monotonic() - started,
        )

    def _create_branch(self) -> None:
        revision = self.options.revision
        given = revision == DEFAULT_BRANCH or revision.startswith(PULL_REQUESTS)
        if not given and revision not in self.repository.branches():
            self.repository.create_branch(revision)

    def _publish(
        self, target: str, on_progress: Callable[[PushProgress], None]
    ) -> tuple[str, tuple[Finding, ...]]:
        """Upload everything to a revision; returns the verified commit and the findings."""
        seen_meanwhile = self.way is not PushStrategy.PULL_REQUEST and self.forecast.files > 0
        known = None
        if seen_meanwhile and not is_placeholder(self.state.content.card):
            known = put_placeholder(self.repository, target, self.state.content.card)
        self._send_shards(target, known, on_progress)
        closed = self._close(target)
        return closed.commit, self._check(closed)

    def _send_shards(
        self, target: str, known: Snapshot | None, on_progress: Callable[[PushProgress], None]
    ) -> None:
        """Send shards in batches until none is missing."""
        shards = self.publication.shards
        total = self.publication.total_bytes

        def missing(snapshot: Snapshot) -> list[str]:
            paths = self.publication.missing_shards(snapshot.files)
            left = sum(shards[path].bytes for path in paths)
            on_progress(PushProgress(len(shards) - len(paths), len(shards), total - left, total))
            return paths[:BATCH_FILES]

        sync_until_equal(
            self.repository,
            target,
            missing,
            lambda paths, snapshot: self.repository.upload(
                self.publication.folder, paths, target, snapshot.commit
            ),
            known,
        )

    def _close(self, target: str) -> Snapshot:
        """Commit the card and all small files, and remove stale files; returns the new content."""

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

        return sync_until_equal(self.repository, target, different, commit)

    def _check(self, snapshot: Snapshot) -> tuple[Finding, ...]:
        """Verify the uploaded state; raises `HubError` if something differs."""
        findings = tuple(check_publication(self.repository, snapshot, self.publication))
        faults = [f"{found.where}: {found.what}" for found in findings if found.fault]
        if faults:
            lines = preflight.shown(faults, "\n    ")
            commit = snapshot.commit[:8]
            msg = f"{self.repository.url} at {commit}: differs from what was uploaded:\n    {lines}"
            raise HubError(msg)
        return findings

    def _check_merged(self) -> str:
        """Check that the branch holds what the pull request did; returns the checked commit."""
        snapshot = self.repository.snapshot(self.options.revision)
        there = snapshot.files
        left = [
            *self.publication.missing_shards(there),
            *self.publication.changed_small(there),
            *self.publication.stale(there),
        ]
        if left:
            msg = (
                f"{self.repository.url}: the pull request is merged, but {left[0]} differs: "
                "somebody else has committed. Push again."
            )
            raise HubError(msg)
        return snapshot.commit


def _way(revision: str, *, published: bool, changes: bool) -> PushStrategy:
    """Choose how to publish; `published` is whether readers take the dataset for finished."""
    if not changes:
        return PushStrategy.NOTHING
    if not published:
        return PushStrategy.FIRST
    return PushStrategy.PULL_REQUEST if revision == DEFAULT_BRANCH else PushStrategy.REPLACE


def _check_tag(repository: Repository, tag: str, commit: str, way: PushStrategy) -> None:
    there = repository.tags().get(tag)
    if there is not None and (way is not PushStrategy.NOTHING or there != commit):
        msg = f"{repository.name} already has a tag {tag!r} of another commit. Choose another name."
        raise UsageError(msg)


def _message(publication: Publication) -> str:
    version = publication.manifest["build"]["versions"]["mico-150k"]
    return f"{counted(publication.manifest['rows'], 'row')}, built by mico-150k {version}"
