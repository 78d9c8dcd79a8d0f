"""Choosing rows: by SQL, by a seeded sample, by number."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.errors import BadSelection
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection


@pytest.fixture(scope="module")
def index(dataset: Path) -> pa.Table:
    return open_dataset(dataset).index()


def test_nothing_asked_for_is_every_row(index: pa.Table) -> None:
    assert Selection().is_all
    assert Selection().of(index).equals(index)


def test_where_is_sql_over_the_columns_of_the_index(index: pa.Table) -> None:
    where = "task = 'hoi' and num_inputs <= 3 and list_max(widths) > 100 and formats[1] <> 'PNG'"
    expected = [
        row
        for row in index.to_pylist()
        if row["task"] == "hoi"
        and row["num_inputs"] <= 3
        and max(row["widths"]) > 100
        and row["formats"][0] != "PNG"
    ]
    assert 0 < len(expected) < index.num_rows
    assert Selection(where=where).of(index).to_pylist() == expected


def test_where_uses_the_cores_that_this_process_may(
    index: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.dataset.selection.cores", lambda: 3)
    assert Selection(where="current_setting('threads') = 3").of(index).num_rows == index.num_rows


def test_limit_takes_the_first(index: pa.Table) -> None:
    chosen = Selection(where="num_inputs = 2", limit=3).of(index)
    assert chosen.equals(Selection(where="num_inputs = 2").of(index).slice(0, 3))


def test_a_sample_is_the_same_for_a_seed_and_keeps_the_order(index: pa.Table) -> None:
    one, again = (Selection(sample=7, seed=1).of(index) for _ in range(2))
    other = Selection(sample=7, seed=2).of(index)
    assert one.equals(again)
    assert not one.equals(other)
    places = [index["id"].to_pylist().index(sample_id) for sample_id in one["id"].to_pylist()]
    assert places == sorted(places)


@given(rows=st.integers(0, 60), seed=st.integers(0, 2**32))
def test_a_sample_has_as_many_rows_as_asked_and_none_twice(rows: int, seed: int) -> None:
    index = pa.table({"id": [f"hoi/{number}" for number in range(40)]})
    ids = Selection(sample=rows, seed=seed).of(index)["id"].to_pylist()
    assert len(ids) == len(set(ids)) == min(rows, 40)


@pytest.mark.parametrize(
    "where",
    [
        "tusk = 'hoi'",
        "place = 3",
        "task =",
        "1); drop table x; --",
        "task = (select * from read_text('/etc/hostname'))",
    ],
)
def test_what_is_no_expression_over_the_index_says_what_its_columns_are(
    index: pa.Table, where: str
) -> None:
    with pytest.raises(BadSelection, match="Its columns are id, source_id, task") as raised:
        Selection(where=where).of(index)
    assert "_place" not in str(raised.value)


def test_a_where_that_finds_nothing_is_an_error(index: pa.Table) -> None:
    with pytest.raises(BadSelection, match="none of 24 rows matches"):
        Selection(where="num_inputs > 90").of(index)
