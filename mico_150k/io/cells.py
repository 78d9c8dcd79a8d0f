"""Image cells of an Arrow array as views into its buffers: no image is copied here."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, Missing, as_view

Cell = Buffer | Missing
ReadPath = Callable[[str], Any]
"""Turns the path of an image that is not embedded into what stands for it."""

NULL = Missing(Reason.NULL_IMAGE)


_JSON, UUID_TYPE = "arrow.json", "arrow.uuid"


def plain_array(array: pa.Array) -> pa.Array:
    """Return the values without extension types, dictionary encoding or run-end encoding."""
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif pt.is_dictionary(array.type):
            array = array.dictionary_decode()
        elif pt.is_run_end_encoded(array.type):
            array = pc.run_end_decode(array)
        else:
            return array


def image_cells(array: pa.Array, read_path: ReadPath) -> list[Any]:
    """Return each cell of a column of images: `{bytes, path}`, binary of any kind, or paths.

    Args:
        array: The column.
        read_path: Called with the path of each image that is not embedded.

    Returns:
        A view of each image's bytes, or what `read_path` returned; None for a null.
    """
    array = plain_array(array)
    if pt.is_struct(array.type):
        return _struct_cells(array, read_path)
    if holds_text(array.type):
        return [NULL if path is None else read_path(path) for path in plain_values(array)]
    return [NULL if view is None else view for view in _views(array)]


def image_lists(array: pa.Array, read_path: ReadPath) -> list[list[Any]]:
    """Return each cell of a column of image lists, as `image_cells` does; a null list is empty."""
    array = plain_array(array)
    bounds = _bounds(array)
    start = min((begin for begin, _ in bounds), default=0)
    stop = max((end for _, end in bounds), default=0)
    cells = image_cells(array.values.slice(start, stop - start), read_path)
    return [cells[begin - start : end - start] for begin, end in bounds]


def _bounds(array: pa.Array) -> list[tuple[int, int]]:
    """Return where each list starts and ends in `array.values`; (0, 0) for a null.

    Lists are not cast into each other: pyarrow 26 loses values of list views that have a null.
    """
    if pt.is_fixed_size_list(array.type):
        size = array.type.list_size
        begins = range(array.offset * size, (array.offset + len(array)) * size, size or 1)
        starts, ends = list(begins), [begin + size for begin in begins]
    elif _is_list_view(array.type):
        starts = array.offsets.to_pylist()
        ends = [sum(pair) for pair in zip(starts, array.sizes.to_pylist(), strict=True)]
    else:
        offsets = array.offsets.to_pylist()
        starts, ends = offsets[:-1], offsets[1:]
    nowhere = (starts[0], starts[0]) if starts else (0, 0)
    valid = array.is_valid().to_pylist()
    return [
        place if there else nowhere
        for place, there in zip(zip(starts, ends, strict=True), valid, strict=True)
    ]


def plain_values(array: pa.Array) -> list[Any]:
    """Return the values in Python; a text of invalid UTF-8 becomes a lone surrogate.

    UUIDs become texts, and the JSON strings of a JSON column become the texts that they encode.
    """
    kind = array.type.extension_name if isinstance(array.type, pa.BaseExtensionType) else ""
    array = plain_array(array)
    try:
        values = list(array.to_pylist())
    except UnicodeDecodeError:
        values = [_plain(value) for value in array]
    if kind == UUID_TYPE:
        return [value if value is None else str(UUID(bytes=value)) for value in values]
    return [_json_text(value) for value in values] if kind == _JSON else values


def _json_text(value: Any) -> Any:  # noqa: ANN401 - any column's value
    """Return the text that a JSON string encodes, and any other value as it is."""
    try:
        return json.loads(value) if value and value.startswith('"') else value
    except ValueError:
        return value


def _plain(value: pa.Scalar) -> Any:  # noqa: ANN401 - any column's value
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return NO_TEXT


NO_TEXT = "\udcff"
"""A lone surrogate, which is not a valid text."""


def _struct_cells(array: pa.StructArray, read_path: ReadPath) -> list[Any]:
    nothing: list[Any] = [None] * len(array)
    names = {field.name for field in array.type}
    # `flatten` gives the children the struct's own nulls, and its slice.
    children = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
    views = _views(children["bytes"]) if "bytes" in names else nothing
    paths = plain_values(children["path"]) if "path" in names else nothing
    return [
        view if view is not None else read_path(path) if path else NULL
        for view, path in zip(views, paths, strict=True)
    ]


def _views(array: pa.Array) -> list[memoryview | None]:
    """Return a view of each value of a binary array, None for a null."""
    array = plain_array(array)
    if not (pt.is_binary(array.type) or pt.is_large_binary(array.type)):
        array = array.cast(pa.large_binary())
    _, offsets_buffer, data = array.buffers()
    if data is None:  # every value is empty or null
        return [memoryview(b"") if valid else None for valid in array.is_valid().to_pylist()]
    all_offsets = memoryview(offsets_buffer)
    all_offsets = all_offsets.cast("q") if pt.is_large_binary(array.type) else all_offsets.cast("i")
    offsets = all_offsets[array.offset : array.offset + len(array) + 1]
    bytes_ = as_view(data)
    valid = array.is_valid().to_pylist() if array.null_count else [True] * len(array)
    return [
        bytes_[offsets[place] : offsets[place + 1]] if valid[place] else None
        for place in range(len(array))
    ]


def is_list(arrow_type: pa.DataType) -> bool:
    """Whether a type's values are lists of any kind."""
    return bool(
        pt.is_list(arrow_type)
        or pt.is_large_list(arrow_type)
        or pt.is_fixed_size_list(arrow_type)
        or _is_list_view(arrow_type)
    )


def _is_list_view(arrow_type: pa.DataType) -> bool:
    return bool(pt.is_list_view(arrow_type) or pt.is_large_list_view(arrow_type))


def holds_numbers(arrow_type: pa.DataType) -> bool:
    """Whether a type's values are numbers of any width."""
    return bool(
        pt.is_integer(arrow_type) or pt.is_floating(arrow_type) or pt.is_decimal(arrow_type)
    )


def holds_binary(arrow_type: pa.DataType) -> bool:
    """Whether a type's values are bytes, with offsets of any width."""
    return bool(
        pt.is_binary(arrow_type)
        or pt.is_large_binary(arrow_type)
        or pt.is_binary_view(arrow_type)
        or pt.is_fixed_size_binary(arrow_type)
    )


def holds_text(arrow_type: pa.DataType) -> bool:
    """Whether a type's values are texts, with offsets of any width."""
    return bool(
        pt.is_string(arrow_type) or pt.is_large_string(arrow_type) or pt.is_string_view(arrow_type)
    )
