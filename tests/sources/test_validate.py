"""A row is a sample or a reason; nothing between, and nothing vanishes."""

from dataclasses import replace

import pytest

from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, Missing, Origin, RawSample, Sample, SkippedRow
from mico_150k.core.task import Task
from mico_150k.sources.validate import RowValidator

from ..factories import encode, picture

GOOD = encode(picture(1))
CUT = encode(picture(2))[:-30]
ROW = RawSample(Origin("f.parquet", 7), Task.HOI, "12", "", "put it there", (GOOD, GOOD), GOOD)


def left_out(row: RawSample) -> SkippedRow:
    result = RowValidator().examine_row(row)
    assert isinstance(result, SkippedRow)
    assert (result.file, result.row, result.id, result.task) == ("f.parquet", 7, "hoi/12", Task.HOI)
    return result


def test_a_good_row_is_a_sample_with_its_own_bytes() -> None:
    sample = RowValidator().examine_row(ROW)
    assert isinstance(sample, Sample)
    assert sample.id == "hoi/12"
    assert [image.data for image in sample.images] == [GOOD] * 3


@pytest.mark.parametrize("words", [None, "", "  \n\t "])
def test_without_an_instruction(words: str | None) -> None:
    assert left_out(replace(ROW, instruction=words)).reason is Reason.NO_INSTRUCTION


def test_an_instruction_that_cannot_be_written() -> None:
    assert left_out(replace(ROW, instruction="half of \ud83d")).reason is Reason.BAD_TEXT


def test_a_subtask_that_cannot_be_written_is_left_away() -> None:
    sample = RowValidator().examine_row(replace(ROW, subtask="\ud83d"))
    assert isinstance(sample, Sample)
    assert sample.subtask == ""


def test_what_is_told_of_a_row_can_be_written() -> None:
    result = left_out(replace(ROW, output=Missing(Reason.FILE_MISSING, "\ud800.png")))
    assert result.detail.encode()


def test_without_inputs() -> None:
    assert left_out(replace(ROW, inputs=())).reason is Reason.NO_INPUTS


def test_without_output() -> None:
    result = left_out(replace(ROW, output=Missing(Reason.NO_OUTPUT)))
    assert (result.reason, result.image, result.images) == (Reason.NO_OUTPUT, "output", 2)


def test_an_input_that_is_missing_is_named_by_its_number_and_path() -> None:
    result = left_out(replace(ROW, inputs=(GOOD, Missing(Reason.FILE_MISSING, "a.png"))))
    assert (result.reason, result.image, result.detail) == (Reason.FILE_MISSING, 2, "a.png")
    assert (result.size, result.digest) == (0, "")


@pytest.mark.parametrize(("place", "name"), [(0, 1), (1, 2), (2, "output")])
def test_an_unusable_image_is_named_with_its_size_and_digest(place: int, name: int | str) -> None:
    images: list[Buffer] = [GOOD, GOOD, GOOD]
    images[place] = CUT
    result = left_out(replace(ROW, inputs=tuple(images[:2]), output=images[2]))
    assert (result.reason, result.image, result.size) == (Reason.TRUNCATED, name, len(CUT))
    assert len(result.digest) == 32
    assert result.images == 3


def test_a_row_of_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mico_150k.sources.validate.MAX_ROW_BYTES", 100)
    assert left_out(ROW).reason is Reason.TOO_LARGE


def test_every_row_gives_one_result_in_order() -> None:
    rows = [ROW, replace(ROW, output=CUT), replace(ROW, instruction=None), ROW]
    kinds = [type(result) for result in RowValidator().examine(rows)]
    assert kinds == [Sample, SkippedRow, SkippedRow, Sample]
