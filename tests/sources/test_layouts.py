"""What lies in a folder or file that is no source is named."""

import json
from pathlib import Path

import datasets
import pytest

from mico_150k.core.errors import EmptySource, SourceError, UnknownShape
from mico_150k.core.sample import SkippedRow
from mico_150k.inspection.source import inspect_source
from mico_150k.sources import ReadOptions, open_source
from mico_150k.sources.layouts import looks_like_source
from mico_150k.sources.source import MANIFEST_ENDINGS
from mico_150k.sources.validate import RowValidator

from ..factories import Case, cases, manifest_rows, write_json, write_release

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99\n"


@pytest.fixture
def hoi() -> list[Case]:
    return [case for case in cases(2) if case.task == "hoi"]


@pytest.mark.parametrize("splits", [False, True])
def test_a_folder_of_save_to_disk_says_how_to_make_parquet_of_it(
    tmp_path: Path, splits: bool
) -> None:
    rows = datasets.Dataset.from_dict({"instruction": ["x"]})
    saved = datasets.DatasetDict({"train": rows}) if splits else rows
    saved.save_to_disk(str(tmp_path / "d"))
    with pytest.raises(EmptySource, match="save_to_disk.*load_from_disk.*to_parquet"):
        open_source(str(tmp_path / "d"))


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (["00.tar", "01.tar", "sizes.txt"], "there are 2 tar archives.*WebDataset"),
        (["hoi/x.csv"], "there is a table.*JSON lines"),
        (["all.zip"], "there is an archive.*unpack"),
        (["a.png", "b.jpg", "c.csv"], "there are 2 images .*, and there is a table"),
        (["notes.odd"], "such as notes.odd"),
        ([".hidden/a.parquet"], "neither hidden"),
    ],
)
def test_a_folder_without_a_source_says_what_is_there(
    tmp_path: Path, files: list[str], what: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(EmptySource, match=f"no .parquet, .json or .jsonl.*{what}"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("name", ["x.tar.gz", "x.CSV", "x.zip", "x.arrow"])
def test_a_file_that_is_no_source_s_says_what_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(EmptySource, match="not a source"):
        open_source(str(tmp_path / name))


def test_the_metadata_of_an_imagefolder_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "hoi" / "metadata.jsonl", [{"file_name": "a.png", "text": "a dog"}])
    with pytest.raises(UnknownShape, match="`imagefolder`"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("name", ["Human-centric/part-0.parquet", "hoi/m.json", "hoi/m.jsonl"])
def test_a_pointer_in_a_file_s_place_says_git_lfs_pull(
    tmp_path: Path, hoi: list[Case], name: str
) -> None:
    if name.endswith(".parquet"):
        write_release(tmp_path, cases(1))
    else:
        write_json(tmp_path / name, manifest_rows(tmp_path / "hoi", hoi))
    (tmp_path / name).write_bytes(POINTER)
    inspection, _, _ = inspect_source(str(tmp_path), ReadOptions())
    (problem,) = inspection.problems
    assert "git lfs pull" in str(problem)
    assert name in str(problem)


@pytest.mark.parametrize(
    ("data", "what"),
    [(POINTER, "git lfs pull"), (b"<html><body>404", "HTML"), (b"\0\0\0\x18ftypmif1", "HEIF")],
)
def test_what_stands_in_an_image_s_place_is_named_in_its_row(
    tmp_path: Path, hoi: list[Case], data: bytes, what: str
) -> None:
    rows = list(manifest_rows(tmp_path, hoi[:1]))
    (tmp_path / rows[0]["output_image"]).write_bytes(data)
    write_json(tmp_path / "hoi.json", rows)
    (file,) = open_source(str(tmp_path)).files
    (result,) = RowValidator().examine(file.read())
    assert isinstance(result, SkippedRow)
    assert what in result.detail


def test_parquet_in_the_place_of_json_and_the_other_way_round_is_said(
    tmp_path: Path, hoi: list[Case]
) -> None:
    table = write_release(tmp_path / "t", hoi) / "HumanObjectInteraction" / "part-0.parquet"
    table.rename(tmp_path / "hoi.json")
    with pytest.raises(SourceError, match="a Parquet file: let its name end in .parquet"):
        open_source(str(tmp_path / "hoi.json"))
    (tmp_path / "hoi.parquet").write_text(json.dumps([{"a": 1}] * 9))
    with pytest.raises(SourceError, match="JSON text: let its name end in .json"):
        open_source(str(tmp_path / "hoi.parquet"))


@pytest.mark.parametrize("name", [f"x{ending}" for ending in (*MANIFEST_ENDINGS, ".parquet")])
def test_a_folder_that_may_be_a_source_is_told_from_others(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "hoi"
    folder.mkdir()
    assert not looks_like_source(tmp_path)
    (folder / name).write_bytes(b"x")
    assert looks_like_source(tmp_path)
    assert looks_like_source(folder / name)
    (tmp_path / "export.json").write_text("{}")
    assert not looks_like_source(tmp_path)
