"""A row's id, from the value that its column holds."""

from typing import Any

from mico_150k.errors import BrokenFile
from mico_150k.sample import is_text


def source_id(value: Any, file: str, row: int, column: str) -> str:  # noqa: ANN401 - any column's value
    """The id as a text. Raises `BrokenFile` where the value is none.

    Whole floats are numbers: pandas makes them of a column of integers in which one is missing.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if wrong := _wrong(value):
        msg = (
            f"{file}, row {row}: its id (column {column}) is {wrong}.\n"
            "Take the row's place instead: --map id=@row"
        )
        raise BrokenFile(msg)
    return str(value)


def _wrong(value: Any) -> str:  # noqa: ANN401 - any column's value
    if value is None or value != value:  # noqa: PLR0124 - so is a NaN told
        return "null"
    if isinstance(value, float):
        return f"{value}, which is no whole number"
    if isinstance(value, bool) or not isinstance(value, int | str):
        return "neither a number nor a text"
    return "" if is_text(str(value)) else "no valid Unicode"


def place_id(file: str, row: int) -> str:
    """The id of a row whose file has none: its place."""
    return f"{file.rpartition('.')[0]}-{row}"
