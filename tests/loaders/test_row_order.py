"""Every row once, in an order that a seed and the counts decide."""

from itertools import chain, islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.loaders.row_order import Piece, draw, share, shuffled

COUNTS = st.lists(st.integers(1, 20), min_size=1, max_size=12)


def make(counts: list[int], row_bytes: int = 10) -> list[Piece]:
    return [Piece(f"{at}.parquet", at, 0, rows, row_bytes) for at, rows in enumerate(counts)]


def rows_of(pieces: list[Piece]) -> list[tuple[str, int]]:
    return [(piece.file, row) for piece in pieces for row in range(piece.start, piece.stop)]


@given(COUNTS, st.integers(1, 9))
def test_shares_are_all_rows_in_order_and_differ_by_one(counts: list[int], parts: int) -> None:
    pieces = make(counts)
    shares = [share(pieces, part, parts, even=False) for part in range(parts)]
    assert rows_of(list(chain(*shares))) == rows_of(pieces)
    sizes = [sum(piece.rows for piece in mine) for mine in shares]
    assert max(sizes) - min(sizes) <= 1


@given(COUNTS, st.integers(1, 9))
def test_even_shares_are_equal_and_leave_out_less_than_a_row_each(
    counts: list[int], parts: int
) -> None:
    pieces = make(counts)
    shares = [rows_of(share(pieces, part, parts, even=True)) for part in range(parts)]
    assert {len(mine) for mine in shares} == {sum(counts) // parts}
    assert rows_of(pieces)[: sum(counts) // parts * parts] == list(chain(*shares))


@given(COUNTS, st.integers(0, 500), st.integers(0, 99))
def test_each_row_is_drawn_once_and_the_pool_is_bounded(
    counts: list[int], pool_bytes: int, seed: int
) -> None:
    pieces = make(counts)
    drawn = list(draw(pieces, Random(seed), max(1, pool_bytes)))
    assert sorted(drawn) == [(at, row) for at, rows in enumerate(counts) for row in range(rows)]
    begun: set[int] = set()
    for place, (number, _) in enumerate(drawn):
        begun.add(number)
        # Whole pieces are added until the pool is full: one may reach over it.
        reach = sum(counts[: max(begun)])
        assert (reach - place) * 10 < max(1, pool_bytes) + 10


def test_without_a_seed_rows_stay_in_order() -> None:
    pieces = make([2, 3])
    assert shuffled(pieces, None, 5) == pieces
    assert list(draw(pieces, None, 1)) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]


def test_seed_and_epoch_decide_the_order() -> None:
    pieces = make([1] * 50)
    assert shuffled(pieces, 1, 0) == shuffled(pieces, 1, 0) != shuffled(pieces, 1, 1)
    assert shuffled(pieces, 1, 0) != shuffled(pieces, 2, 0)
    assert list(draw(pieces, Random(1), 200)) == list(draw(pieces, Random(1), 200))


@pytest.mark.parametrize("pool_rows", [1, 40])
def test_a_larger_pool_mixes_more_row_groups(pool_rows: int) -> None:
    first = islice(draw(make([10] * 20), Random(3), pool_rows * 10), 10)
    groups = {number for number, _ in first}
    assert (len(groups) == 1) is (pool_rows == 1)
