"""What a manifest, an index, an export's record and lines of JSON must keep, rule by rule."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mico_150k.core.errors import BrokenFile, NotAnExport, OutsideRoot
from mico_150k.core.faults import MOST_OF_A_KIND
from mico_150k.dataset import layout
from mico_150k.dataset.index_rules import index_faults
from mico_150k.dataset.manifest_rules import manifest_faults
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.report_rules import read_quarantine
from mico_150k.export.image_store import ImageStore
from mico_150k.export.record import parse_exported
from mico_150k.export.run import relocate
from mico_150k.refine.benchmark import Bench
from mico_150k.refine.takedown import Removal

from ..builders.exporting import export
from ..factories import Case, write_bench


def test_all_that_is_wrong_is_told_at_once_and_a_kind_is_told_a_few_times(dataset: Path) -> None:
    opened = open_dataset(dataset)
    rows = opened.index().to_pylist()
    for row in rows:
        row["formats"] = ["GIF"] * len(row["formats"])
    rows[3]["widths"][0] = 0
    rows[5]["task"] = None
    rows[7]["id"] = rows[8]["id"]
    table = pa.Table.from_pylist(rows, schema=opened.index().schema)
    told = [str(fault) for fault in index_faults({layout.SPLIT: table}, opened.manifest)]
    assert any("row 5: task is null" in fault for fault in told)
    assert any("row 3: widths has 0" in fault for fault in told)
    assert any("rows 7, 8: id appears twice" in fault for fault in told)
    (of_formats,) = (fault for fault in told if "formats has 'GIF'" in fault)
    assert "rows 0, 1, 2, 3, 4 … (23 in all)" in of_formats


def test_a_manifest_tells_all_its_faults_and_few_of_a_kind(dataset: Path) -> None:
    manifest = json.loads((dataset / layout.MANIFEST).read_text())
    files = manifest["configs"]["bagel"]
    record = next(iter(files.values()))
    files |= {layout.shard_name(number): {**record, "more": 1} for number in range(1, 60)}
    manifest["build"]["versions"] = {"pyarrow": "<b>"}
    told = [str(fault) for fault in manifest_faults(manifest)]
    assert sum("has the key 'more'" in fault for fault in told) == MOST_OF_A_KIND
    assert any("(and 54 more)" in fault for fault in told)
    assert any("build.versions" in fault for fault in told)


@pytest.mark.parametrize(
    ("digest", "image_format"),
    [
        ("0" * 32, "y/../../etc/cron"), ("0" * 32, "jpeg"), ("0" * 32, ""), ("0" * 32, "PNG\0"),
        ("../" * 10 + "ab", "PNG"), ("A" * 32, "PNG"), ("0" * 32 + "\n", "PNG"), ("", "PNG"),
    ],
)  # fmt: skip
def test_no_odd_format_or_digest_names_an_image(digest: str, image_format: str) -> None:
    with pytest.raises(BrokenFile, match="no image is called"):
        ImageStore.name(digest, image_format)


EXPORTED: dict[str, Any] = {
    "trainer": "omnigen2", "root": "/a", "images": "/a/images", "dataset": "d",
    "identity": {"options": {}},
    "rows_chosen": 1, "rows": 1, "truncated": 0, "skipped": {}, "remarks": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"record_files": {"../victim/settings.json": 1}},
        {"record_files": {"/etc/hosts": 1}},
        {"record_files": {".bashrc": 1}},
        {"files": ["a/b"]},
        {"files": "train.sh"},
        {"row_groups": {"../train-00000.parquet": 1}},
        {"measured": {"rows": "$(touch owned)"}},
        {"images": "/a\nrm -rf /"},
        {"root": "relative"},
        {"rows": -1},
        {"colour": "red"},
    ],
)
def test_an_exports_record_keeps_its_rules(change: dict[str, Any]) -> None:
    parse_exported(EXPORTED, "here")
    with pytest.raises(NotAnExport, match=r"here: .*export\.json"):
        parse_exported({**EXPORTED, **change}, "here")


def test_an_export_that_has_moved_rewrites_no_file_that_a_link_leads_to(
    dataset: Path, tmp_path: Path
) -> None:
    from mico_150k.builders import TRAINERS

    trainer = TRAINERS["omnigen2"]
    export(trainer, dataset, tmp_path / "one")
    moved = Path(shutil.move(tmp_path / "one", tmp_path / "two"))
    (record,) = json.loads((moved / "export.json").read_text())["record_files"]
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"a": 1}\n')
    (moved / record).unlink()
    (moved / record).symlink_to(mine)
    with pytest.raises(OutsideRoot, match="leads out of"):
        relocate(moved, trainer)
    assert mine.read_text() == '{"a": 1}\n'


def test_ends_of_lines_within_a_text_end_no_line(samples: list[Case], tmp_path: Path) -> None:
    odd = "one\u2028two\x85three\x0bfour"
    row = {"file": odd, "row": 1, "id": f"hoi/{odd}", "task": "hoi", "reason": "empty", "images": 2}
    line = json.dumps(row, ensure_ascii=False)
    (tmp_path / layout.QUARANTINE).write_text(f"{line}\n{line}\n", encoding="utf-8")
    assert [found["file"] for found in read_quarantine(tmp_path)] == [odd, odd]
    (tmp_path / "list").write_text(f"hoi/{odd}\r\nhoi/2\n", encoding="utf-8", newline="")
    assert Removal.read(tmp_path / "list").ids == {f"hoi/{odd}", "hoi/2"}
    folder = write_bench(tmp_path / "bench", samples[:1])
    (path,) = folder.glob("*object_centric.jsonl")
    case = {**json.loads(path.read_text()), "prompt": odd}
    path.write_text(json.dumps(case, ensure_ascii=False) + "\n", encoding="utf-8")
    assert Bench.open(str(folder)).entries[0].instruction == odd
