"""A row group: samples whose Arrow arrays are made once and shared by all configurations."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.core.columns import Column, Columns, ColumnType, arrow_schema
from mico_150k.core.sample import Image
from mico_150k.io.arrow import array_of, binary_array, list_array

MAX_BYTES = 64 << 20
"""Of images. BAGEL holds about four times a row group in each worker, and the viewer refuses more
than 300 MB."""
MAX_ROWS = 20
"""BAGEL shards by row groups: there must be many, even of small images."""


class Sized(Protocol):
    """A row of images: a sample, or a case of the benchmark."""

    @property
    def num_bytes(self) -> int:
        """Bytes of all its images."""


SizedRow = TypeVar("SizedRow", bound=Sized)


def has_room(group: Sequence[Sized], row: Sized) -> bool:
    """Whether a group keeps both limits with one more row; an empty one takes any."""
    size = sum(other.num_bytes for other in group) + row.num_bytes
    return not group or (len(group) < MAX_ROWS and size <= MAX_BYTES)


def cut(samples: Iterable[SizedRow]) -> Iterator[list[SizedRow]]:
    """Samples in lists that keep both limits, by their real bytes; at least one in each."""
    group: list[SizedRow] = []
    for sample in samples:
        if not has_room(group, sample):
            yield group
            group = []
        group.append(sample)
    if group:
        yield group


def group_sizes(metadata: pq.FileMetaData) -> list[int]:
    """The rows of each row group of a file."""
    return [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]


class RowGroup:
    """Makes the tables of one row group, one for each configuration."""

    def __init__(self, samples: Sequence[Sized]) -> None:
        """`samples` are the rows, in order; they have the attributes that columns name."""
        self._samples = samples
        self._arrays: dict[tuple[str, ColumnType], pa.Array] = {}

    def table(self, columns: Columns) -> pa.Table:
        """The rows with these columns. Images that configurations share are copied once."""
        arrays = [self._array(column) for column in columns.values()]
        return pa.Table.from_arrays(arrays, schema=arrow_schema(columns))

    def _array(self, column: Column) -> pa.Array:
        if not column.attribute:
            return array_of([column.constant] * len(self._samples), column.type.arrow)
        key = (column.attribute, column.type)
        if key not in self._arrays:
            values = [getattr(sample, column.attribute) for sample in self._samples]
            self._arrays[key] = _arrow_array(values, column.type)
        return self._arrays[key]


def _arrow_array(values: Sequence[Any], column_type: ColumnType) -> pa.Array:
    if not column_type.holds_images:
        return array_of(values, column_type.arrow)
    if not column_type.is_list:
        return _image_structs(values)
    flat = [image for images in values for image in images]
    cells = (
        binary_array([image.data for image in flat])
        if column_type is ColumnType.RAW_IMAGES
        else _image_structs(flat)
    )
    return list_array(cells, values, column_type.arrow)


def _image_structs(images: Sequence[Image]) -> pa.StructArray:
    data = binary_array([image.data for image in images])
    return pa.StructArray.from_arrays(
        [data, pa.nulls(len(images), pa.string())], names=["bytes", "path"]
    )
