"""What a configuration is: its name and its columns. All else follows from these.

A builder lies in a file of its own in `builders/`, where `builders/__init__.py` finds it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.sample import Image, Sample
from mico_150k.core.task import Task
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader

Row = dict[str, Any]


class Builder:
    """Turns samples into the rows of one configuration, and rows back into samples."""

    name: ClassVar[str]
    """The configuration's name, and its folder's."""
    purpose: ClassVar[str]
    """What it is for: a line in the card."""
    columns: ClassVar[Mapping[str, Column]]
    """Column name → what it holds, in order."""

    def row(self, sample: Sample) -> Row:
        """The sample as a row of plain values; an image is `{"bytes": …, "path": None}`."""
        return {name: _plain(column, sample) for name, column in self.columns.items()}

    def sample(
        self, row: Mapping[str, Any], *, task: Task = Task.UNKNOWN, source_id: str = ""
    ) -> Sample:
        """The sample that a row holds: what `row` made, or what was read of a file of its own.

        `task` and `source_id` serve where the configuration has no column for them.
        """
        held = {
            column.attribute: row[name] for name, column in self.columns.items() if column.attribute
        }
        reader = ImageReader(Verify.HEADER)
        if "images" in held:
            held["inputs"], held["output"] = held["images"][:-1], held["images"][-1]
        actions = held.get("actions") or [""] * (len(held["inputs"]) + 1)
        images = [
            _image(reader, cell, action)
            for cell, action in zip([*held["inputs"], held["output"]], actions, strict=True)
        ]
        return Sample(
            source_id=held.get("source_id", source_id),
            task=Task(held.get("task", task)),
            subtask=held.get("subtask", ""),
            instruction=held["instruction"],
            inputs=tuple(images[:-1]),
            output=images[-1],
        )


def _plain(column: Column, sample: Sample) -> Any:  # noqa: ANN401 - any column's value
    if not column.attribute:
        return column.constant
    value = getattr(sample, column.attribute)
    if column.type is ColumnType.IMAGE:
        return _cell(value)
    if column.type.holds_images:
        return [_cell(image) for image in value]
    return value.value if isinstance(value, Task) else value


def _cell(image: Image) -> Row:
    return {"bytes": bytes(image.data), "path": None}


def _image(reader: ImageReader, cell: Any, action: str) -> Image:  # noqa: ANN401 - bytes or a dict
    data = cell["bytes"] if isinstance(cell, Mapping) else cell
    image = reader.read(data)
    return Image(
        image.data, image.format, image.width, image.height, image.digest,
        tuple(action.split("+")) if action else (),
    )  # fmt: skip
