"""Derives a row's id from its column's value."""

from decimal import Decimal
from typing import Any

from mico_150k.core.errors import BrokenFile
from mico_150k.core.plural import counted
from mico_150k.core.sample import is_text

MOST_CHARACTERS = 1000
"""The most characters of an id: paths are shorter, and a longer value is not an id."""


def source_id(value: Any, file: str, row: int, column: str) -> str:  # noqa: ANN401 - any column's value
    """Return the id as a text.

    Whole floats count as integers, since pandas turns an integer column with a missing value into
    floats; so do whole decimals, as which databases export 64-bit keys.

    Raises:
        BrokenFile: The value cannot be an id.
    """
    value = _whole(value)
    if wrong := _wrong(value):
        msg = (
            f"{file}, row {row}: its id (column {column}) is {wrong}.\n"
            "Number the rows instead: --map id=@row"
        )
        raise BrokenFile(msg)
    return str(value)


def _whole(value: Any) -> Any:  # noqa: ANN401 - any column's value
    """Return a whole number of another type as an integer; all else unchanged."""
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value == value.to_integral_value()
    else:
        is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def _wrong(value: Any) -> str:  # noqa: ANN401 - any column's value
    if value is None or value != value:  # noqa: PLR0124 - detects NaN
        return "null"
    if isinstance(value, float | Decimal):
        return f"{value}, which is not an integer"
    if isinstance(value, bool) or not isinstance(value, int | str):
        return "neither a number nor a text"
    text = str(value)
    if len(text) > MOST_CHARACTERS:
        return f"a text of {counted(len(text), 'character')}"
    return "" if is_text(text) else "not valid Unicode"


def place_id(file: str, row: int) -> str:
    """Return the id of a row whose file has no ids: its file and position."""
    return f"{file.rpartition('.')[0]}-{row}"


def subtask_of(value: Any) -> str:  # noqa: ANN401 - any column's value
    """Return a subtask as text, "" for none; whole numbers have no decimal point."""
    value = _whole(value)
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - a NaN
