"""What a source is to the rest of the package: files whose rows are known before they are read."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mico_150k.core.errors import SourceChanged, SourceError, UsageError
from mico_150k.core.sample import RawSample
from mico_150k.core.task import Task
from mico_150k.io.storage import Storage
from mico_150k.sources.shape import Shape

TABLE_ENDING = ".parquet"
MANIFEST_ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
"""Of JSON and JSON lines, also compressed: `mico_150k.sources.manifest` reads them."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a source is to be read: what its user said of it.

    `columns` is `--map` and `tasks` is `--task-map`; `exclude` are patterns of files that are
    no part of it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    allow_outside: bool = False

    @property
    def words(self) -> list[str]:
        """The options that say the same."""
        columns = [f"{part}={names}" for part, names in self.columns.items()]
        tasks = [f"{folder}={task}" for folder, task in self.tasks.items()]
        return [
            *(["--map", *columns] if columns else []),
            *(["--task-map", *tasks] if tasks else []),
            *(word for pattern in self.exclude for word in ("--exclude", pattern)),
            *(["--allow-outside"] if self.allow_outside else []),
        ]


class SourceFile(Protocol):
    """One file of a source, which can be read forwards only."""

    @property
    def name(self) -> str:
        """The path relative to the source's root, with slashes."""

    @property
    def rows(self) -> int:
        """How many rows it has."""

    @property
    def image_bytes(self) -> int:
        """Bytes of all its images once decompressed: from headers, so an estimate."""

    @property
    def memory(self) -> int:
        """Bytes that reading it holds at most, estimated from its largest pages."""

    @property
    def content(self) -> str:
        """The same for the same content, wherever and whenever it lies."""

    @property
    def stamp(self) -> str:
        """Another one as soon as the file is written again, though it be with the same content."""

    def identities(self) -> Iterator[tuple[Task, str]]:
        """Each row's task and source id, in order, without reading an image."""

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        """The rows from `start` on, in order, holding one row group at a time.

        `ahead` lets a thread fetch what comes next meanwhile; who stops early closes it.
        """

    def require_unchanged(self) -> None:
        """Raise `SourceChanged` where the file is no longer the one that was opened."""

    def describe(self) -> dict[str, Any]:
        """What `mico inspect` prints of it: shape, row groups, pages; plain values."""


class Source(Protocol):
    """Files in one place, of one kind."""

    @property
    def kind(self) -> str:
        """A word for it: `parquet`, `manifest` or `demo`."""

    @property
    def location(self) -> str:
        """Where it was opened."""

    @property
    def reading(self) -> ReadOptions:
        """How it is read."""

    @property
    def files(self) -> Sequence[SourceFile]:
        """In the order of their names."""


def changed(what: str, storage: Storage) -> SourceChanged:
    """The error for a file, or an image that a file names, which is another one by now."""
    return SourceChanged(
        f"{what} in {storage.location} has changed since this work was planned, or while it was "
        "read.\nLet nothing write to the source meanwhile. When the file is again what it was, the "
        "same command goes on; with its new content, begin anew (a build: --overwrite)."
    )


class Obedient(Protocol):
    """A file of a source that a person may speak of, by `--map` and `--task-map`."""

    @property
    def shape(self) -> Shape:
        """Its columns."""

    def matches_rule(self, rule: str) -> bool:
        """Whether a rule of `--task-map` speaks of it, or of one of its rows."""


def check_unused_rules(reading: ReadOptions, location: str, files: Sequence[Obedient]) -> None:
    """Raise `UsageError` for what was said of a source and is true of none of its files."""
    for part, value in reading.columns.items():
        if not any(part in file.shape.mapped for file in files):
            msg = f"--map {part}={value}: no file of {location} has such a column."
            raise UsageError(msg)
    for rule, task in reading.tasks.items():
        if not any(file.matches_rule(rule) for file in files):
            msg = f"--task-map {rule}={task}: nothing in {location} is named so."
            raise UsageError(msg)


Opened = TypeVar("Opened")


def collect(opened: list[Future[Opened]], problems: list[SourceError] | None) -> Iterator[Opened]:
    """The files that were opened, in order; with a list of `problems`, those that could be."""
    for future in opened:
        error = future.exception()
        if isinstance(error, SourceError) and problems is not None:
            problems.append(error)
        elif error:
            for waiting in opened:
                waiting.cancel()
            raise error
        else:
            yield future.result()
