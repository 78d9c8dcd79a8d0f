"""Training's files, made of codes alone."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from mico_150k.errors import OutputRefused, UsageError
from mico_150k.pretokenize import pickles
from mico_150k.pretokenize.codes import CodedRow, write_codes
from mico_150k.pretokenize.pickles import RecordOptions, relocate_pickles, write_pickles
from mico_150k.pretokenize.text import SYSTEM_PROMPT

from .material import coded, coded_rows, contents


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    write_codes(tmp_path / "codes", coded_rows(6), {})
    return tmp_path / "codes"


def records_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "all_records.json").read_text())


def test_a_pickle_has_rows_in_order_and_exchanged_sides(codes: Path, tmp_path: Path) -> None:
    write_pickles(codes, tmp_path / "to")
    record = next(r for r in records_of(tmp_path / "to") if r["id"] == "hoi/3")
    with open(record["answer_image"], "rb") as file:
        found = pickle.load(file)
    # Two columns and four rows: 32 pixels wide, 64 high, and upstream calls that height and width.
    assert found == {
        "input_ids": [126356 + 0x3B + n for n in range(8)],
        "length": 8,
        "height": 32,
        "width": 64,
    }
    assert list(found) == ["input_ids", "length", "height", "width"]


def test_a_record_has_what_training_reads(codes: Path, tmp_path: Path) -> None:
    result = write_pickles(codes, tmp_path / "to", RecordOptions(text_length=lambda _: 10))
    records = records_of(tmp_path / "to")
    assert result.records == len(records) == 6
    record = records[0]
    assert list(record) == [
        "system_prompt", "user_prompt", "user_image", "answer_text", "answer_image",
        "answer_thinking", "id", "len",
    ]  # fmt: skip
    assert record["system_prompt"] == SYSTEM_PROMPT
    assert record["answer_text"] == record["answer_thinking"] == ""
    # Text; input: two rows of 3 and a newline, in two marks; output: 4 of 2 + 1, in four.
    assert record["len"] == 10 + (2 * 4 + 2) + (4 * 3 + 4)
    config = yaml.safe_load((tmp_path / "to" / "data.yaml").read_text())
    assert config == {"META": [{"path": str(tmp_path / "to" / "all_records.json")}]}


def test_a_shared_picture_is_one_file_for_each_size(tmp_path: Path) -> None:
    rows = [
        CodedRow("a", "", (coded("1"), coded("2"))),
        CodedRow("b", "", (coded("1"), coded("2", size=64))),
    ]
    write_codes(tmp_path, rows, {})
    assert write_pickles(tmp_path, tmp_path / "to").pickles == 3
    one, other = sorted(records_of(tmp_path / "to"), key=lambda record: record["id"])
    assert one["user_image"] == other["user_image"]
    assert one["answer_image"] != other["answer_image"]


def test_records_are_shuffled_by_the_seed(codes: Path, tmp_path: Path) -> None:
    orders = []
    for seed in (0, 1, 0):
        write_pickles(codes, tmp_path / "to", RecordOptions(seed=seed))
        orders.append([record["id"] for record in records_of(tmp_path / "to")])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) != orders[0]


def test_longer_records_are_dropped_and_counted_or_refused(tmp_path: Path) -> None:
    rows = [*coded_rows(3), CodedRow("long", "", [coded(f"{n}", 4, 4) for n in range(9)])]
    write_codes(tmp_path, rows, {})
    options = RecordOptions(max_seq_len=100, text_length=lambda _: 20)
    result = write_pickles(tmp_path, tmp_path / "to", options)
    assert result.records == 3
    assert result.too_long == {8: 1}
    assert "long" not in {record["id"] for record in records_of(tmp_path / "to")}
    strict = RecordOptions(max_seq_len=100, text_length=lambda _: 20, over_limit="error")
    with pytest.raises(UsageError, match="1 records are longer"):
        write_pickles(tmp_path, tmp_path / "strict", strict)


def test_many_files_are_spread_over_folders_and_a_stopped_run_goes_on(
    codes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickles, "FILES_A_FOLDER", 3)
    to = tmp_path / "to"
    whole = write_pickles(codes, to)
    expected = contents(to)
    assert sorted(path.name for path in (to / "files").iterdir() if path.is_dir()) == [
        "00000", "00001", "00002",
    ]  # fmt: skip
    assert whole.pickles == 7

    def stop(done: int, _total: int) -> None:
        if done == stopped_at:
            raise KeyboardInterrupt

    for stopped_at in range(1, 7):
        again = tmp_path / f"again-{stopped_at}"
        with pytest.raises(KeyboardInterrupt):
            write_pickles(codes, again, on_progress=stop)
        write_pickles(codes, again)
        assert contents(again) == expected


def test_a_folder_that_is_something_elses_is_left_alone(codes: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "data.yaml").write_text("mine")
    with pytest.raises(OutputRefused, match="--overwrite"):
        write_pickles(codes, to)
    assert (to / "data.yaml").read_text() == "mine"
    write_pickles(codes, to, overwrite=True)
    write_codes(tmp_path / "others", coded_rows(2), {})
    with pytest.raises(OutputRefused, match="not made of these codes"):
        write_pickles(tmp_path / "others", to)
    write_pickles(tmp_path / "others", to, overwrite=True)
    assert len(list((to / "files").rglob("*.pkl"))) == 3


def test_records_of_a_folder_that_has_moved_name_it_again(codes: Path, tmp_path: Path) -> None:
    old = tmp_path / "before"
    write_pickles(codes, old)
    before = records_of(old)
    moved = old.rename(tmp_path / "a way off")
    relocate_pickles(moved, str(old))
    after = records_of(moved)
    for record, was in zip(after, before, strict=True):
        paths = [*record["user_image"], record["answer_image"]]
        assert all(path.startswith(f"{moved}/") and Path(path).is_file() for path in paths)
        assert record["user_prompt"] == was["user_prompt"]
    assert str(old) not in (moved / "data.yaml").read_text()
    relocate_pickles(tmp_path, str(old))  # nothing was pre-tokenized there
