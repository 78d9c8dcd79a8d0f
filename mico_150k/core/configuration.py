"""A configuration: its name and its columns.

Each builder has a file in `builders/`, where `builders/__init__.py` finds it.
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
    """The name of the configuration and its folder."""
    purpose: ClassVar[str]
    """The purpose, for the card."""
    columns: ClassVar[Mapping[str, Column]]
    """Column name → column, in order."""

    def row(self, sample: Sample) -> Row:
        """Return the sample as a row of plain values; an image is `{"bytes": …, "path": None}`."""
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
