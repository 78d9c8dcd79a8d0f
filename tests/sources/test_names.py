"""Whatever a file or folder is called: it is found, or what is odd with its name is said."""

import os
import unicodedata
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import BrokenFile, SourceError, SourceNotFound
from mico_150k.core.sample import Missing
from mico_150k.io.storage import is_url, local_or_url
from mico_150k.sources import ReadOptions, open_source

from ..factories import Case, cases, manifest_rows, release_table, write_json, write_release
from ..web import serve

ODD = ["a#b c.png", "what?.png", "50%25 off.png", "100%.png", "+&=;@!.png", "[1] {x}.png",
       "ünï/日本.png", "a b/c#d/e.png"]  # fmt: skip


@pytest.fixture
def hoi() -> list[Case]:
    return [case for case in cases(len(ODD)) if case.task == "hoi"]


def write_manifest(folder: Path, name: str, samples: list[Case], paths: list[str]) -> Path:
    rows = list(manifest_rows(folder, samples))
    for row, path, sample in zip(rows, paths, samples, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(sample.output)
        row["output_image"] = path
    return write_json(folder / name, rows)


def outputs(location: str) -> list[object]:
    return [row.output for file in open_source(location).files for row in file.read()]


@pytest.mark.parametrize("name", ["hoi.jsonl", "hoi #1.jsonl", "hoi 100%.jsonl", "hoi?ü.jsonl"])
def test_any_name_is_found_behind_http(tmp_path: Path, hoi: list[Case], name: str) -> None:
    from urllib.parse import quote

    write_manifest(tmp_path / "r", name, hoi, ODD)
    expected = [case.output for case in hoi]
    assert outputs(str(tmp_path / "r" / name)) == expected
    with serve(tmp_path) as web:
        assert outputs(f"{web.address}/r/{quote(name)}") == expected


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_url_s_query_is_kept_and_no_part_of_the_name(
    tmp_path: Path, hoi: list[Case], ending: str
) -> None:
    write_manifest(tmp_path / "my data", "hoi.jsonl", hoi, ODD)
    table = release_table(hoi, tmp_path / "my data", "path")
    pq.write_table(table, tmp_path / "my data" / "hoi.parquet")
    with serve(tmp_path) as web:
        source = open_source(f"{web.address}/my%20data/hoi.{ending}?download=true")
        assert [file.name for file in source.files] == [f"hoi.{ending}"]
        rows = [row.output for file in source.files for row in file.read()]
    assert rows == [case.output for case in hoi]


@pytest.mark.parametrize("odd", ["a::b", "s3::x", "memory::", "[v2] {x}*", "100%#?"])
def test_a_path_of_this_machine_is_one_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    write_release(tmp_path / odd, cases(1))
    source = open_source(str(tmp_path / odd))
    assert len(source.files) == 4
    monkeypatch.chdir(tmp_path)
    assert len(open_source(odd).files) == 4
    Build.prepare(source, tmp_path / "out", BuildOptions())


def test_a_url_is_no_path() -> None:
    assert all(map(is_url, ("s3://b/x", "simplecache::http://h/x")))
    assert not is_url("a::b/c")
    assert local_or_url("file:///a::b/c")[1] == local_or_url("/a::b/c")[1] == "/a::b/c"
    fs, path = local_or_url("memory://x")
    assert (fs.protocol, path) == ("memory", "/x")


@pytest.mark.parametrize("at", ["file", "folder"])
@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_a_name_that_is_not_utf_8_is_said_with_a_pattern_that_leaves_it_out(
    tmp_path: Path, hoi: list[Case], at: str, kind: str
) -> None:
    folder = tmp_path / "r"
    if kind == "parquet":
        write_release(folder, cases(1))
        path = folder / "Human-centric" / "part-0.parquet"
    else:
        write_json(folder / "hoi" / "m.json", manifest_rows(folder / "hoi", hoi))
        path = write_json(folder / "human" / "h.json", manifest_rows(folder / "human", hoi))
    bad = path if at == "file" else path.parent
    os.rename(bad, os.fsencode(bad.parent) + b"/human \xe9t\xe9" + os.fsencode(bad.suffix))
    with pytest.raises(BrokenFile, match="not UTF-8") as error:
        open_source(str(folder))
    str(error.value).encode()  # it can be shown
    pattern = str(error.value).rpartition("--exclude ")[2].strip("'")
    assert open_source(str(folder), ReadOptions(exclude=(pattern,))).files
    problems: list[SourceError] = []
    assert open_source(str(folder), problems=problems).files
    assert len(problems) == 1


def test_a_source_whose_own_name_is_not_utf_8_is_read_by_a_link(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "r", cases(1))
    bad = os.fsencode(tmp_path) + b"/\xff"
    os.rename(folder, bad)
    with pytest.raises(SourceNotFound, match="not UTF-8") as error:
        open_source(os.fsdecode(bad))
    str(error.value).encode()
    os.symlink(bad, tmp_path / "plain")
    assert len(open_source(str(tmp_path / "plain")).files) == 4


FORMS = [("NFC", "NFD"), ("NFD", "NFC")]
NAMES = ["Zoë/café.png", "ガ/ö.png", "plain/Å.png"]


@pytest.mark.parametrize(("said", "there"), FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_another_form_of_unicode_is_found(
    tmp_path: Path, hoi: list[Case], said: str, there: str, name: str
) -> None:
    path = unicodedata.normalize(there, name)
    write_manifest(tmp_path / "r", "hoi.json", hoi[:1], [path])
    row = next(manifest_rows(tmp_path / "r", hoi[:1])) | {
        "output_image": unicodedata.normalize(said, name)
    }
    write_json(tmp_path / "r" / "hoi.json", [row])
    assert outputs(str(tmp_path / "r")) == [hoi[0].output]
    with serve(tmp_path) as web:
        assert outputs(f"{web.address}/r/hoi.json") == [hoi[0].output]


def test_of_two_forms_that_are_there_the_one_that_is_named_is_read(
    tmp_path: Path, hoi: list[Case]
) -> None:
    forms = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    write_manifest(tmp_path, "hoi.json", hoi[:2], forms)
    assert outputs(str(tmp_path)) == [case.output for case in hoi[:2]]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("https://example.org/a.png", "a URL: download"),
        ("file:///srv/a.png", "`file://` URL"),
        ("E:\\photos\\a.png", "a Windows path"),
        ("photos\\a.png", "a Windows path"),
        ("nowhere/a.png", "no such folder: sub/nowhere"),
        ("images/gone.png", "no such file in sub/images"),
        ("gone.png", "no such file in sub"),
        ("x" * 10_000, "too long for a path"),
    ],
)
def test_a_missing_image_says_where_it_was_looked_for_or_what_its_path_is(
    tmp_path: Path, hoi: list[Case], path: str, why: str
) -> None:
    good, row = manifest_rows(tmp_path / "sub", hoi[:2])
    write_json(tmp_path / "sub" / "hoi.json", [good, row | {"output_image": path}])
    _, found = outputs(str(tmp_path))
    assert isinstance(found, Missing)
    assert why in found.detail
    assert len(found.detail) < 400
    assert str(tmp_path) not in found.detail  # it is published
