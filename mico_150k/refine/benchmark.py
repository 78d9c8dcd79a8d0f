"""MICo-Bench, the benchmark beside MICo-150K: its JSONL and image folders, and its rows.

Four JSONL files, one a task, name the images by path. Two files have other keys than the rest
(`ed_idx` for `idx`, `refined_prompt`), and one kind of case is spelled in several ways.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mico_150k.core.errors import BrokenFile, DuplicateIds, EmptySource, UnknownShape
from mico_150k.core.excerpt import excerpt
from mico_150k.core.faults import shown
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Image, Missing, Origin, RawSample, Sample, SkippedRow, is_text
from mico_150k.core.task import Task, task_from_spelling
from mico_150k.images.header import Verify
from mico_150k.io.cells import NULL, Cell
from mico_150k.io.json_lines import parse_json_lines
from mico_150k.io.storage import Storage
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.validate import RowValidator

_KEYS = ("Task", "input", "prompt", "reference")
_IDS = ("idx", "ed_idx")


@dataclass(frozen=True, slots=True)
class BenchCase:
    """One case: a sample whose output is the reference, and what only the benchmark knows.

    `human_indices` are places among the inputs, from 0, that show a human;
    `refined_instruction` is "" where there is none.
    """

    sample: Sample
    refined_instruction: str
    human_indices: tuple[int, ...]

    @property
    def id(self) -> str:
        """`<task>/<its number>`."""
        return self.sample.id

    @property
    def task(self) -> Task:
        """The task that it evaluates."""
        return self.sample.task

    @property
    def editing_type(self) -> str:
        """What is composed, in one spelling: `2 humans + 1 object`; "" where none is said."""
        return self.sample.subtask

    @property
    def instruction(self) -> str:
        """The prompt."""
        return self.sample.instruction

    @property
    def inputs(self) -> tuple[Image, ...]:
        """In order."""
        return self.sample.inputs

    @property
    def output(self) -> Image:
        """The reference."""
        return self.sample.output

    @property
    def num_bytes(self) -> int:
        """Bytes of all images; what row groups are cut by."""
        return self.sample.num_bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the JSONL, read and checked; its images are not touched."""

    origin: Origin
    task: Task
    number: str
    editing_type: str
    instruction: str
    refined_instruction: str
    inputs: tuple[str, ...]
    human_indices: tuple[int, ...]
    reference: str

    @property
    def id(self) -> str:
        """`<task>/<its number>`."""
        return f"{self.task}/{self.number}"


@dataclass(frozen=True, slots=True)
class Bench:
    """MICo-Bench, its lines in memory and its images on disk."""

    storage: Storage
    entries: tuple[Entry, ...]

    @classmethod
    def open(cls, location: str) -> "Bench":
        """Read the JSONL files in a folder or below it, or one of them.

        Raises `SourceNotFound`, `EmptySource`, `UnknownShape`, `BrokenFile`, `DuplicateIds`.
        """
        storage, name = Storage.at(location)
        files = [name] if name is not None else storage.find(".jsonl")
        entries = [entry for file in files for entry in _read_entries(storage, file)]
        if not entries:
            msg = (
                f"{location}: not MICo-Bench.\n"
                "Name the folder with mico_bench_object_centric.jsonl and the other three, and "
                "the image folders that they name."
            )
            raise EmptySource(msg)
        _check_ids(entries)
        return cls(storage, tuple(entries))

    def cases(self, verify: Verify = Verify.STRUCTURE) -> Iterator[BenchCase | SkippedRow]:
        """Each case with its images read, or why it cannot be used; in the files' order."""
        examiner = RowValidator(verify)
        for entry in self.entries:
            result = examiner.examine_row(self._raw(entry))
            if isinstance(result, SkippedRow):
                yield result
            else:
                yield BenchCase(result, entry.refined_instruction, entry.human_indices)

    def _raw(self, entry: Entry) -> RawSample:
        output = self._image(entry.origin.file, entry.reference)
        return RawSample(
            origin=entry.origin,
            task=entry.task,
            source_id=entry.number,
            subtask=entry.editing_type,
            instruction=entry.instruction,
            inputs=tuple(self._image(entry.origin.file, path) for path in entry.inputs),
            output=Missing(Reason.NO_OUTPUT) if output is NULL else output,
        )

    def _image(self, file: str, path: str) -> Cell:
        """By its path from the JSONL file, or else from the folder that was given."""
        if not path:
            return NULL
        image = ImagePaths(self.storage, file).read(path)
        if isinstance(image, Missing) and "/" in file:
            return ImagePaths(self.storage, "").read(path)
        return image


