"""Shapes are upstream's, and what they and texts come to in tokens fits."""

from pathlib import Path

import pytest
from mico_150k.builders.dimoo import DimooRecords
from mico_150k.builders.dimoo_tokens import (
    MOST,
    SizeTable,
    estimate,
    grid,
    instruction,
    load_tokenizer,
    shape_for,
    shapes,
)

from mico_150k.core.errors import SourceNotFound, UsageError


def test_shapes_have_about_one_area_and_sides_in_multiples_of_32() -> None:
    found = shapes(512)
    assert len(found) == 49
    assert found[0] == (1024, 256)
    assert found[-1] == (256, 1024)
    assert (512, 512) in found
    assert all(width % 32 == height % 32 == 0 for width, height in found)
    assert all(0.8 * 512**2 < width * height <= 512**2 for width, height in found)


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ((1024, 1024), (512, 512)),
        ((7, 7), (512, 512)),
        ((1536, 1024), (608, 416)),
        ((1024, 1536), (416, 608)),
        ((5000, 100), (1024, 256)),
    ],
)
def test_a_picture_gets_the_shape_nearest_in_ratio(
    sides: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert shape_for(*sides, 512) == expected


def test_the_default_table_fits_5120_tokens_up_to_nine_square_inputs() -> None:
    table = SizeTable.parse()
    options = DimooRecords(text_length=lambda _: 250)
    totals = []
    for inputs in range(1, 11):
        sizes = [*[table.of_inputs(inputs)] * inputs, table.output]
        totals.append(options.tokens("", [grid((size, size)) for size in sizes]))
    assert [table.of_inputs(n) for n in (1, 3, 4, 5, 6, 7, 20)] == [
        512,
        512,
        448,
        384,
        384,
        320,
        320,
    ]
    assert max(totals[:9]) <= 5120 < totals[9]
    assert totals[0] == 250 + 1058 + 1060


def test_a_table_reads_back_what_it_says() -> None:
    table = SizeTable.parse("1:512,5:256,128", 384)
    assert SizeTable.parse(str(table), 384) == table
    assert SizeTable.parse("256").of_inputs(9) == 256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a list of sizes"),
        ("3:512", "not a list of sizes"),
        ("512,3:448", "not a list of sizes"),
        ("4:512,3:448,320", "ascending"),
        ("0:512,320", "ascending"),
        ("3:500,320", "multiple of 32"),
        ("2048", "multiple of 32, up to 1024"),
        ("0", "multiple of 32"),
    ],
)
def test_a_table_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SizeTable.parse(text)


def test_the_estimate_errs_upwards_and_ends_where_training_cuts() -> None:
    text = instruction("system", "Put the ball from image 1 onto the beach.")
    assert len(text.split()) < estimate(text) < len(text)
    assert estimate("x" * 10_000) == MOST
    assert estimate("把球放在海滩上") == 7


def test_a_tokenizer_counts_as_it_encodes(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra vq")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.enable_truncation(3)
    words.save(str(tmp_path / "tokenizer.json"))
    count = load_tokenizer(str(tmp_path))
    assert count("a b c a b") == 5
    assert count("a " * 5000) == MOST


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra vq")
    with pytest.raises(SourceNotFound, match="tokenizer.json"):
        load_tokenizer(str(tmp_path))
