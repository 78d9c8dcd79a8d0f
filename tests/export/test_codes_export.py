"""`mico export dimoo --codes`: what a training starts with, and nothing of others' lost."""

from pathlib import Path

import pytest

from mico_150k.core.errors import DiskTooSmall, OutputRefused, UsageError
from mico_150k.export.codes_export import export_codes
from mico_150k.export.codes_records import RecordOptions

from ..pretokenize.material import coded_rows, contents, write_rows


@pytest.fixture
def codes(tmp_path: Path) -> str:
    write_rows(tmp_path / "codes", coded_rows(6), vq="a|`b")
    return str(tmp_path / "codes")


def test_it_says_how_to_start_and_what_the_codes_are(codes: str, tmp_path: Path) -> None:
    to = tmp_path / "a folder"
    export_codes(codes, to, RecordOptions())
    assert {path.name for path in to.iterdir()} == {"codes", "train.sh", "START.md"}
    start = (to / "START.md").read_text()
    assert f"bash '{to}'/train.sh" in start
    assert "a¦ˋb" in start  # codes come from anywhere
    assert "left out: 0" in start
    before = contents(to)
    export_codes(codes, to, RecordOptions())
    assert contents(to) == before


def test_files_of_others_are_left_alone(codes: str, tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "START.md").write_text("mine")
    with pytest.raises(OutputRefused, match=r"START.md(.|\n)*--overwrite"):
        export_codes(codes, to, RecordOptions())
    assert (to / "START.md").read_text() == "mine"
    (to / "export.json").write_text("{}")  # an export of pictures, whose own it is
    export_codes(codes, to, RecordOptions())
    assert (to / "START.md").read_text() == "mine"
    assert (to / "codes" / "data.yaml").is_file()


def test_what_cannot_be_leaves_nothing_behind(
    codes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="all 6 records are longer than --max-seq-len 5"):
        export_codes(codes, tmp_path / "short", RecordOptions(max_seq_len=5))
    assert not (tmp_path / "short" / "train.sh").exists()
    monkeypatch.setattr("mico_150k.io.machine.free_space", lambda _: 1000)
    with pytest.raises(DiskTooSmall):
        export_codes(codes, tmp_path / "to", RecordOptions())
    assert not (tmp_path / "to").exists()