def one_spelling(editing_type: str) -> str:
    """One spelling for a kind of case, with all its counts.

    >>> one_spelling("Human + 4 Clothes"), one_spelling("1 Human + 4 Clothes")
    ('1 human + 4 clothes', '1 human + 4 clothes')
    >>> one_spelling("1 male character and 2 female characters")
    '1 man + 2 women'
    """
    parts = []
    for part in re.split(r"\+|\band\b", editing_type):
        count, what = re.fullmatch(r"\s*(\d*)\s*(.*?)\s*", part, re.DOTALL).groups()  # type: ignore[union-attr] # fits any text
        names = next((names for word, *names in _WORDS if word in what.lower()), None)
        if names is None:
            return editing_type.strip()
        number = int(count or 1)
        parts.append(f"{number} {names[number != 1]}")
    return " + ".join(parts)


_WORDS = (
    # Part of a word in the benchmark, then ours for one and for several.
    ("female", "woman", "women"),
    ("male", "man", "men"),
    ("human", "human", "humans"),
    ("person", "human", "humans"),
    ("cloth", "clothes", "clothes"),
    ("object", "object", "objects"),
    ("scene", "scene", "scenes"),
)


def _read_entries(storage: Storage, file: str) -> Iterator[Entry]:
    with storage.open(file) as handle:
        for row, (_, line) in enumerate(parse_json_lines(handle, file)):
            yield _entry(Origin(file, row), line)


def _entry(origin: Origin, line: Any) -> Entry:  # noqa: ANN401 - any JSON value
    keys = set(line) if isinstance(line, dict) else set()
    if not keys.issuperset(_KEYS) or keys.isdisjoint(_IDS):
        msg = (
            f"{origin}: not a case of MICo-Bench, which has {', '.join(_KEYS)}, and idx or "
            f"ed_idx; this one has {excerpt(', '.join(sorted(keys))) or 'none'}."
        )
        raise UnknownShape(msg)
    task = task_from_spelling(line["Task"]) if isinstance(line["Task"], str) else None
    if task is None:
        msg = f"{origin}: its Task {shown(line['Task'])} is not a task of MICo-Bench."
        raise BrokenFile(msg)
    inputs = tuple(_texts(origin, line, "input"))
    humans = _humans(origin, line, len(inputs))
    return Entry(
        origin=origin,
        task=task,
        number=_number(origin, line),
        editing_type=one_spelling(_text(origin, line, "editing_type")),
        instruction=_text(origin, line, "prompt"),
        refined_instruction=_text(origin, line, "refined_prompt"),
        inputs=inputs,
        human_indices=humans,
        reference=_text(origin, line, "reference"),
    )


def _number(origin: Origin, line: Mapping[str, Any]) -> str:
    key = next(key for key in _IDS if key in line)
    value = line[key]
    if type(value) not in {int, str} or not is_text(str(value)):
        raise _wrong(origin, key, value)
    return str(value)


def _text(origin: Origin, line: Mapping[str, Any], key: str) -> str:
    value = line.get(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(origin, key, value)
    return value or ""


def _texts(origin: Origin, line: Mapping[str, Any], key: str) -> list[str]:
    value = line[key]
    if not isinstance(value, list) or not all(isinstance(path, str) for path in value):
        raise _wrong(origin, key, value)
    return value


def _humans(origin: Origin, line: Mapping[str, Any], inputs: int) -> tuple[int, ...]:
    places = line.get("human_indices") or []
    if not isinstance(places, list) or not all(
        type(place) is int and 0 <= place < inputs for place in places
    ):
        raise _wrong(origin, "human_indices", places)
    return tuple(places)


def _wrong(origin: Origin, key: str, value: object) -> BrokenFile:
    return BrokenFile(f"{origin}: its {key} cannot be {excerpt(value, _MOST_SHOWN)!r}.")


def _check_ids(entries: list[Entry]) -> None:
    seen: dict[str, Origin] = {}
    for entry in entries:
        if entry.id in seen:
            msg = f"the case {entry.id!r} appears twice: {seen[entry.id]} and {entry.origin}."
            raise DuplicateIds(msg)
        seen[entry.id] = entry.origin


_MOST_SHOWN = 60
