"""Detects which columns of a file hold inputs, output, instruction, id and task.

Each file is examined separately, since files of one source may differ. Of the release these
columns are known: `instruction`, `output_image`, and `ed_idx` in at least one task. Its input
columns and the types of its cells are not.
"""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from mico_150k.core.errors import UnknownShape, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out
from mico_150k.io.cells import UUID_TYPE, holds_binary, holds_numbers, holds_text, is_list

ROW_PLACE = "@row"
"""As `--map id=@row`: the id is the row's position, whatever columns the file has."""
NOTHING = "@none"
"""As `--map subtask=@none`: no column holds it, whatever their names are."""
_MOST_LISTED = 60
"""The most columns that a message lists."""


class Kind(str, Enum):
    """The kind of a column's values."""

    IMAGE = "image"
    IMAGES = "list of images"
    TEXT = "text"
    TEXTS = "list of texts"
    TURNS = "list of lists of texts"
    NUMBER = "number"
    UUID = "UUID"
    NULL = "only nulls"
    OTHER = "other"

    def __str__(self) -> str:
        return self.value


_IMAGE = {Kind.IMAGE, Kind.TEXT}  # a text may be a path
_IMAGES = {Kind.IMAGES, Kind.TEXTS}
_INSTRUCTION = {Kind.TEXT, Kind.TEXTS, Kind.TURNS}
_ID = {Kind.NUMBER, Kind.TEXT, Kind.UUID}
_SUBTASK = {Kind.TEXT, Kind.NUMBER}
_TASK = {Kind.TEXT}

# Names in the release, in the trainers' own formats and in similar data; the first that fits.
_INPUT_NAMES = (
    "input_images", "input_image", "inputs", "image_path", "images", "source_images",
    "reference_images", "input",
)  # fmt: skip
_OUTPUT_NAMES = (
    "output_image", "output", "edit_path", "target_image", "target", "edited_image",
)  # fmt: skip
_INSTRUCTION_NAMES = ("instruction", "prompt", "instruction_list", "caption", "text")
_ID_NAMES = ("ed_idx", "idx", "original_idx", "id")
_SUBTASK_NAMES = ("subtask", "sub_task", "editing_type")
_TASK_NAMES = ("task", "Task")
_BAGEL_IMAGES = "image_list"
_NUMBERED_NAMES = ("input_image", "input", "source_image", "reference_image", "image")
_NUMBERED = re.compile(r"(.*?)_?(\d+)")

