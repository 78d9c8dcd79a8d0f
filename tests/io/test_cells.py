"""Cells come out of every Arrow type as the bytes that went in, nulls in their places."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.sample import Missing
from mico_150k.io.cells import NULL, image_cells, image_lists
from mico_150k.sources.shape import Kind, kind_of

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
BINARIES = [pa.binary(), pa.large_binary(), pa.binary_view()]
LISTS = [pa.list_, pa.large_list]

cells = st.lists(st.none() | st.binary(max_size=20), max_size=12)
cuts = st.tuples(st.integers(0, 6), st.integers(0, 6))


def read_nothing(path: str) -> Missing:
    raise AssertionError(path)


def plain(values: list[object]) -> list[bytes | None]:
    return [None if value is NULL else bytes(value) for value in values]  # type: ignore[call-overload]


@pytest.mark.parametrize("arrow_type", BINARIES)
@given(values=cells, cut=cuts)
def test_binary_of_any_width_and_slice(
    arrow_type: pa.DataType, values: list[bytes | None], cut: tuple[int, int]
) -> None:
    array = pa.array(values, arrow_type).slice(*cut)
    assert plain(image_cells(array, read_nothing)) == values[cut[0] : sum(cut)]


@given(values=cells, cut=cuts)
def test_structs_and_null_structs(values: list[bytes | None], cut: tuple[int, int]) -> None:
    rows = [None if value is None else {"bytes": value, "path": "name"} for value in values]
    array = pa.array(rows, STRUCT).slice(*cut)
    assert plain(image_cells(array, read_nothing)) == values[cut[0] : sum(cut)]


@pytest.mark.parametrize("list_of", LISTS)
@given(values=st.lists(st.none() | cells, max_size=8), cut=cuts)
def test_lists_of_structs_keep_rows_and_order(
    list_of: type, values: list[list[bytes | None] | None], cut: tuple[int, int]
) -> None:
    rows = [
        row and [None if cell is None else {"bytes": cell, "path": None} for cell in row]
        for row in values
    ]
    array = pa.array(rows, list_of(STRUCT)).slice(*cut)
    expected = [row or [] for row in values[cut[0] : sum(cut)]]
    assert [plain(row) for row in image_lists(array, read_nothing)] == expected


@given(rows=st.lists(st.none() | st.lists(st.binary(), min_size=2, max_size=2)), cut=cuts)
def test_lists_of_one_size(rows: list[list[bytes] | None], cut: tuple[int, int]) -> None:
    array = pa.array(rows, pa.list_(pa.binary(), 2)).slice(*cut)
    expected = [row or [] for row in rows[cut[0] : sum(cut)]]
    assert [plain(row) for row in image_lists(array, read_nothing)] == expected


def test_a_struct_without_bytes_is_read_by_its_path() -> None:
    rows = [{"bytes": None, "path": "a.png"}, {"bytes": b"x", "path": "b.png"}, {"bytes": None}]
    found = image_cells(pa.array(rows, STRUCT), lambda path: path.encode())
    assert found == [b"a.png", b"x", NULL]


def test_texts_are_paths() -> None:
    found = image_cells(pa.array(["a.png", None]), lambda path: path.encode())
    assert found == [b"a.png", NULL]


def test_dictionary_encoded_cells() -> None:
    array = pa.array([b"one", b"two", b"one"]).dictionary_encode()
    assert plain(image_cells(array, read_nothing)) == [b"one", b"two", b"one"]


def test_cells_are_views_and_no_copies() -> None:
    array = pa.array([b"picture" * 100])
    (cell,) = image_cells(array, read_nothing)
    assert isinstance(cell, memoryview)
    assert pa.py_buffer(cell).address == array.buffers()[2].address


@pytest.mark.parametrize(
    ("arrow_type", "kind"),
    [
        (STRUCT, Kind.IMAGE),
        (pa.struct([("x", pa.int8())]), Kind.OTHER),
        (pa.list_(STRUCT), Kind.IMAGES),
        (pa.large_list(pa.large_binary()), Kind.IMAGES),
        (pa.list_(pa.binary(), 2), Kind.IMAGES),
        (pa.string_view(), Kind.TEXT),
        (pa.list_(pa.large_string()), Kind.TEXTS),
        (pa.list_(pa.list_(pa.string())), Kind.TURNS),
        (pa.int16(), Kind.NUMBER),
        (pa.float32(), Kind.NUMBER),
        (pa.bool_(), Kind.OTHER),
        (pa.list_(pa.float32()), Kind.OTHER),
    ],
)
def test_kind_of_types(arrow_type: pa.DataType, kind: Kind) -> None:
    assert kind_of(arrow_type) is kind
