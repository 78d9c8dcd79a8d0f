"""`mico export dimoo --format codes`: what a training starts with, of codes alone."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mico_150k.builders import get_trainer
from mico_150k.builders.dimoo import DimooRecords
from mico_150k.builders.dimoo_tokens import SYSTEM_PROMPT, SizeTable, estimate, instruction

from mico_150k.core.errors import (
    BrokenFile,
    DiskTooSmall,
    OutputRefused,
    OverLimit,
    UnknownConfig,
    UsageError,
)
from mico_150k.core.trainer import Candidate, Exported
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodedRow, write_codes
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export import codes_export
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.limits import OverLimitPolicy
from mico_150k.export.run import relocate, run_export
from mico_150k.pretokenize.add_config import CodesConfig

from ..pretokenize.material import MADE_WITH, add_codes, coded, contents, ids, write_dataset

DROP, ERROR, TRUNCATE = OverLimitPolicy.DROP, OverLimitPolicy.ERROR, OverLimitPolicy.TRUNCATE


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """A dataset of 8 rows with codes made up by hand."""
    dataset = write_dataset(tmp_path_factory.mktemp("codes") / "mico-150k")
    add_codes(dataset)
    return dataset


def prepare(
    dataset: DatasetFolder | str, to: Path, own: dict[str, Any] | None = None, **options: Any
) -> ExportJob:
    opened = open_dataset(getattr(dataset, "path", dataset))
    trainer = get_trainer("dimoo", "codes", **(own or {}))
    return ExportJob.prepare(opened, trainer, to, ExportOptions(**options))


def export(
    dataset: DatasetFolder | str, to: Path, own: dict[str, Any] | None = None, **options: Any
) -> Exported:
    """What training reads, with dimoo's own options."""
    return run_export(prepare(dataset, to, own, **options))


@pytest.fixture
def tokenizer(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], dict[str, Any]]:
    """The option for a tokenizer to which every text has so many tokens."""
    monkeypatch.setattr("mico_150k.builders.dimoo.load_tokenizer", lambda name: lambda _: int(name))
    return lambda tokens: {"tokenizer": str(tokens)}


def records_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "all_records.json").read_text())


def test_a_pickle_has_rows_in_order_and_exchanged_sides(
    whole: DatasetFolder, tmp_path: Path
) -> None:
    export(whole, tmp_path / "to")
    record = next(r for r in records_of(tmp_path / "to") if r["id"] == ids(whole)[3])
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


def test_a_record_has_what_training_reads(
    whole: DatasetFolder, tmp_path: Path, tokenizer: Callable[[int], dict[str, Any]]
) -> None:
    exported = export(whole, tmp_path / "to", tokenizer(10))
    records = records_of(tmp_path / "to")
    assert exported.rows == len(records) == 8
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


def test_it_says_how_to_start_and_what_the_codes_are(whole: DatasetFolder, tmp_path: Path) -> None:
    to = tmp_path / "a folder"
    export(whole, to)
    names = {path.name for path in to.iterdir()}
    assert names == {
        "all_records.json", "data.yaml", "files", "train.sh", "START.md", "export.json",
    }  # fmt: skip
    start = (to / "START.md").read_text()
    assert f"bash '{to}/train.sh'" in start
    assert "| VQ checkpoint, SHA-256 | ab |" in start
    assert "| pixels per side, by number of inputs | 3:512,320 |" in start
    before = contents(to)
    assert export(whole, to).rows == 8
    assert contents(to) == before


def test_what_a_stranger_says_of_its_codes_is_shown_only_where_it_is_a_word(
    whole: DatasetFolder, tmp_path: Path
) -> None:
    dataset = DatasetFolder(Path(shutil.copytree(whole.path, tmp_path / "mico-150k")))
    manifest = json.loads((dataset.path / layout.MANIFEST).read_text())
    (record,) = manifest["configs"][layout.CODES].values()
    record["vq_sha256"] = "a|`b\n# mine"
    (dataset.path / layout.MANIFEST).write_text(json.dumps(manifest))
    export(dataset, tmp_path / "to")
    assert "| VQ checkpoint, SHA-256 | not known |" in (tmp_path / "to" / "START.md").read_text()
    record["sizes"] = {"a": 1}
    (dataset.path / layout.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BrokenFile, match="sizes in its manifest"):
        export(dataset, tmp_path / "again")