_PARTS = ("inputs", "output", "instruction", "id", "subtask", "task")
_OPTIONAL = ("subtask", "task")
_BETWEEN_PARTS = re.compile(r"\s+(?=\w+=)")  # a column's name may contain blanks


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of one file.

    `inputs` is one list column, or one column for each input in order. `output` is None where
    the list's last image is the output. `id` is None where the row's place has to serve.
    `mapped` are the parts that `--map` determined.
    """

    inputs: tuple[str, ...]
    listed: bool
    output: str | None
    instruction: str
    id: str | None = None
    subtask: str | None = None
    task: str | None = None
    mapped: frozenset[str] = frozenset()

    @property
    def image_columns(self) -> tuple[str, ...]:
        """The columns that hold images."""
        return (*self.inputs, *([self.output] if self.output else []))

    @property
    def text_columns(self) -> list[str]:
        """The columns that hold text about the images."""
        return [name for name in (self.instruction, self.id, self.subtask, self.task) if name]

    @property
    def columns(self) -> list[str]:
        """All distinct columns that are read."""
        return list(dict.fromkeys((*self.image_columns, *self.text_columns)))

    def to_dict(self) -> dict[str, Any]:
        """Return which column holds what, as plain values, without the options used."""
        return {
            "inputs": list(self.inputs),
            "listed": self.listed,
            "output": self.output,
            "instruction": self.instruction,
            "id": self.id,
            "subtask": self.subtask,
            "task": self.task,
        }

    def __str__(self) -> str:
        inputs = f"{self.inputs[0]} … {self.inputs[-1]}" if len(self.inputs) > 1 else self.inputs[0]
        output = self.output or f"the last of {inputs}"
        return (
            f"inputs: {inputs}, output: {output}, instruction: {self.instruction}, "
            f"id: {self.id or 'the row’s place'}"
        )


def parse_map(words: Iterable[str]) -> dict[str, str]:
    """Parse `["inputs=a,b output=c", "id=d"]` as `{"inputs": "a,b", "output": "c", "id": "d"}`."""
    parsed: dict[str, str] = {}
    for word in chain.from_iterable(_BETWEEN_PARTS.split(word.strip()) for word in words if word):
        part, separator, columns = word.partition("=")
        if not separator or not columns or part not in _PARTS:
            msg = f"--map {word!r} is not PART=COLUMN; PART is one of {', '.join(_PARTS)}."
            raise UsageError(msg)
        if part in parsed:
            msg = f"--map {word!r}: {part} is already {parsed[part]!r}."
            raise UsageError(msg)
        parsed[part] = columns
    return parsed


def find_shape(
    file: str,
    columns: Mapping[str, Kind],
    mapping: Mapping[str, str],
    types: Mapping[str, str] | None = None,
) -> Shape:
    """Detect the shape of a file.

    Args:
        file: The file's name.
        columns: Column → kind of its values.
        mapping: What `--map` says, which takes precedence.
        types: Column → its type in words, for messages.

    Raises:
        UnknownShape: The columns match no known layout; the message lists them, what was
            expected, and a `--map` to try.
    """
    # One --map serves all files, so it applies only if a file has the columns that it names.
    named = {part: _named(part, value) for part, value in mapping.items()}
    said = {part: names for part, names in named.items() if set(names) <= set(columns)}
    output = _one(said, "output") or _first(columns, _OUTPUT_NAMES, _IMAGE)
    inputs = [said["inputs"]] if "inputs" in said else _inputs(columns, output)

    def told(part: str, names: Iterable[str]) -> str | None:
        """Return the column of a part: a known name counts whatever its type, or is refused."""
        return _one(said, part) or (None if part in said else _present(columns, names))

    shape = Shape(
        inputs=inputs[0] if len(inputs) == 1 else (),
        listed=len(inputs) == 1 and len(inputs[0]) == 1 and columns[inputs[0][0]] in _IMAGES,
        output=output,
        instruction=told("instruction", _INSTRUCTION_NAMES) or "",
        id=told("id", _ID_NAMES),
        subtask=told("subtask", _SUBTASK_NAMES),
        task=told("task", _TASK_NAMES),
        mapped=frozenset(said),
    )
    wrong = [*_wrong(shape, columns, inputs, types or {})]
    if wrong:
        wrong += [
            f"--map {part}={value} names a column that does not exist."
            for part, value in mapping.items()
            if part not in said
        ]
        wrong += [_OF_AN_IMAGEFOLDER] if "file_name" in columns else []
        raise _unknown_shape(file, columns, shape, inputs, wrong, types or {})
    return shape


_OF_AN_IMAGEFOLDER = (
    "file_name is from an `imagefolder`, which has one image per row and no composed images."
)


def _named(part: str, value: str) -> tuple[str, ...]:
    """Return the columns that a `--map` names for a part."""
    if (part == "id" and value == ROW_PLACE) or (part in _OPTIONAL and value == NOTHING):
        return ()
    return tuple(value.split(",")) if part == "inputs" else (value,)


def _one(said: Mapping[str, tuple[str, ...]], part: str) -> str | None:
    return next(iter(said.get(part, ())), None)


def _first(columns: Mapping[str, Kind], names: Iterable[str], kinds: set[Kind]) -> str | None:
    return next((name for name in names if columns.get(name) in kinds), None)


def _present(columns: Mapping[str, Kind], names: Iterable[str]) -> str | None:
    """Return the first of these names whose column holds any values."""
    return next((name for name in names if columns.get(name, Kind.NULL) is not Kind.NULL), None)


def _inputs(columns: Mapping[str, Kind], output: str | None) -> list[tuple[str, ...]]:
    """Return the input columns; several groups of them if the choice is ambiguous.

    Known names take precedence. Numbered columns of another name count only if they are all the
    images of a file besides its output: otherwise they may be masks or something else.
    """
    if columns.get(_BAGEL_IMAGES) in _IMAGES:
        return [(_BAGEL_IMAGES,)]
    if listed := _first(columns, _INPUT_NAMES, _IMAGES):
        return [(listed,)]
    families: dict[str, list[tuple[int, str]]] = {}
    for name, kind in columns.items():
        numbered = _NUMBERED.fullmatch(name)
        # A known name counts whatever its type, and may be refused: skipping it would drop an
        # input from every row.
        by_name = kind is not Kind.NULL and numbered and numbered[1] in _NUMBERED_NAMES
        if numbered and name != output and (kind is Kind.IMAGE or by_name):
            families.setdefault(numbered[1], []).append((int(numbered[2]), name))
    groups = {
        of: tuple(name for _, name in sorted(family))
        for of, family in families.items()
        if any(columns[name] in _IMAGE for _, name in family)
    }
    if telling := next((groups[name] for name in _NUMBERED_NAMES if name in groups), None):
        return [telling]
    if single := _first(columns, _INPUT_NAMES, _IMAGE):
        return [(single,)]
    known = {output, *(name for group in groups.values() for name in group)}
    images = {Kind.IMAGE, Kind.IMAGES}
    others = tuple(n for n, kind in columns.items() if kind in images and n not in known)
    return [*groups.values(), *([others] if groups and others else [])]


def _wrong(
    shape: Shape,
    columns: Mapping[str, Kind],
    inputs: list[tuple[str, ...]],
    types: Mapping[str, str],
) -> Iterator[str]:
    """Return what keeps a file with these columns from being read."""

    def typed(name: str) -> str:
        return f"{excerpt(name)} ({excerpt(types[name])})" if name in types else excerpt(name)

    if not inputs:
        yield "no column of input images: a list of them, or input_image_1, _2, …"
    elif len(inputs) > 1:
        groups = "; ".join(_some(group) for group in inputs)
        yield f"the columns of input images are ambiguous: {groups}."
    elif not shape.listed and (odd := [n for n in shape.inputs if columns[n] not in _IMAGE]):
        named = ", ".join(map(typed, odd[:_MOST_LISTED]))
        yield f"{_some(shape.inputs)} must all have an image or its path; {named} do not."
    if shape.output is None:
        if not shape.listed or shape.inputs != (_BAGEL_IMAGES,):
            yield "no column of output images, such as output_image."
    elif columns[shape.output] not in _IMAGE:
        yield f"{typed(shape.output)} has neither images nor their paths."
    if not shape.instruction:
        yield "no column of instructions, such as instruction."
    elif columns[shape.instruction] not in _INSTRUCTION:
        yield f"{typed(shape.instruction)} has no texts."
    if shape.id and columns[shape.id] not in _ID:
        yield (
            f"{typed(shape.id)} has neither numbers nor texts, and cannot be the id. To number "
            f"the rows: --map id={ROW_PLACE}"
        )
    for part, name, kinds in (("subtask", shape.subtask, _SUBTASK), ("task", shape.task, _TASK)):
        if name and columns[name] not in kinds:
            yield f"{typed(name)} has no texts. To ignore it: --map {part}={NOTHING}"
    used = Counter([*shape.image_columns, *([shape.instruction] if shape.instruction else [])])
    for name in (name for name, times in used.items() if times > 1):
        yield f"{excerpt(name)} cannot be two of inputs, output and instruction."


def _some(names: tuple[str, ...]) -> str:
    """Return their names, or the first of many."""
    more = f", … ({len(names)} in all)" if len(names) > _MOST_LISTED else ""
    return ", ".join(map(excerpt, names[:_MOST_LISTED])) + more


def _unknown_shape(  # noqa: PLR0913, PLR0917 - all that a message says
    file: str,
    columns: Mapping[str, Kind],
    shape: Shape,
    inputs: list[tuple[str, ...]],
    wrong: list[str],
    types: Mapping[str, str],
) -> UnknownShape:
    def named(kinds: set[Kind], fallback: str) -> str:
        return next((name for name, kind in columns.items() if kind in kinds), fallback)

    def fitting(name: str | None, kinds: set[Kind]) -> str:
        return name if name and columns.get(name) in kinds else ""

    images = [name for name, kind in columns.items() if kind is Kind.IMAGE]
    output = shape.output or (images[-1] if images else "COLUMN")
    others = [name for name in images if name != output]
    guessed = list(inputs[0]) if inputs else others
    if len(guessed) > 1:
        guessed = [name for name in guessed if columns.get(name) in _IMAGE] or guessed
    if len(guessed) > _MOST_LISTED:
        guessed = ["COLUMN", "COLUMN"]
    guesses = {
        "inputs": ",".join(guessed)
        if inputs
        else named({Kind.IMAGES}, ",".join(guessed) or named({Kind.TEXTS}, "COLUMN")),
        "output": output,
        "instruction": fitting(shape.instruction, _INSTRUCTION) or named({Kind.TEXT}, "COLUMN"),
        "id": fitting(shape.id, _ID) or named({Kind.NUMBER}, ROW_PLACE),
        **({"subtask": NOTHING} if shape.subtask and not fitting(shape.subtask, _SUBTASK) else {}),
        **({"task": NOTHING} if shape.task and not fitting(shape.task, _TASK) else {}),
    }
    listed = [
        f"    {excerpt(name)}: {types.get(name, kind) if kind is Kind.OTHER else kind}"
        for name, kind in list(columns.items())[:_MOST_LISTED]
    ]
    if len(columns) > _MOST_LISTED:
        listed.append(f"    … and {len(columns) - _MOST_LISTED} more")
    example = " ".join(shlex.quote(f"{part}={value}") for part, value in guesses.items())
    return UnknownShape(
        "\n".join([f"{file}: its columns match no known layout:", *listed])
        + "\n"
        + "\n".join(f"  {line}" for line in wrong)
        + "\n"
        "Name them, for example:\n"
        f"  --map {example}\n"
        f"{leave_out(file)}"
    )


def kind_of(arrow_type: pa.DataType) -> Kind:  # noqa: PLR0911 - a table of types
    """Return what a column of this type can hold."""
    if isinstance(arrow_type, pa.BaseExtensionType):
        is_uuid = arrow_type.extension_name == UUID_TYPE
        return Kind.UUID if is_uuid else kind_of(arrow_type.storage_type)
    if is_list(arrow_type):
        of_values = kind_of(arrow_type.value_type)
        lists = {Kind.IMAGE: Kind.IMAGES, Kind.TEXT: Kind.TEXTS, Kind.TEXTS: Kind.TURNS}
        return lists.get(of_values, Kind.OTHER)
    if pt.is_dictionary(arrow_type) or pt.is_run_end_encoded(arrow_type):
        return kind_of(arrow_type.value_type)
    if pt.is_struct(arrow_type):
        names = {arrow_type.field(place).name for place in range(arrow_type.num_fields)}
        return Kind.IMAGE if names & {"bytes", "path"} else Kind.OTHER
    if holds_binary(arrow_type):
        return Kind.IMAGE
    if holds_text(arrow_type):
        return Kind.TEXT
    if pt.is_null(arrow_type):
        return Kind.NULL
    return Kind.NUMBER if holds_numbers(arrow_type) else Kind.OTHER
