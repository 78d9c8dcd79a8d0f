"""Which columns of a file hold what, found per file: files of one source may differ.

Known of the release: `instruction`, `output_image`, and `ed_idx` at least in one task. Not
known: the inputs' columns, what a cell is, and how it goes on in the others.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from mico_150k.errors import UnknownShape, UsageError

ROW_PLACE = "@row"
"""As `--map id=@row`: the id is the row's place, whatever columns the file has."""


class Kind(str, Enum):
    """What a column's values are, as far as finding a shape goes."""

    IMAGE = "image"
    IMAGES = "list of images"
    TEXT = "text"
    TEXTS = "list of texts"
    TURNS = "list of lists of texts"
    NUMBER = "number"
    OTHER = "other"

    def __str__(self) -> str:
        return self.value


_IMAGE = {Kind.IMAGE, Kind.TEXT}  # a text may be a path
_IMAGES = {Kind.IMAGES, Kind.TEXTS}
_INSTRUCTION = {Kind.TEXT, Kind.TEXTS, Kind.TURNS}
_ID = {Kind.NUMBER, Kind.TEXT}

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
_NUMBERED = re.compile(r"(.*?)_?(\d+)")
_NUMBERED_PATHS = {"input_image", "image", "input", "source_image", "reference_image"}


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of one file.

    `inputs` is one list column, or one column for each input in order. `output` is None where
    the list's last image is the output. `id` is None where the row's place has to serve.
    """

    inputs: tuple[str, ...]
    listed: bool
    output: str | None
    instruction: str
    id: str | None = None
    subtask: str | None = None
    task: str | None = None

    @property
    def image_columns(self) -> tuple[str, ...]:
        """The columns that hold images."""
        return (*self.inputs, *([self.output] if self.output else []))

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        others = (self.instruction, self.id, self.subtask, self.task)
        return [*self.image_columns, *(name for name in others if name)]

    def __str__(self) -> str:
        inputs = f"{self.inputs[0]} … {self.inputs[-1]}" if len(self.inputs) > 1 else self.inputs[0]
        output = self.output or f"the last of {inputs}"
        return (
            f"inputs: {inputs}, output: {output}, instruction: {self.instruction}, "
            f"id: {self.id or 'the row’s place'}"
        )


def parse_map(words: Iterable[str]) -> dict[str, str]:
    """`["inputs=a,b output=c", "id=d"]` → `{"inputs": "a,b", "output": "c", "id": "d"}`."""
    parsed: dict[str, str] = {}
    for word in " ".join(words).split():
        part, separator, columns = word.partition("=")
        if not separator or not columns or part not in _PARTS:
            msg = f"--map {word!r} is not PART=COLUMN; PART is one of {', '.join(_PARTS)}."
            raise UsageError(msg)
        parsed[part] = columns
    return parsed


_PARTS = ("inputs", "output", "instruction", "id", "subtask", "task")


def find_shape(file: str, columns: Mapping[str, Kind], mapping: Mapping[str, str]) -> Shape:
    """The shape of a file with these columns; what `mapping` says goes before what is found.

    Raises `UnknownShape`, which prints the columns, what was expected and a `--map` to try.
    """
    # One --map serves all files, so it speaks only where a file has the columns that it names.
    said = {
        part: value
        for part, value in mapping.items()
        if value == ROW_PLACE or all(name in columns for name in value.split(","))
    }
    inputs = tuple(said["inputs"].split(",")) if "inputs" in said else _inputs(columns)
    output = said.get("output") or _first(columns, _OUTPUT_NAMES, _IMAGE)
    instruction = said.get("instruction") or _first(columns, _INSTRUCTION_NAMES, _INSTRUCTION)
    listed = len(inputs) == 1 and columns.get(inputs[0]) in _IMAGES
    output_is_last = listed and inputs[0] == _BAGEL_IMAGES and output is None
    wrong = []
    if not inputs:
        wrong.append("no column of input images: a list of them, or input_image_1, _2, …")
    elif not listed and any(columns.get(name) not in _IMAGE for name in inputs):
        wrong.append(f"{', '.join(inputs)} do not all hold images or paths of them.")
    if output is None and not output_is_last:
        wrong.append("no column of output images, such as output_image.")
    elif output is not None and columns.get(output) not in _IMAGE:
        wrong.append(f"{output} holds no images and no paths of them.")
    if instruction is None or columns.get(instruction) not in _INSTRUCTION:
        wrong.append("no column of instructions, such as instruction.")
    if wrong:
        wrong += [
            f"--map {part}={value} names a column that it has not."
            for part, value in mapping.items()
            if part not in said
        ]
        raise _unknown_shape(file, columns, wrong)
    found_id = said.get("id") or _first(columns, _ID_NAMES, _ID)
    return Shape(
        inputs=inputs,
        listed=listed,
        output=output,
        instruction=str(instruction),
        id=None if found_id == ROW_PLACE else found_id,
        subtask=said.get("subtask") or _first(columns, _SUBTASK_NAMES, {Kind.TEXT}),
        task=said.get("task") or _first(columns, _TASK_NAMES, {Kind.TEXT}),
    )


def _first(columns: Mapping[str, Kind], names: Iterable[str], kinds: set[Kind]) -> str | None:
    return next((name for name in names if columns.get(name) in kinds), None)


def _inputs(columns: Mapping[str, Kind]) -> tuple[str, ...]:
    """A list column by name, or the longest family of numbered columns in order."""
    if columns.get(_BAGEL_IMAGES) in _IMAGES:
        return (_BAGEL_IMAGES,)
    if listed := _first(columns, _INPUT_NAMES, _IMAGES):
        return (listed,)
    families: dict[str, list[tuple[int, str]]] = {}
    for name, kind in columns.items():
        numbered = _NUMBERED.fullmatch(name)
        if numbered and (
            kind is Kind.IMAGE or (kind is Kind.TEXT and numbered[1] in _NUMBERED_PATHS)
        ):
            families.setdefault(numbered[1], []).append((int(numbered[2]), name))
    if families:
        most = max(len(family) for family in families.values())
        longest = next(family for family in families.values() if len(family) == most)
        return tuple(name for _, name in sorted(longest))
    single = _first(columns, _INPUT_NAMES, _IMAGE)
    return (single,) if single else ()


def _unknown_shape(file: str, columns: Mapping[str, Kind], wrong: list[str]) -> UnknownShape:
    def named(kinds: set[Kind], fallback: str) -> str:
        return next((name for name, kind in columns.items() if kind in kinds), fallback)

    images = [name for name, kind in columns.items() if kind is Kind.IMAGE]
    inputs = named({Kind.IMAGES}, ",".join(images[:-1]) or named({Kind.TEXTS}, "COLUMN"))
    output = images[-1] if images else "COLUMN"
    listing = "\n".join(f"    {name}: {kind}" for name, kind in columns.items())
    return UnknownShape(
        f"{file}: its columns fit nothing that is known:\n{listing}\n"
        + "\n".join(f"  {line}" for line in wrong)
        + "\nSay which is which, for example:\n"
        f"  --map inputs={inputs} output={output} instruction={named({Kind.TEXT}, 'COLUMN')} "
        f"id={named({Kind.NUMBER}, ROW_PLACE)}"
    )
