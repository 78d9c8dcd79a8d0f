"""Row groups keep both limits by their real bytes, and tables hold what the samples hold."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mico_150k.builders import BUILDERS

from mico_150k.core.columns import arrow_schema
from mico_150k.core.sample import Image, Sample
from mico_150k.core.task import Task
from mico_150k.dataset import row_group
from mico_150k.dataset.row_group import RowGroup, cut

sizes = st.lists(st.integers(0, 120), max_size=80)


def sample(number: int, size: int = 3, inputs: int = 1) -> Sample:
    images = [
        Image(memoryview(bytes([number % 256]) * (size + place)), "PNG", 16, 16, f"d{number}")
        for place in range(inputs + 1)
    ]
    return Sample(str(number), Task.HOI, "", f"do {number}", tuple(images[:-1]), images[-1])


@given(sizes)
def test_cuts_keep_both_limits_and_every_row_in_order(sizes: list[int]) -> None:
    limit = row_group.MAX_BYTES
    row_group.MAX_BYTES = 200
    try:
        samples = [sample(number, size) for number, size in enumerate(sizes)]
        groups = list(cut(samples))
    finally:
        row_group.MAX_BYTES = limit
    assert [row for group in groups for row in group] == samples
    for group in groups:
        assert 1 <= len(group) <= row_group.MAX_ROWS
        assert len(group) == 1 or sum(row.num_bytes for row in group) <= 200
    for one, other in itertools.pairwise(groups):
        full = sum(row.num_bytes for row in one) + other[0].num_bytes > 200
        assert full or len(one) == row_group.MAX_ROWS


@pytest.mark.parametrize("name", BUILDERS)
def test_a_table_holds_what_the_builder_says_of_each_sample(name: str) -> None:
    builder = BUILDERS[name]
    samples = [sample(number, 10 * number, 1 + number % 4) for number in range(12)]
    table = RowGroup(samples).table(builder.columns)
    assert table.schema.equals(arrow_schema(builder.columns), check_metadata=True)
    table.validate(full=True)
    for row, expected in zip(table.to_pylist(), map(builder.row, samples), strict=True):
        if name == "bagel":
            expected["image_list"] = [cell["bytes"] for cell in expected["image_list"]]
        assert row == expected


def test_images_that_configurations_share_are_copied_once() -> None:
    group = RowGroup([sample(number, 1000) for number in range(10)])
    before = pa.total_allocated_bytes()
    tables = [group.table(BUILDERS[name].columns) for name in ("blip3o", "dimoo", "omnigen2")]
    grown = pa.total_allocated_bytes() - before
    assert grown < 1.5 * sum(sample(number, 1000).num_bytes for number in range(10))
    assert len(tables) == 3
