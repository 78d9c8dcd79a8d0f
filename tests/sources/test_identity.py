"""An id is a number or a text, and is never made of something else without a word."""

import math
from typing import Any

import pytest

from mico_150k.core.errors import BrokenFile
from mico_150k.sources.identity import place_id, source_id


@pytest.mark.parametrize(
    ("value", "expected"), [(7, "7"), (7.0, "7"), ("007", "007"), (2**53 + 1, str(2**53 + 1))]
)
def test_numbers_and_texts_are_ids(value: Any, expected: str) -> None:
    assert source_id(value, "f", 0, "idx") == expected


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "is null"),
        (math.nan, "is null"),
        (0.5, "is 0.5, which is not an integer"),
        (math.inf, "is inf, which is not an integer"),
        (True, "is neither a number nor a text"),
        ([1], "is neither a number nor a text"),
        ("\ud800", "is not valid Unicode"),
    ],
)
def test_what_is_no_id_is_named_with_its_row_and_the_way_out(value: Any, what: str) -> None:
    with pytest.raises(BrokenFile) as error:
        source_id(value, "hoi/a.parquet", 3, "idx")
    assert str(error.value).startswith(f"hoi/a.parquet, row 3: its id (column idx) {what}.\n")
    assert str(error.value).endswith("--map id=@row")


def test_a_row_without_an_id_is_named_by_its_place() -> None:
    assert place_id("hoi/a.b.parquet", 3) == "hoi/a.b-3"
