"""The interface of a source: files whose rows are known before they are read."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from mico_150k.core.errors import SourceChanged, SourceError, UsageError
from mico_150k.core.sample import RawSample
from mico_150k.core.task import Task, speaks_of
from mico_150k.io.storage import Storage
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.shape import Shape

TABLE_ENDING = ".parquet"
MANIFEST_ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
"""The file name endings of JSON and JSON lines, also compressed, for the manifest reader."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The user's options for reading a source.

    Attributes:
        columns: `--map`: part of a sample → columns.
        tasks: `--task-map`: folder or file → task.
        exclude: Patterns of files to exclude.
        allow_outside: Whether images may lie outside of the source's folder.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    allow_outside: bool = False

    def to_argv(self) -> list[str]:
        """Return the equivalent options of the command line."""
        columns = [f"{part}={names}" for part, names in self.columns.items()]
        tasks = [f"{folder}={task}" for folder, task in self.tasks.items()]
        return [
            *(["--map", *columns] if columns else []),
            *(["--task-map", *tasks] if tasks else []),
            *(word for pattern in self.exclude for word in ("--exclude", pattern)),
            *(["--allow-outside"] if self.allow_outside else []),
        ]


class SourceFile(Protocol):
    """One file of a source, which can only be read forwards."""

    @property
    def name(self) -> str:
        """The path relative to the source's root, with slashes."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def image_bytes(self) -> int:
        """The decompressed bytes of all its images: an estimate from headers."""

    @property
    def memory(self) -> int:
        """The most bytes that reading holds, estimated from its largest pages."""

    @property
    def shape(self) -> Shape | None:
        """Its columns and what they hold; None if it has none."""

    @property
    def content_hash(self) -> str:
        """A digest of the content, the same wherever the file lies."""

    @property
    def mtime_token(self) -> str:
        """A token that changes whenever the file is written, even with the same content."""

    def identities(self) -> Iterator[tuple[Task, str]]:
        """Yield each row's task and source id, in order, without reading an image."""

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        """Yield the rows from `start` on, in order, with one row group in memory at a time.

        A caller that stops early closes the generator.

        Args:
            start: The first row to yield, from 0.
            ahead: Whether a thread fetches the next rows in advance.
        """

    def require_unchanged(self) -> None:
        """Raise `SourceChanged` if the file has changed since it was opened."""

    def describe(self) -> dict[str, Any]:
        """Return what `mico inspect` prints: shape, row groups, pages; plain values."""


class Source(Protocol):
    """Files in one place, of one kind."""

    @property
    def kind(self) -> str:
        """The kind: `parquet`, `manifest` or `demo`."""

    @property
    def location(self) -> str:
        """The location from which it was opened."""

    @property
    def reading(self) -> ReadOptions:
        """The options for reading it."""

    @property
    def files(self) -> Sequence[SourceFile]:
        """The files, in the order of their names."""


def changed(what: str, storage: Storage) -> SourceChanged:
    """Return the error for a changed file, or a changed image that a file names."""
    return SourceChanged(
        f"{what} in {storage.location} has changed since this work was planned, or while it was "
        "read.\n"
        "Make sure that nothing writes to the source. If the file is restored, re-run the "
        "command to resume; with its new content, start over (a build: --overwrite)."
    )


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file to which `--map` and `--task-map` apply, and its `state` when opened."""

    storage: Storage
    reading: ReadOptions
    name: str
    shape: Shape
    state: str

    @property
    def paths(self) -> ImagePaths:
        """The images that it names by path."""
        return ImagePaths(self.storage, self.name, self.reading.allow_outside)

    def require_unchanged(self) -> None:
        """Raise `SourceChanged` if size or time have changed, `SourceLost` if the file is lost."""
        with self.storage.losses(self.name):
            state = self.storage.again(lambda: self.storage.state(self.name))
        if state != self.state:
            raise changed(self.name, self.storage)

    def matches_rule(self, rule: str) -> bool:
        """Return whether a rule of `--task-map` matches it, or one of its rows."""
        return speaks_of(rule, self.name)


File = TypeVar("File", bound=OpenedFile)


@dataclass(frozen=True, slots=True)
class FileSource(Generic[File]):
    """A folder with files of one kind, or one such file."""

    kind: str
    storage: Storage
    reading: ReadOptions
    files: tuple[File, ...]

    @property
    def location(self) -> str:
        """The location from which it was opened."""
        return self.storage.location

    @classmethod
    def open(  # noqa: PLR0913, PLR0917 - what is opened, and how
        cls,
        kind: str,
        open_file: Callable[[Storage, str, ReadOptions], File],
        threads: int,
        storage: Storage,
        names: list[str],
        reading: ReadOptions,
        problems: list[SourceError] | None = None,
    ) -> "FileSource[File]":
        """Open these files, several at a time; `problems` as for `open_source`.

        Raises `UsageError` for options that match none of them, and what `open_file` raises.
        """
        with ThreadPoolExecutor(threads) as pool:
            opened = [pool.submit(open_file, storage, name, reading) for name in names]
            source = cls(kind, storage, reading, tuple(_collect(opened, problems)))
        if not problems:
            source.refuse_unused_rules()
        return source

    def refuse_unused_rules(self) -> None:
        """Raise `UsageError` for options that match none of the source's files."""
        for part, value in self.reading.columns.items():
            if not any(part in file.shape.mapped for file in self.files):
                msg = f"--map {part}={value}: no file of {self.location} has this column."
                raise UsageError(msg)
        for rule, task in self.reading.tasks.items():
            if not any(file.matches_rule(rule) for file in self.files):
                msg = f"--task-map {rule}={task}: nothing in {self.location} has this name."
                raise UsageError(msg)


def _collect(opened: list[Future[File]], problems: list[SourceError] | None) -> Iterator[File]:
    """Return the opened files in order; with a list of `problems`, skip those that failed."""
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