def test_a_shared_picture_is_one_file_for_each_size(whole: DatasetFolder, tmp_path: Path) -> None:
    dataset = DatasetFolder(Path(shutil.copytree(whole.path, tmp_path / "mico-150k")))
    first, second = ids(dataset)[:2]
    replace_codes(
        dataset,
        CodedRow(first, "", (coded("1"), coded("2"))),
        CodedRow(second, "", (coded("1"), coded("2", size=64))),
    )
    exported = export(dataset, tmp_path / "to")
    assert exported.unique_images == 3
    records = {record["id"]: record for record in records_of(tmp_path / "to")}
    assert records[first]["user_image"] == records[second]["user_image"]
    assert records[first]["answer_image"] != records[second]["answer_image"]
    assert (exported.rows, exported.skipped) == (2, {"no codes": 6})
    assert "no codes: `mico pretokenize` could not" in (tmp_path / "to" / "START.md").read_text()


def replace_codes(dataset: DatasetFolder, *rows: CodedRow) -> None:
    """Give a dataset these codes, as `mico pretokenize` does where it leaves records out."""
    made = dataset.path.with_name("codes")
    write_codes(made, rows, len(rows), MADE_WITH)
    CodesConfig.prepare(dataset).add(codes_export.CodesFolder.open(made))


def test_records_are_shuffled_by_the_seed(whole: DatasetFolder, tmp_path: Path) -> None:
    orders = []
    for number, seed in enumerate((0, 1, 0)):
        export(whole, tmp_path / f"to{number}", selection=Selection(seed=seed))
        orders.append([record["id"] for record in records_of(tmp_path / f"to{number}")])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(ids(whole)) != orders[0]


def test_rows_are_chosen_as_for_any_other_trainer(whole: DatasetFolder, tmp_path: Path) -> None:
    chosen = Selection(where="num_inputs <= 2", limit=3)
    exported = export(whole, tmp_path / "to", selection=chosen)
    assert (exported.rows_chosen, exported.rows) == (3, 3)
    assert {record["id"] for record in records_of(tmp_path / "to")} < set(ids(whole))
    assert exported.unique_images == 4  # the one that all share, and each one's output
    fewer = export(whole, tmp_path / "fewer", max_inputs=2)
    assert (fewer.rows, fewer.skipped) == (4, {"max-inputs": 4})


def test_longer_records_are_dropped_and_counted_or_refused(
    whole: DatasetFolder, tmp_path: Path, tokenizer: Callable[[int], dict[str, Any]]
) -> None:
    # By the index: of these sizes, inputs of 512 pixels and one output.
    records = {"max_seq_len": 3000, **tokenizer(20)}
    exported = export(whole, tmp_path / "to", records)
    assert exported.skipped == {"length": exported.rows_chosen - exported.rows}
    assert 0 < exported.rows < 8
    assert "more tokens than `--max-seq-len`" in (tmp_path / "to" / "START.md").read_text()
    with pytest.raises(OverLimit, match=r"rows are over a limit .*\(length\)"):
        export(whole, tmp_path / "strict", records, over_limit=ERROR)
    with pytest.raises(UsageError, match="none of 8 rows is left"):
        export(whole, tmp_path / "short", {**records, "max_seq_len": 5})
    with pytest.raises(UsageError, match="only drop or error"):
        export(whole, tmp_path / "cut", over_limit=TRUNCATE)
    with pytest.raises(UsageError, match="codes: --images does not apply"):
        export(whole, tmp_path / "cut", images=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"to"}


def test_lengths_are_those_of_the_sizes_that_the_codes_were_made_at(
    whole: DatasetFolder, tmp_path: Path, tokenizer: Callable[[int], dict[str, Any]]
) -> None:
    # Four inputs have 320 pixels a side here; of 448, the default, they would be too long.
    four = Selection(where="num_inputs = 4")
    exported = export(
        whole, tmp_path / "to", {"max_seq_len": 3000, **tokenizer(20)}, selection=four
    )
    assert (exported.rows, exported.skipped) == (2, {})


