"""What a configuration is: its name and its columns. All else follows from these.

A builder lies in a file of its own in `builders/`, where `builders/__init__.py` finds it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.sample import Image, Sample
from mico_150k.core.task import Task

Row = dict[str, Any]


class Builder:
    """Turns samples into the rows of one configuration."""

    name: ClassVar[str]
    """The configuration's name, and its folder's."""
    purpose: ClassVar[str]
    """What it is for: a line in the card."""
    columns: ClassVar[Mapping[str, Column]]
    """Column name → what it holds, in order."""

    def row(self, sample: Sample) -> Row:
        """The sample as a row of plain values; an image is `{"bytes": …, "path": None}`."""
        return {name: _plain(column, sample) for name, column in self.columns.items()}


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
