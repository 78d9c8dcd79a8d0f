"""JSON and JSONL manifests of image paths, in each trainer's own format.

`BLIP3o-MICo.json` (`input_images`, `output_image`, `instruction`), `dimoo-mico.json`
(`image_path`, `edit_path`, `prompt`) and OmniGen2's JSONL (`task_type` besides BLIP3o's three);
other names with `--map`. A file is an array of objects, or one object a line, and may be gzip'd.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mico_150k.core.errors import BrokenFile
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import MAX_INPUTS, Missing, Origin, RawSample
from mico_150k.core.task import (
    Task,
    speaks_of,
    task_by_rule,
    task_by_spelling,
    task_from_spelling,
    unknown_task,
)
from mico_150k.io.cells import NULL
from mico_150k.io.prefetch import prefetch
from mico_150k.io.storage import Storage
from mico_150k.sources.identity import place_id, source_id, subtask_of
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.manifest_text import ManifestText
from mico_150k.sources.named_images import ImageStates, NamedImages
from mico_150k.sources.row_images import Found, Named, RowImages
from mico_150k.sources.shape import Kind, Shape, find_shape
from mico_150k.sources.source import OpenedFile, ReadOptions

_TELLING_FOLDERS = 3  # The folders right above an image; those above them are about the local disk.

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ManifestFile(OpenedFile):
    """A manifest with its texts in memory: 148,000 rows are some 200 MB; images stay on disk."""

    entries: tuple[Row, ...]
    image_bytes: int
    content_hash: str
    images: ImageStates
    images_mtime_token: str

    @property
    def mtime_token(self) -> str:
        """The manifest's token, combined with that of its images."""
        return self.state + self.images_mtime_token

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.entries)

    @property
    def memory(self) -> int:
        """The most bytes that reading holds: the images of a few rows."""
        return 4 * self.image_bytes // max(1, self.rows)

    def identities(self) -> Iterator[tuple[Task, str]]:
        """Yield each row's task and source id."""
        for row, entry in enumerate(self.entries):
            yield self._task(row, entry), self._source_id(row, entry)

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        """Yield the rows from `start` on, each with its images read from their files."""
        self.require_unchanged()  # if the source is lost, this fails before any image is missing
        images = RowImages(self.paths, self.images)
        samples = (self._sample(row, self.entries[row], images) for row in range(start, self.rows))
        # Closing a generator also closes the one that it yields from.
        yield from prefetch(samples) if ahead else samples
        self.require_unchanged()

    def matches_rule(self, rule: str) -> bool:
        """Return whether a rule of `--task-map` matches it, or one of its rows."""
        return speaks_of(rule, self.name) or any(
            speaks_of(rule, self._output(entry)) for entry in self.entries
        )

    def describe(self) -> dict[str, Any]:
        """Return the shape and facts about the images."""
        return {
            "file": self.name,
            "task": None,
            "rows": self.rows,
            "shape": str(self.shape),
            "image_bytes": self.image_bytes,
            "memory_bytes": self.memory,
        }

    def _sample(self, row: int, entry: Row, images: RowImages) -> RawSample:
        named = _cell(entry.get(self.shape.output or ""))
        inputs, output = images.row(
            [_cell(path) for path in _input_paths(self.shape, entry)],
            Missing(Reason.NO_OUTPUT) if named is NULL else named,
        )
        instruction = entry.get(self.shape.instruction)
        return RawSample(
            origin=Origin(self.name, row),
            task=self._task(row, entry),
            source_id=self._source_id(row, entry),
            subtask=subtask_of(entry.get(self.shape.subtask)) if self.shape.subtask else "",
            instruction=instruction if isinstance(instruction, str) else None,
            inputs=inputs,
            output=output,
        )

    def _source_id(self, row: int, entry: Row) -> str:
        if not self.shape.id:
            return place_id(self.name, row)
        return source_id(entry.get(self.shape.id), self.name, row, self.shape.id)

    def _task(self, row: int, entry: Row) -> Task:
        """Detect the task: from a rule, the row's value, the manifest's path or output folders.

        The inputs do not count: a person in them does not make a task human-centric.
        """
        named = entry.get(self.shape.task) if self.shape.task else None
        output = self._output(entry)
        folders = "/".join(output.split("/")[-1 - _TELLING_FOLDERS : -1])
        task = (
            task_by_rule(self.name, self.reading.tasks)
            or task_by_rule(output, self.reading.tasks)
            or (task_from_spelling(named) if isinstance(named, str) else None)
            or task_by_spelling(self.name, self.storage.name)
            or task_by_spelling(f"{folders}/")
        )
        if task is None:
            raise unknown_task(f"{self.name}, row {row}", [self.name])
        return task

    def _output(self, entry: Row) -> str:
        """Return the output's path; "" if there is none."""
        output = entry.get(self.shape.output or "")
        return output if isinstance(output, str) else ""


def open_manifest(storage: Storage, name: str, reading: ReadOptions) -> ManifestFile:
    """Read a manifest, and the sizes of its images.

    Raises `BrokenFile`, `UnknownShape`, `PathOutsideSource`.
    """
    with storage.opened(name) as handle:
        # Before it is read, so that any later write is detected.
        try:
            state = storage.mtime_token(name)
            text = ManifestText(name, handle)
            entries = text.rows()
        except OSError as error:
            msg = f"{name} cannot be read: {error}"
            raise BrokenFile(msg) from error
    shape = find_shape(name, _kinds(entries), reading.columns)
    named = NamedImages(ImagePaths(storage, name, reading.allow_outside))
    for entry in entries:
        inputs = _input_paths(shape, entry)
        if len(inputs) > MAX_INPUTS:
            continue  # none of them will be read
        for path in (entry.get(shape.output or ""), *inputs):
            if isinstance(path, str) and path:
                named.add(path)
    return ManifestFile(
        storage=storage,
        reading=reading,
        name=name,
        shape=shape,
        entries=tuple(entries),
        image_bytes=named.bytes,
        content_hash=text.digest + named.content_hash,
        state=state,
        images=named.states(),
        images_mtime_token=named.mtime_token,
    )


def _kinds(entries: Sequence[Row]) -> dict[str, Kind]:
    """Return each key's kind over all its values: a list and a path in different rows: a list."""
    kinds: dict[str, Kind] = {}
    for entry in entries:
        for key, value in entry.items():
            known, kind = kinds.get(key, Kind.NULL), _kind(value)
            if known in {Kind.NULL, Kind.OTHER} or (known is Kind.TEXT and kind is Kind.TEXTS):
                kinds[key] = kind
    return kinds


def _kind(value: Any) -> Kind:  # noqa: ANN401 - any JSON value
    if value is None:
        return Kind.NULL
    if isinstance(value, str):
        return Kind.TEXT
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Kind.NUMBER
    return Kind.TEXTS if isinstance(value, list) else Kind.OTHER


def _input_paths(shape: Shape, entry: Row) -> list[Any]:
    """Return the values that name inputs; numbered keys end with the last that is not null."""
    if shape.listed:
        values = entry.get(shape.inputs[0])
        return values if isinstance(values, list) else [values] if isinstance(values, str) else []
    values = [entry.get(name) for name in shape.inputs]
    while values and values[-1] is None:
        values.pop()
    return values


def _cell(path: Any) -> Found:  # noqa: ANN401 - any JSON value
    return Named(path) if isinstance(path, str) and path else NULL
