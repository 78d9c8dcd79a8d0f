"""Image cells of an Arrow array as views into its buffers: no image is copied here."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from mico_150k.reason import Reason
from mico_150k.sample import Buffer, Missing, as_view
from mico_150k.sources.shape import Kind

Cell = Buffer | Missing
ReadPath = Callable[[str], Cell]

NULL = Missing(Reason.NULL_IMAGE)


def kind_of(arrow_type: pa.DataType) -> Kind:
    """What a column of this type can hold."""
    if is_list(arrow_type):
        of_values = kind_of(arrow_type.value_type)
        lists = {Kind.IMAGE: Kind.IMAGES, Kind.TEXT: Kind.TEXTS, Kind.TEXTS: Kind.TURNS}
        return lists.get(of_values, Kind.OTHER)
    if pt.is_dictionary(arrow_type):
        return kind_of(arrow_type.value_type)
    if pt.is_struct(arrow_type):
        names = {arrow_type.field(place).name for place in range(arrow_type.num_fields)}
        return Kind.IMAGE if names & {"bytes", "path"} else Kind.OTHER
    if _is_binary(arrow_type):
        return Kind.IMAGE
    if _is_text(arrow_type):
        return Kind.TEXT
    return Kind.NUMBER if pt.is_integer(arrow_type) or pt.is_floating(arrow_type) else Kind.OTHER


def image_cells(array: pa.Array, read_path: ReadPath) -> list[Cell]:
    """Each cell of a column of images: `{bytes, path}`, binary of any kind, or path texts.

    `read_path` fetches an image that is named and not embedded.
    """
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pt.is_struct(array.type):
        return _struct_cells(array, read_path)
    if _is_text(array.type):
        return [NULL if path is None else read_path(path) for path in plain_values(array)]
    return [NULL if view is None else view for view in _views(array)]


def image_lists(array: pa.Array, read_path: ReadPath) -> list[list[Cell]]:
    """Each cell of a column of image lists; a null list has no images."""
    if not (pt.is_list(array.type) or pt.is_large_list(array.type)):
        array = array.cast(pa.list_(array.type.value_type))
    offsets = array.offsets.to_pylist()
    start = offsets[0]
    cells = image_cells(array.values.slice(start, offsets[-1] - start), read_path)
    return [
        cells[begin - start : end - start] if valid else []
        for begin, end, valid in zip(
            offsets, offsets[1:], array.is_valid().to_pylist(), strict=False
        )
    ]


def plain_values(array: pa.Array) -> list[Any]:
    """The values in Python; a text that is no valid UTF-8 becomes one that is no text either."""
    try:
        return list(array.to_pylist())
    except UnicodeDecodeError:
        return [_plain(value) for value in array]


def _plain(value: pa.Scalar) -> Any:  # noqa: ANN401 - any column's value
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return NO_TEXT


NO_TEXT = "\udcff"
"""Half of a character: whoever needs a text finds that this is none."""


def _struct_cells(array: pa.StructArray, read_path: ReadPath) -> list[Cell]:
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
    """A view of each value of a binary array, None for a null."""
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
    """Whether its values are lists of any kind."""
    return bool(
        pt.is_list(arrow_type) or pt.is_large_list(arrow_type) or pt.is_fixed_size_list(arrow_type)
    )


def _is_binary(arrow_type: pa.DataType) -> bool:
    return bool(
        pt.is_binary(arrow_type)
        or pt.is_large_binary(arrow_type)
        or pt.is_binary_view(arrow_type)
        or pt.is_fixed_size_binary(arrow_type)
    )


def _is_text(arrow_type: pa.DataType) -> bool:
    return bool(
        pt.is_string(arrow_type) or pt.is_large_string(arrow_type) or pt.is_string_view(arrow_type)
    )
