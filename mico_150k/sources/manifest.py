"""JSON and JSONL manifests of image paths, in each trainer's own format.

`BLIP3o-MICo.json` (`input_images`, `output_image`, `instruction`), `dimoo-mico.json`
(`image_path`, `edit_path`, `prompt`) and OmniGen2's JSONL (`task_type` besides BLIP3o's three);
other names with `--map`. A file is an array of objects, or one object a line.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import xxhash

from mico_150k.background import read_ahead
from mico_150k.errors import BrokenFile, EmptySource, SourceError
from mico_150k.pattern import leave_out
from mico_150k.reason import Reason
from mico_150k.sample import Missing, Origin, RawSample
from mico_150k.sources.cells import NULL, Cell
from mico_150k.sources.identity import place_id, source_id
from mico_150k.sources.named_images import NamedImages
from mico_150k.sources.shape import Kind, Shape, find_shape
from mico_150k.sources.source import Reading, collect, refuse_unheard
from mico_150k.sources.storage import ImagePaths, Storage
from mico_150k.task import (
    Task,
    speaks_of,
    task_by_rule,
    task_by_spelling,
    task_from_spelling,
    unknown_task,
)

_TELLING_FOLDERS = 3  # right above an image; those above them are about somebody's disk

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One manifest, its texts in memory: 148,000 rows are some 200 MB, the images stay on disk."""

    storage: Storage
    reading: Reading
    name: str
    shape: Shape
    entries: tuple[Row, ...]
    image_bytes: int
    content: str
    stamp: str

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.entries)

    @property
    def memory(self) -> int:
        """Bytes that reading it holds at most: the images of a few rows."""
        return 4 * self.image_bytes // max(1, self.rows)

    def identities(self) -> Iterator[tuple[Task, str]]:
        """Each row's task and source id."""
        for row, entry in enumerate(self.entries):
            yield self._task(row, entry), self._source_id(row, entry)

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        """The rows from `start` on, each with its images read from their files."""
        with self.storage.losses(self.name):  # where the source is not, no image is
            self.storage.stamp(self.name)
        samples = (self._sample(row, self.entries[row]) for row in range(start, self.rows))
        # `yield from` closes what it reads from when it is closed.
        yield from read_ahead(samples) if ahead else samples

    def obeys(self, rule: str) -> bool:
        """Whether a rule of `--task-map` speaks of it, or of one of its rows."""
        return speaks_of(rule, self.name) or any(
            speaks_of(rule, self._output(entry)) for entry in self.entries
        )

    def describe(self) -> dict[str, Any]:
        """Shape and images."""
        return {
            "file": self.name,
            "task": None,
            "rows": self.rows,
            "shape": str(self.shape),
            "image_bytes": self.image_bytes,
            "memory_bytes": self.memory,
        }

    def _sample(self, row: int, entry: Row) -> RawSample:
        paths = ImagePaths(self.storage, self.name, self.reading.allow_outside)
        inputs: list[Cell] = [_cell(paths, path) for path in _input_paths(self.shape, entry)]
        output = _cell(paths, entry.get(self.shape.output or ""))
        instruction = entry.get(self.shape.instruction)
        return RawSample(
            origin=Origin(self.name, row),
            task=self._task(row, entry),
            source_id=self._source_id(row, entry),
            subtask=str((self.shape.subtask and entry.get(self.shape.subtask)) or ""),
            instruction=instruction if isinstance(instruction, str) else None,
            inputs=tuple(inputs),
            output=Missing(Reason.NO_OUTPUT) if output is NULL else output,
        )

    def _source_id(self, row: int, entry: Row) -> str:
        if not self.shape.id:
            return place_id(self.name, row)
        return source_id(entry.get(self.shape.id), self.name, row, self.shape.id)

    def _task(self, row: int, entry: Row) -> Task:
        """By a rule, the row's own word, the manifest's path, or the folders of its output.

        Not by the inputs: a person in them does not make a task human-centric.
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
        """The output's path; "" where there is none."""
        output = entry.get(self.shape.output or "")
        return output if isinstance(output, str) else ""


