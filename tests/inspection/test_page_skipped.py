"""Rows that a dataset lacks, as a page lists them."""

import json
import shutil
from pathlib import Path

import pytest

from mico_150k.dataset import layout
from mico_150k.dataset.reader import open_dataset
from mico_150k.inspection.page_skipped import MOST_OF_A_REASON, count_skipped, read_skipped


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "made"))


def say_left_out(folder: Path, counts: dict[str, int]) -> None:
    path = folder / layout.MANIFEST
    manifest = json.loads(path.read_text())
    read = manifest["rows"] + sum(counts.values())
    path.write_text(json.dumps({**manifest, "rows_read": read, "skipped": counts}))


def test_a_common_reason_does_not_hide_the_others(copy: Path) -> None:
    many, one = {"reason": "not-selected", "row": 7}, {"reason": "truncated", "id": "hoi/3"}
    case = {"reason": "file-missing", "config": "bench"}
    lines = [*[many] * 300, case, one, "no row"]
    (copy / layout.QUARANTINE).write_text("".join(json.dumps(line) + "\n" for line in lines) + "{")
    found = read_skipped(open_dataset(copy))
    assert len(found) == MOST_OF_A_REASON + 1
    assert found[0]["row"] == "7"
    assert found[-1] == {
        "id": "hoi/3", "why": "an image that ends too early",
        "file": "", "image": "", "detail": "", "task": "", "row": "",
    }  # fmt: skip


def test_reasons_are_counted_in_words(copy: Path) -> None:
    say_left_out(copy, {"empty": 2, "truncated": 1})
    assert count_skipped(open_dataset(copy)) == {
        "an image of zero bytes": 2,
        "an image that ends too early": 1,
    }


def test_lines_end_at_line_feeds_alone_and_what_is_none_is_passed_over(copy: Path) -> None:
    odd = {"reason": "empty", "file": "a\u2028b\x85c.parquet", "row": 3}
    deep = "[" * 100_000
    text = f"{deep}\n{json.dumps(odd, ensure_ascii=False)}\n\n"
    (copy / layout.QUARANTINE).write_bytes(b"\xff\n" + text.encode())
    (row,) = read_skipped(open_dataset(copy))
    assert row["file"] == "a\\u2028b\\x85c.parquet"


def test_a_dataset_without_the_file_lists_none(copy: Path) -> None:
    (copy / layout.QUARANTINE).unlink(missing_ok=True)
    assert read_skipped(open_dataset(copy)) == []
