"""Limits: what a trainer cannot take is counted, and nothing is cut without a word."""

from collections.abc import Mapping

import pyarrow as pa
import pytest
from mico_150k.builders import TRAINERS, get_trainer

from mico_150k.core.errors import OverLimit, UsageError
from mico_150k.export.limits import OverLimitPolicy, candidates, fit

SQUARE = (512, 512)


def index(*rows: tuple[str, list[tuple[int, int]]]) -> pa.Table:
    """Rows of an instruction and sizes, inputs then output."""
    return pa.table(
        {
            "id": [f"hoi/{number}" for number in range(len(rows))],
            "num_inputs": [len(sizes) - 1 for _, sizes in rows],
            "instruction": [text for text, _ in rows],
            "widths": [[width for width, _ in sizes] for _, sizes in rows],
            "heights": [[height for _, height in sizes] for _, sizes in rows],
        }
    )


def inputs(count: int, text: str = "Put them together.") -> tuple[str, list[tuple[int, int]]]:
    return text, [SQUARE] * (count + 1)


def left_out(trainer: str, table: pa.Table) -> Mapping[str, int]:
    return fit(TRAINERS[trainer], table, OverLimitPolicy.DROP).skipped


@pytest.mark.parametrize(("trainer", "most"), [("blip3o", 4), ("omnigen2", 5), ("dimoo", 19)])
def test_a_row_with_more_inputs_than_a_trainer_takes_is_left_out(trainer: str, most: int) -> None:
    table = index(inputs(most), inputs(most + 1), inputs(1))
    fitted = fit(TRAINERS[trainer], table, OverLimitPolicy.DROP)
    assert fitted.index["id"].to_pylist() == ["hoi/0", "hoi/2"]
    assert fitted.inputs == (most, 1)
    assert fitted.skipped == {"inputs": 1}
    assert fitted.chosen == 3


def test_bagel_takes_as_many_inputs_as_a_batch_has_tokens_for() -> None:
    # 1,026 as VAE tokens and 1,371 as ViT tokens each; the target and the text are about 1,036.
    assert left_out("bagel", index(inputs(14), inputs(15))) == {"36,864 tokens": 1}


def test_records_of_dimoo_that_are_too_long_are_left_out_of_codes_and_counted_of_images() -> None:
    # At the sizes of codes, 4,892 tokens and 5,314; of images, all have 512 pixels.
    table = index(inputs(3), inputs(9), inputs(10))
    assert fit(get_trainer("dimoo", "codes"), table, OverLimitPolicy.DROP).skipped == {"length": 1}
    fitted = fit(TRAINERS["dimoo"], table, OverLimitPolicy.DROP)
    assert fitted.index.num_rows == 3
    assert fitted.remarks == {"length": 2}


def test_error_names_the_rows_and_what_to_do() -> None:
    with pytest.raises(OverLimit, match=r"2 of 3 rows .* hoi/1 \(inputs\), hoi/2") as raised:
        fit(TRAINERS["blip3o"], index(inputs(2), inputs(5), inputs(9)), OverLimitPolicy.ERROR)
    assert "--over-limit drop" in str(raised.value)


def test_truncate_keeps_the_first_unless_the_text_names_a_later_one() -> None:
    table = index(
        inputs(6, "Put image 1 into image 2."),
        inputs(6, "Put image 1 into Image 5."),
        inputs(6, "Use images 2, 3 and 6."),
        inputs(3, "Put image 1 into image 7."),
    )
    fitted = fit(TRAINERS["blip3o"], table, OverLimitPolicy.TRUNCATE)
    assert fitted.index["id"].to_pylist() == ["hoi/0", "hoi/3"]
    assert fitted.inputs == (4, 3)
    assert fitted.truncated == 1
    assert fitted.skipped == {"dangling": 2}


def test_fewer_inputs_than_the_trainer_takes_may_be_asked_for() -> None:
    table = index(inputs(2), inputs(3), inputs(4), inputs(5))
    fitted = fit(TRAINERS["blip3o"], table, OverLimitPolicy.DROP, max_inputs=2)
    assert fitted.index["id"].to_pylist() == ["hoi/0"]
    # A row that the trainer would not take either is not left out because it was asked for.
    assert fitted.skipped == {"max-inputs": 2, "inputs": 1}
    cut = fit(TRAINERS["bagel"], table, OverLimitPolicy.TRUNCATE, max_inputs=3)
    assert cut.inputs == (2, 3, 3, 3)
    assert cut.truncated == 2
    assert [len(row.inputs) for row in cut.rows()] == [2, 3, 3, 3]
    with pytest.raises(OverLimit, match=r"3 of 4 rows .* hoi/1 \(max-inputs\)"):
        fit(TRAINERS["omnigen2"], table, OverLimitPolicy.ERROR, max_inputs=2)


@pytest.mark.parametrize("asked", [4, 5])
def test_more_inputs_than_the_trainer_takes_cannot_be_asked_for(asked: int) -> None:
    with pytest.raises(UsageError, match=r"BLIP3o-Next takes 4 inputs .* for fewer"):
        fit(TRAINERS["blip3o"], index(inputs(2)), OverLimitPolicy.DROP, max_inputs=asked)


@pytest.mark.parametrize("marker", ["<image>", "<|im_end|>", "<|vision_start|>", "<im_start>"])
def test_an_instruction_with_a_marker_of_blip3o_is_left_out(marker: str) -> None:
    assert left_out("blip3o", index(inputs(2, f"Put {marker} on it"), inputs(2))) == {"marker": 1}


def test_targets_of_blip3o_that_are_not_square_are_counted_and_kept() -> None:
    table = index(("wide", [SQUARE, (1024, 512)]), ("square", [SQUARE, SQUARE]))
    fitted = fit(TRAINERS["blip3o"], table, OverLimitPolicy.DROP)
    assert fitted.index.num_rows == 2
    assert fitted.remarks == {"non-square": 1}


def test_omnigen2_leaves_out_long_texts_too_many_positions_and_slivers() -> None:
    table = index(
        inputs(2, "word " * 600),
        ("a sliver", [(3000, 20), SQUARE, SQUARE]),
        inputs(5, "word " * 500),
        ("word " * 480, [(1024, 1024), (1024, 1024), SQUARE]),
        inputs(5, "word " * 20),
    )
    assert left_out("omnigen2", table) == {"text": 1, "too-thin": 1, "positions": 1}


def test_all_rows_are_in_place_and_what_is_over_a_limit_is_told() -> None:
    table = index(inputs(2), inputs(40))
    fitted = fit(TRAINERS["bagel"], table, OverLimitPolicy.DROP).with_all(table)
    assert fitted.index.num_rows == 2
    assert fitted.inputs == (2, 40)
    assert fitted.skipped == {}
    assert fitted.remarks == {"36,864 tokens": 1}
    with pytest.raises(OverLimit, match=r"hoi/1 \(36,864 tokens\)"):
        fit(TRAINERS["bagel"], table, OverLimitPolicy.ERROR)


def test_candidates_have_their_sizes_in_the_order_of_the_index() -> None:
    (row,) = candidates(index(("text", [(1, 2), (3, 4), (5, 6)])))
    assert row.inputs == ((1, 2), (3, 4))
    assert row.output == (5, 6)


def test_what_bagel_skips_by_itself_is_in_the_export() -> None:
    long = inputs(14)
    [row] = candidates(index(long))
    assert [limit.name for limit in TRAINERS["bagel"].skips if limit.applies(row)] == [
        "10,240 tokens",
        "16,384 tokens",
    ]
    assert left_out("bagel", index(long)) == {}
