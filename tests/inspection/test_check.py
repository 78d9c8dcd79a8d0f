"""A sound folder passes; each thing that would break a reader is found and named."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import NotADataset
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.inspection.check import Finding, check_dataset
from mico_150k.io.temporary import partial
from mico_150k.sources import open_source

from ..factories import cases, write_release


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "mico-150k"))


def faults(folder: Path, *, hashes: bool = True) -> list[Finding]:
    return [
        finding for finding in check_dataset(DatasetFolder(folder), hashes=hashes) if finding.fault
    ]


def test_what_was_just_built_is_sound(dataset: Path) -> None:
    findings = list(check_dataset(DatasetFolder(dataset)))
    assert not [finding for finding in findings if finding.fault]
    assert {"manifest.json", "README.md", "bagel", "index"} <= {f.where for f in findings}


def change_a_byte(folder: Path) -> None:
    path = folder / "bagel" / layout.shard_name(0)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)


def remove_a_shard(folder: Path) -> None:
    (folder / "dimoo" / layout.shard_name(0)).unlink()


def add_a_shard(folder: Path) -> None:
    shutil.copy(folder / "dimoo" / layout.shard_name(0), folder / "dimoo" / layout.shard_name(7))


def cut_a_shard(folder: Path) -> None:
    path = folder / "blip3o" / layout.shard_name(0)
    os.truncate(path, path.stat().st_size - 100)


def change_a_count(folder: Path) -> None:
    card = folder / layout.CARD
    card.write_text(card.read_text().replace("num_examples: 24", "num_examples: 25", 1))


def change_a_feature(folder: Path) -> None:
    card = folder / layout.CARD
    card.write_text(card.read_text().replace("list: image", "list: string", 1))


def remove_the_cards_header(folder: Path) -> None:
    (folder / layout.CARD).write_text("# MICo-150K\n")


def break_the_cards_header(folder: Path) -> None:
    (folder / layout.CARD).write_text("---\n[: {\n---\n")


def add_a_script(folder: Path) -> None:
    (folder / "mico-150k.py").write_text("")


def write_with_another_schema(folder: Path) -> None:
    path = folder / "omnigen2" / layout.shard_name(0)
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)


def write_one_row_group(folder: Path) -> None:
    path = folder / "omnigen2" / layout.shard_name(0)
    pq.write_table(pq.read_table(path), path)


def edit_header(folder: Path, **keys: Any) -> None:
    card = folder / layout.CARD
    _, header, text = card.read_text().split("---\n", 2)
    card.write_text(f"---\n{yaml.safe_dump({**yaml.safe_load(header), **keys})}---\n{text}")


def give_other_files(folder: Path) -> None:
    card = folder / layout.CARD
    card.write_text(card.read_text().replace("path: dimoo/train-*", "path: blip3o/train-*", 1))


def give_no_files(folder: Path) -> None:
    edit_header(folder, configs=["bagel"])


def give_counts_of_another_form(folder: Path) -> None:
    edit_header(folder, dataset_info={"bagel": 24})


def leave_a_half_written_file(folder: Path) -> None:
    partial(folder / "bagel" / layout.shard_name(3), "host-1-2").write_bytes(b"PAR1")


def leave_a_build(folder: Path) -> None:
    (folder / layout.WORK / "records").mkdir(parents=True)


@pytest.mark.parametrize(
    ("damage", "where", "what"),
    [
        (change_a_byte, "bagel/train-00000.parquet", "another SHA-256"),
        (remove_a_shard, "dimoo/train-00000.parquet", "is missing"),
        (add_a_shard, "dimoo/train-00007.parquet", "is not in the manifest"),
        (cut_a_shard, "blip3o/train-00000.parquet", "not a complete Parquet file"),
        (change_a_count, "README.md", "says 25 rows"),
        (change_a_feature, "README.md", "other features"),
        (remove_the_cards_header, "README.md", "no YAML header"),
        (break_the_cards_header, "README.md", "no YAML header"),
        (give_other_files, "README.md", "dimoo, train the files ['blip3o/train-*.parquet']"),
        (give_no_files, "README.md", "of an unknown form"),
        (give_counts_of_another_form, "README.md", "of an unknown form"),
        (leave_a_half_written_file, "bagel/train-00003.parquet.host-1-2.partial", "is left over"),
        (leave_a_build, ".build", "is left over"),
        (add_a_script, "mico-150k.py", "stops load_dataset"),
        (write_with_another_schema, "omnigen2/train-00000.parquet", "the configuration's schema"),
        (
            write_one_row_group,
            "omnigen2/train-00000.parquet",
            "the same row groups as dimoo",
        ),
    ],
)
def test_damage_is_found_and_named(
    copy: Path, damage: Callable[[Path], None], where: str, what: str
) -> None:
    damage(copy)
    found = faults(copy)
    assert any(finding.where == where and what in finding.what for finding in found), found


def test_without_hashes_a_changed_byte_goes_unseen_and_a_changed_size_does_not(copy: Path) -> None:
    change_a_byte(copy)
    assert not faults(copy, hashes=False)
    cut_a_shard(copy)
    assert faults(copy, hashes=False)


def test_a_row_group_that_the_viewer_would_not_read_is_found(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.inspection.check.VIEWER_READ_BYTES", 500_000)
    assert any("the viewer reads no more" in finding.what for finding in faults(copy))


def test_too_many_files_for_the_hub_are_found(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mico_150k.inspection.check.HUB_MAX_FOLDER_FILES", 0)
    monkeypatch.setattr("mico_150k.inspection.check.HUB_MAX_FILES", 3)
    found = [finding.what for finding in faults(copy)]
    assert "1 file; the Hub takes 0" in found
    assert "7 files; the Hub takes 3" in found


def test_a_dataset_all_of_whose_rows_were_left_out_is_found(tmp_path: Path) -> None:
    odd = [replace(case, output=b"no image") for case in cases(1)]
    source = open_source(str(write_release(tmp_path / "r", odd)))
    Build.prepare(source, tmp_path / "out", BuildOptions()).run(tolerance=1)
    assert Finding(True, "bagel", "no row in train: load_dataset rejects an empty split") in (
        faults(tmp_path / "out")
    )


@pytest.mark.parametrize(
    "damage",
    [
        {"configs": []},
        {"configs": {"bagel": ["train-00000.parquet"]}},
        {"configs": {"bagel": {"train-00000.parquet": {"bytes": 4}}}},
        {"configs": {"bagel": {"train-00000.parquet": {"bytes": "4", "rows": 1, "sha256": ""}}}},
        {"build": None},
    ],
)
def test_a_damaged_manifest_is_an_error_that_names_it(copy: Path, damage: dict[str, Any]) -> None:
    manifest = json.loads((copy / layout.MANIFEST).read_text())
    (copy / layout.MANIFEST).write_text(json.dumps({**manifest, **damage}))
    with pytest.raises(NotADataset, match="manifest.json is damaged"):
        _ = DatasetFolder(copy).manifest
    assert any("manifest.json" in f"{found.where} {found.what}" for found in faults(copy))


@pytest.mark.parametrize("text", [None, "not json", "[]", json.dumps({"format": "other"})])
def test_what_is_no_dataset_folder_is_an_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / layout.MANIFEST).write_text(text)
    with pytest.raises(NotADataset, match="manifest.json"):
        faults(tmp_path)
