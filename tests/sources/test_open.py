"""What a location is taken for."""

from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mico_150k.core.errors import EmptySource, SourceNotFound, UsageError
from mico_150k.sources import ReadOptions, open_source

from ..factories import cases, manifest_rows, release_table, write_json, write_release
from ..loopback import Loopback
from ..web import serve


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="no such file or folder"):
        open_source(str(tmp_path / "none"))


def test_an_empty_name_is_not_the_working_directory() -> None:
    with pytest.raises(SourceNotFound, match="no such file or folder"):
        open_source("")


def test_an_unknown_protocol_is_an_error_of_ours() -> None:
    with pytest.raises(SourceNotFound):
        open_source("nowhere://x/y")


@pytest.mark.parametrize("folder", ["", "/", "/HumanObjectInteraction/"])
def test_a_page_of_a_web_server_is_no_folder(release: Path, folder: str) -> None:
    class Pages(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = Loopback(partial(Pages, directory=str(release)))
    with server.running(), pytest.raises(SourceNotFound, match="no folder.*Name one file"):
        open_source(f"{server.address}{folder}")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_file_at_the_root_of_a_web_server_is_read_with_its_images(
    tmp_path: Path, ending: str
) -> None:
    samples = [case for case in cases(2) if case.task == "hoi"]
    write_json(tmp_path / "hoi.jsonl", manifest_rows(tmp_path, samples))
    pq.write_table(release_table(samples, tmp_path, "path"), tmp_path / "hoi.parquet")
    with serve(tmp_path) as web:
        (file,) = open_source(f"{web.address}/hoi.{ending}").files
        found = [(row.inputs, row.output) for row in file.read()]
    assert found == [(case.inputs, case.output) for case in samples]


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(EmptySource, match="no .parquet, .json or .jsonl"):
        open_source(str(tmp_path))


def test_files_without_a_row(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "r", cases(1))
    paths = list(folder.rglob("*.parquet"))
    for path in paths:
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(EmptySource, match="no row in its 4 files"):
        open_source(str(folder))
    write_release(folder, [case for case in cases(1) if case.task == "hoi"])
    assert sum(file.rows for file in open_source(str(folder)).files) == 1


def test_a_dataset_folder_is_no_source(dataset: Path) -> None:
    with pytest.raises(UsageError, match="mico check"):
        open_source(str(dataset))


def test_hidden_folders_are_no_part_of_a_source(tmp_path: Path) -> None:
    samples = cases(1)
    write_release(tmp_path / "r", samples)
    write_release(tmp_path / "r" / ".cache", samples)
    files = open_source(str(tmp_path / "r")).files
    assert len(files) == 4
    assert not any(".cache" in file.name for file in files)


def test_parquet_goes_before_json(tmp_path: Path) -> None:
    write_release(tmp_path / "r", cases(1))
    write_json(tmp_path / "r" / "notes.json", [{"anything": 1}])
    assert open_source(str(tmp_path / "r")).kind == "parquet"


def test_a_single_file(tmp_path: Path) -> None:
    write_release(tmp_path / "r", cases(2))
    path = tmp_path / "r" / "HumanObjectInteraction" / "part-0.parquet"
    (file,) = open_source(str(path)).files
    assert file.name == "part-0.parquet"
    assert [task.value for task, _ in file.identities()] == ["hoi", "hoi"]
    with pytest.raises(UsageError, match="--exclude is for a folder"):
        open_source(str(path), ReadOptions(exclude=("*",)))
    path.rename(path.with_suffix(".PARQUET"))
    assert open_source(str(path.with_suffix(".PARQUET"))).kind == "parquet"


def test_demo_unless_there_is_such_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_source("demo").kind == "demo"
    with pytest.raises(UsageError, match="do not apply to the demo"):
        open_source("demo", ReadOptions(columns={"id": "@row"}))
    write_release(tmp_path / "demo", cases(1))
    assert open_source("demo").kind == "parquet"
