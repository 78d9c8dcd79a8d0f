"""Columns of a configuration: their values in a `Sample`, and their types in four formats.

Arrow (in the file), the JSON that `datasets` keeps in a Parquet schema, the YAML of a card, and
`datasets.Features`. Lists are written as `Sequence` in the JSON: `datasets` 3.6 cannot read the
`List` that newer versions write, and they all read `Sequence`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from datasets import Features

IMAGE_STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores an image; `path` is always null, since the file has the bytes."""

Json = dict[str, Any]


def _list_of(values: pa.DataType) -> pa.ListType:
    # Parquet's own name for list items, so that a schema reads back as it was written.
    return pa.list_(pa.field("element", values))


class ColumnType(Enum):
    """The type of a column, in Arrow and as a feature of `datasets`."""

    TEXT = (pa.string(), "string", 0)
    INTEGER = (pa.int32(), "int32", 0)
    TEXTS = (_list_of(pa.string()), "string", 1)
    INTEGERS = (_list_of(pa.int32()), "int32", 1)
    CODES = (_list_of(_list_of(pa.uint16())), "uint16", 2)
    IMAGE = (IMAGE_STRUCT, "image", 0)
    IMAGES = (_list_of(IMAGE_STRUCT), "image", 1)
    RAW_IMAGES = (_list_of(pa.binary()), "image", 1)
    """`images` is for `datasets` and the viewer, `binary` for Parquet readers such as BAGEL's."""

    def __init__(self, arrow: pa.DataType, dtype: str, depth: int) -> None:
        self.arrow = arrow
        self.dtype = dtype
        self.depth = depth  # of lists in lists

    @property
    def is_list(self) -> bool:
        """Whether a row has a list of values."""
        return self.depth > 0

    @property
    def holds_images(self) -> bool:
        """Whether the values are images."""
        return self.dtype == "image"

    def feature(self) -> Json:
        """The feature as `Features.from_dict` reads it, in every version from 3.6."""
        value: Json = {"_type": "Image"} if self.holds_images else {"dtype": self.dtype}
        value.setdefault("_type", "Value")
        for _ in range(self.depth):
            value = {"feature": value, "_type": "Sequence"}
        return value

    def card(self) -> Json:
        """The feature as a card's `dataset_info` spells it."""
        value: Json = {"dtype": self.dtype}
        for outer in range(self.depth):
            value = {"list": value if outer else self.dtype}
        return value


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type, and its attribute of `Sample` or its constant text."""

    type: ColumnType
    attribute: str = ""
    constant: str = ""


Columns = Mapping[str, Column]


def arrow_schema(columns: Columns) -> pa.Schema:
    """Return the Arrow schema of the columns, with the features that `datasets` reads."""
    features = {name: column.type.feature() for name, column in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    fields = [pa.field(name, column.type.arrow) for name, column in columns.items()]
    return pa.schema(fields, metadata=metadata)


def features(columns: Columns) -> "Features":
    """Return the features of the columns, for the installed version of `datasets`."""
    from datasets import Features

    return Features.from_dict({name: column.type.feature() for name, column in columns.items()})


def card_features(columns: Columns) -> list[Json]:
    """Return the features of the columns, as a card's `dataset_info` lists them."""
    return [{"name": name, **column.type.card()} for name, column in columns.items()]