@dataclass(frozen=True, slots=True)
class ManifestSource:
    """A folder of manifests, or one of them."""

    storage: Storage
    reading: Reading
    files: tuple[ManifestFile, ...]
    kind: str = "manifest"

    @property
    def location(self) -> str:
        """Where it was opened."""
        return self.storage.location

    @classmethod
    def open(
        cls,
        storage: Storage,
        names: list[str],
        reading: Reading,
        problems: list[SourceError] | None = None,
    ) -> "ManifestSource":
        """Read the manifests and their images' sizes; `problems` as for `open_source`.

        Raises `BrokenFile`, `UnknownShape`, `PathOutsideSource`.
        """
        with ThreadPoolExecutor(1) as pool:
            opened = [pool.submit(_read_manifest, storage, name, reading) for name in names]
            files = tuple(collect(opened, problems))
        if not problems:
            refuse_unheard(reading, storage.location, files)
        return cls(storage, reading, files)


def _read_manifest(storage: Storage, name: str, reading: Reading) -> ManifestFile:
    with storage.opened(name) as handle:
        data = handle.read()
    entries = _parse(name, data)
    shape = find_shape(name, _kinds(entries), reading.columns)
    named = NamedImages(ImagePaths(storage, name, reading.allow_outside))
    for entry in entries:
        for path in (entry.get(shape.output or ""), *_input_paths(shape, entry)):
            if isinstance(path, str):
                named.add(path)
    return ManifestFile(
        storage=storage,
        reading=reading,
        name=name,
        shape=shape,
        entries=tuple(entries),
        image_bytes=named.bytes,
        content=xxhash.xxh3_128_hexdigest(data) + named.content,
        stamp=storage.stamp(name) + named.stamp,
    )


def _parse(name: str, data: bytes) -> list[Row]:
    """The rows of an array, or of lines. Raises `BrokenFile` with the row or line."""
    data = data.removeprefix(BOM_UTF8)
    if data.lstrip()[:1] == b"[":
        place = "row"
        rows = dict(enumerate(_load(name, data)))
    else:
        place = "line"
        lines = enumerate(data.split(b"\n"), start=1)  # a text may hold any other end of a line
        rows = {number: _load(name, line, number) for number, line in lines if line.strip()}
    for number, entry in rows.items():
        if not isinstance(entry, dict):
            msg = f"{name}, {place} {number}: {type(entry).__name__} in place of a JSON object."
            raise BrokenFile(msg)
    if not rows:
        msg = f"{name}: a manifest without rows. {leave_out(name)}"
        raise EmptySource(msg)
    return list(rows.values())


def _load(name: str, data: bytes, line: int = 1) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value that begins in this line of a file."""
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError) as error:  # bad UTF-8 and bad JSON are both ValueErrors
        what = str(error)
        if isinstance(error, json.JSONDecodeError):
            line += error.lineno - 1
            what = f"column {error.colno}: {error.msg}"
        elif isinstance(error, UnicodeDecodeError):
            line += data.count(b"\n", 0, error.start)
            what = "no UTF-8"
        msg = (
            f"{name}, line {line}: neither an array of JSON objects nor one a line: {what}.\n"
            f"{leave_out(name)}"
        )
        raise BrokenFile(msg) from error


def _kinds(entries: list[Row]) -> dict[str, Kind]:
    """Each key's kind, by all its values: a list in one row and a path in another are lists."""
    kinds: dict[str, Kind] = {}
    for entry in entries:
        for key, value in entry.items():
            known, kind = kinds.get(key, Kind.OTHER), _kind(value)
            if known is Kind.OTHER or (known is Kind.TEXT and kind is Kind.TEXTS):
                kinds[key] = kind
    return kinds


def _kind(value: Any) -> Kind:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return Kind.TEXT
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Kind.NUMBER
    if isinstance(value, list):
        texts = all(isinstance(item, str | None) for item in value)
        return Kind.TEXTS if texts else Kind.OTHER
    return Kind.OTHER


def _input_paths(shape: Shape, entry: Row) -> list[Any]:
    """The values that name inputs; numbered keys end with the last that is not null."""
    if shape.listed:
        values = entry.get(shape.inputs[0])
        return values if isinstance(values, list) else [values] if isinstance(values, str) else []
    values = [entry.get(name) for name in shape.inputs]
    while values and values[-1] is None:
        values.pop()
    return values


def _cell(paths: ImagePaths, path: Any) -> Cell:  # noqa: ANN401 - any JSON value
    return paths.read(path) if isinstance(path, str) and path else NULL