def test_a_row_s_length_is_known_of_the_index_as_of_its_codes() -> None:
    records = DimooRecords(SizeTable.parse("2:96,64", 128), system_prompt="s")
    row = Candidate("a", "p", ((200, 200), (50, 50)), (300, 300))
    assert records.tokens_of(row) == records.tokens("p", [(6, 6), (6, 6), (8, 8)])
    text = estimate(instruction("s", "p"))
    assert records.tokens("p", [(6, 6), (8, 8)]) == text + (6 * 7 + 2) + (8 * 9 + 4)


def test_many_files_are_spread_over_folders_and_a_stopped_run_goes_on(
    whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes_export, "FILES_A_FOLDER", 3)
    monkeypatch.setattr(os, "sync", lambda: None)
    to = tmp_path / "to"
    exported = export(whole, to)
    expected = contents(to)
    assert sorted(path.name for path in (to / "files").iterdir() if path.is_dir()) == [
        "00000", "00001", "00002",
    ]  # fmt: skip
    assert exported.unique_images == 9
    for stopped_at in range(1, 8):
        again = tmp_path / f"again-{stopped_at}" / "to"

        def stop(progress: Any, at: int = stopped_at) -> None:
            if progress.rows == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_export(prepare(whole, again), on_progress=stop)
        export(whole, again)
        assert contents(again) == expected


def test_a_pickle_that_is_gone_is_written_again_and_a_damaged_one_when_overwriting(
    whole: DatasetFolder, tmp_path: Path
) -> None:
    export(whole, tmp_path / "to")
    found = contents(tmp_path / "to")
    first, second, *_ = sorted((tmp_path / "to" / "files").rglob("*.pkl"))
    second.unlink()
    export(whole, tmp_path / "to")
    assert contents(tmp_path / "to") == found
    first.write_bytes(bytes(len(first.read_bytes())))
    run_export(prepare(whole, tmp_path / "to"), overwrite=True)
    assert contents(tmp_path / "to") == found


def test_files_of_others_are_left_alone(whole: DatasetFolder, tmp_path: Path) -> None:
    to = tmp_path / "to"
    (to / "files").mkdir(parents=True)
    (to / "files" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputRefused, match="no export has written"):
        export(whole, to)
    with pytest.raises(OutputRefused, match="files has files that no export has written"):
        run_export(prepare(whole, to), overwrite=True)
    assert (to / "files" / "thesis.tex").read_text() == "mine"


def test_another_export_takes_the_place_of_one_only_when_it_is_to_overwrite(
    whole: DatasetFolder, tmp_path: Path
) -> None:
    to, few = tmp_path / "to", Selection(limit=2)
    export(whole, to)
    with pytest.raises(OutputRefused, match="holds another export"):
        export(whole, to, selection=few)
    with pytest.raises(OutputRefused, match="holds another export"):
        export(whole, to, {"system_prompt": "Do."})
    run_export(prepare(whole, to, selection=few), overwrite=True)
    assert len(list((to / "files").rglob("*.pkl"))) == 3
    assert len(records_of(to)) == 2


def test_records_follow_a_folder_that_was_moved(whole: DatasetFolder, tmp_path: Path) -> None:
    job = prepare(whole, tmp_path / "to")
    run_export(job)
    found = contents(tmp_path / "to")
    moved = (tmp_path / "to").rename(tmp_path / "moved")
    relocate(moved, job.trainer)
    assert contents(moved) == found
    assert all(Path(row["answer_image"]).is_file() for row in records_of(moved))
    (moved / "all_records.json").write_text("{}")
    again = moved.rename(tmp_path / "again")
    with pytest.raises(BrokenFile, match="not a list of records"):
        relocate(again, job.trainer)


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.export.forecast.free_space", lambda _: 1000)
    with pytest.raises(DiskTooSmall):
        export(whole, tmp_path / "to")
    assert not list(tmp_path.rglob("*.pkl"))


def test_a_dataset_without_codes_is_refused(tmp_path: Path) -> None:
    bare = write_dataset(tmp_path / "mico-150k")
    with pytest.raises(UnknownConfig, match="dimoo-codes"):
        export(bare, tmp_path / "to")
