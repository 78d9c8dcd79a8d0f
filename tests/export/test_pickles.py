"""Training's files, made of codes alone."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from mico_150k.builders.dimoo_tokens import SYSTEM_PROMPT

from mico_150k.core.errors import BrokenFile, DiskTooSmall, OutputRefused, UsageError
from mico_150k.dataset.codes import CodedRow, CodesFolder
from mico_150k.export import pickles
from mico_150k.export.codes_records import RecordOptions
from mico_150k.export.pickles import check_disk, relocate_pickles, write_pickles

from ..pretokenize.material import coded, coded_rows, contents, write_rows


@pytest.fixture
def codes(tmp_path: Path) -> CodesFolder:
    return write_rows(tmp_path / "codes", coded_rows(6))


def records_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "all_records.json").read_text())


def test_a_pickle_has_rows_in_order_and_exchanged_sides(codes: CodesFolder, tmp_path: Path) -> None:
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


def test_a_record_has_what_training_reads(codes: CodesFolder, tmp_path: Path) -> None:
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
    made = write_rows(tmp_path, rows)
    assert write_pickles(made, tmp_path / "to").pickles == 3
    one, other = sorted(records_of(tmp_path / "to"), key=lambda record: record["id"])
    assert one["user_image"] == other["user_image"]
    assert one["answer_image"] != other["answer_image"]


def test_records_are_shuffled_by_the_seed(codes: CodesFolder, tmp_path: Path) -> None:
    orders = []
    for seed in (0, 1, 0):
        write_pickles(codes, tmp_path / "to", RecordOptions(seed=seed))
        orders.append([record["id"] for record in records_of(tmp_path / "to")])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) != orders[0]


def test_longer_records_are_dropped_and_counted_or_refused(tmp_path: Path) -> None:
    rows = [*coded_rows(3), CodedRow("long", "", [coded(f"{n}", 4, 4) for n in range(9)])]
    made = write_rows(tmp_path, rows)
    options = RecordOptions(max_seq_len=100, text_length=lambda _: 20)
    result = write_pickles(made, tmp_path / "to", options)
    assert result.records == 3
    assert result.too_long == {8: 1}
    assert "long" not in {record["id"] for record in records_of(tmp_path / "to")}
    strict = RecordOptions(max_seq_len=100, text_length=lambda _: 20, over_limit="error")
    with pytest.raises(UsageError, match="1 records are longer"):
        write_pickles(made, tmp_path / "strict", strict)


def test_many_files_are_spread_over_folders_and_a_stopped_run_goes_on(
    codes: CodesFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_a_folder_that_is_something_elses_is_left_alone(codes: CodesFolder, tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "data.yaml").write_text("mine")
    with pytest.raises(OutputRefused, match="--overwrite"):
        write_pickles(codes, to)
    assert (to / "data.yaml").read_text() == "mine"
    write_pickles(codes, to, overwrite=True)
    others = write_rows(tmp_path / "others", coded_rows(2))
    with pytest.raises(OutputRefused, match="not made of these codes"):
        write_pickles(others, to)
    write_pickles(others, to, overwrite=True)
    assert len(list((to / "files").rglob("*.pkl"))) == 3


def test_a_pickle_that_is_damaged_or_gone_is_written_again(
    codes: CodesFolder, tmp_path: Path
) -> None:
    write_pickles(codes, tmp_path / "to")
    whole = contents(tmp_path / "to")
    first, second, *_ = sorted((tmp_path / "to" / "files").rglob("*.pkl"))
    first.write_bytes(bytes(len(first.read_bytes())))
    second.unlink()
    write_pickles(codes, tmp_path / "to")
    assert contents(tmp_path / "to") == whole


def test_records_follow_a_folder_that_was_moved(codes: CodesFolder, tmp_path: Path) -> None:
    write_pickles(codes, tmp_path / "to")
    whole = contents(tmp_path / "to")
    moved = (tmp_path / "to").rename(tmp_path / "moved")
    relocate_pickles(moved)
    assert contents(moved) == whole
    assert all(Path(row["answer_image"]).is_file() for row in records_of(moved))
    (moved / "all_records.json").write_text("[{}]")
    with pytest.raises(BrokenFile, match="no records such as"):
        relocate_pickles(moved)
    relocate_pickles(tmp_path)  # where there are none


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    codes: CodesFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_disk(codes, tmp_path / "to")
    monkeypatch.setattr("mico_150k.io.machine.free_space", lambda _: 1000)
    with pytest.raises(DiskTooSmall, match="this will need 28"):
        check_disk(codes, tmp_path / "to")
    write_pickles(codes, tmp_path / "to")
    check_disk(codes, tmp_path / "to")  # all there
    # A disk that does not tell.
    monkeypatch.setattr("mico_150k.io.machine.free_space", lambda _: None)
    check_disk(codes, tmp_path / "to")
