"""The data dictionary of a card: what each column holds, in which configurations, and each task."""

from collections.abc import Sequence
from dataclasses import dataclass

from mico_150k.core.columns import ColumnType
from mico_150k.core.task import Task
from mico_150k.dataset.configurations import COLUMNS

_INPUTS = "the input images, in the order that the instruction refers to"
_OUTPUT = "the composed image"
_INSTRUCTION = "what to do with the inputs"
MEANINGS = {
    "id": "unique id: the task, a slash and the id in the source",
    "source_id": "id in the source; it repeats between tasks",
    "task": "one of the tasks above",
    "subtask": "which kinds of inputs the row has, as `1 person + 1 object`; may be empty",
    "num_inputs": "number of input images",
    "instruction": _INSTRUCTION,
    "input_images": _INPUTS,
    "output_image": _OUTPUT,
    "widths": "width of each image in pixels",
    "heights": "height of each image in pixels",
    "formats": "`JPEG`, `PNG` or `WEBP`, for each image as it is stored",
    "digests": "XXH3-128 of each image's bytes, in hexadecimal",
    "actions": "why each image was re-encoded, causes joined by `+`; empty where it was not",
    "image_list": "the input images in order, then the composed image",
    "image_path": _INPUTS,
    "edit_path": _OUTPUT,
    "prompt": _INSTRUCTION,
    "task_type": "always `edit`: OmniGen2's own word, not a task of MICo-150K",
    "shard": "number in the file's name: 7 for `train-00007.parquet`",
    "row": "row in that file, from 0",
    "overlap": "the case of MICo-Bench that the row resembles, and how; may be empty",
    "editing_type": "the benchmark's sub-task, in one spelling",
    "refined_instruction": "the benchmark's longer instruction of `de_re`; may be empty",
    "human_indices": "which inputs show people, from 0",
    "reference": "the benchmark's reference output",
    "codes": "VQ codes of each image, line by line",
    "columns": "columns of each image's grid of codes",
    "rows": "rows of each image's grid of codes",
    "sizes": "pixels a side of the square that each image's area was scaled to",
}
"""Column → what it holds. Lists over images: inputs in order, then the output."""

_TYPES = {
    ColumnType.TEXT: "string",
    ColumnType.INTEGER: "int32",
    ColumnType.TEXTS: "list of strings",
    ColumnType.INTEGERS: "list of int32",
    ColumnType.CODES: "list of lists of uint16",
    ColumnType.IMAGE: "image",
    ColumnType.IMAGES: "list of images",
    ColumnType.RAW_IMAGES: "list of images",
}


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task in words: what its name stands for, its inputs and its output."""

    name: str
    stands_for: str
    inputs: str
    output: str


TASKS = (
    TaskEntry(
        Task.OBJECT_CENTRIC.value,
        "object-centric",
        "2 to 5 objects, or objects and a scene",
        "the objects together, in the scene",
    ),
    TaskEntry(
        Task.HUMAN_CENTRIC.value,
        "human-centric",
        "2 or 3 people, or people and a scene",
        "the people together, in the scene",
    ),
    TaskEntry(
        Task.HOI.value,
        "human-object interaction",
        "people with objects, clothes or both",
        "the people wearing, holding or using them",
    ),
    TaskEntry(
        Task.DE_RE.value,
        "decompose and recompose",
        "the components that one photo was decomposed into",
        "the components composed again",
    ),
)


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """A line of the dictionary."""

    name: str
    type: str
    configs: tuple[str, ...]
    meaning: str


def dictionary(configs: Sequence[str]) -> list[ColumnEntry]:
    """Every column of these configurations, in the order in which they first occur."""
    found: dict[tuple[str, str], list[str]] = {}
    for config in configs:
        for name, column in COLUMNS[config].items():
            found.setdefault((name, _TYPES[column.type]), []).append(config)
    return [
        ColumnEntry(name, type_, tuple(having), MEANINGS[name])
        for (name, type_), having in found.items()
    ]
