"""Only regular files are read, and only where they lie in the source, by links as well."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mico_150k.core.errors import MicoError, PathOutsideSource, SourceError
from mico_150k.core.sample import Missing
from mico_150k.dataset import layout
from mico_150k.refine.benchmark import Bench
from mico_150k.sources import ReadOptions, open_source

from ..factories import (
    Case,
    cases,
    manifest_rows,
    write_bench,
    write_image,
    write_json,
    write_release,
)


@pytest.fixture
def hoi() -> list[Case]:
    return [case for case in cases(2) if case.task == "hoi"]


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has 100 characters at most
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path.name)
    finally:
        os.chdir(here)


MAKERS: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "socket": make_socket,
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("what", ["FIFO", "socket"])
@pytest.mark.parametrize("name", ["Human-centric/x.parquet", "hoi.jsonl", "hoi.json"])
def test_what_is_no_regular_file_is_named_with_the_way_out(
    tmp_path: Path, hoi: list[Case], what: str, name: str
) -> None:
    folder = tmp_path / "r"
    if name.endswith(".parquet"):
        write_release(folder, cases(1))
    else:
        write_json(folder / "hoi" / "m.jsonl", manifest_rows(folder / "hoi", hoi))
    MAKERS[what](folder / name)
    with pytest.raises(SourceError, match=f"a {what}.*\n?.*--exclude {name}"):
        open_source(str(folder))
    with pytest.raises(SourceError, match=f"a {what}"):
        open_source(str(folder / name))
    assert open_source(str(folder), ReadOptions(exclude=(name,))).files


@pytest.mark.parametrize("what", MAKERS)
def test_what_stands_in_the_place_of_a_dataset_s_manifest_is_not_waited_for(
    tmp_path: Path, what: str
) -> None:
    folder = write_release(tmp_path / "r", cases(1))
    MAKERS[what](folder / layout.MANIFEST)
    MAKERS[what](folder / "Human-centric" / layout.MANIFEST)
    assert len(open_source(str(folder)).files) == 4


def test_a_device_is_no_file_though_a_link_to_it_is_allowed(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "r", cases(1))
    (folder / "zero.parquet").symlink_to("/dev/zero")
    with pytest.raises(PathOutsideSource):
        open_source(str(folder))
    with pytest.raises(SourceError, match="a device"):
        open_source(str(folder), ReadOptions(allow_outside=True))


def test_a_benchmark_s_fifo_is_not_waited_for(tmp_path: Path) -> None:
    folder = write_bench(tmp_path / "b", cases(1))
    os.mkfifo(folder / "more.jsonl")
    with pytest.raises(MicoError, match="FIFO"):
        Bench.open(str(folder))


def linked(path: Path, target: Path) -> None:
    """The file at `target`, and a link in its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    path.symlink_to(os.path.relpath(target, path.parent))


@pytest.mark.parametrize("name", ["HumanObjectInteraction/part-0.parquet", "hoi/m.json"])
def test_a_file_that_is_a_link_out_is_refused_unless_that_is_allowed(
    tmp_path: Path, hoi: list[Case], name: str
) -> None:
    folder = tmp_path / "r"
    if name.endswith(".parquet"):
        write_release(folder, cases(1))
    else:
        write_json(folder / name, manifest_rows(folder / "hoi", hoi))
    linked(folder / name, tmp_path / "private" / "notes")
    with pytest.raises(PathOutsideSource) as error:
        open_source(str(folder))
    assert str(error.value).startswith(f"{name} is a link that leads out of {folder}, to ")
    assert "--allow-outside" in str(error.value)
    assert open_source(str(folder), ReadOptions(allow_outside=True)).files
    linked(folder / name, folder / ".store" / "x")  # a link to the link, within
    with pytest.raises(PathOutsideSource):
        open_source(str(folder))


def test_a_link_within_the_source_and_a_link_that_was_named_are_read(
    tmp_path: Path, hoi: list[Case]
) -> None:
    folder = write_release(tmp_path / "r", cases(1))
    linked(folder / "Human-centric" / "part-0.parquet", folder / ".store" / "x")
    assert len(open_source(str(folder)).files) == 4
    here = tmp_path / "hoi.parquet"
    here.symlink_to(folder / "HumanObjectInteraction" / "part-0.parquet")
    assert [file.rows for file in open_source(str(here)).files] == [1]
    assert hoi


@pytest.fixture
def snapshot(tmp_path: Path, hoi: list[Case]) -> Path:
    """A manifest with its images as `hf download` leaves them: links into blobs."""
    folder = tmp_path / "hub" / "datasets--who--what" / "snapshots" / "0123abcd"
    write_json(folder / "hoi" / "m.jsonl", manifest_rows(folder / "hoi", hoi))
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        linked(path, folder.parent.parent / "blobs" / f"{number:040x}")
    return folder


def images(location: Path) -> list[object]:
    rows = [row for file in open_source(str(location)).files for row in file.read()]
    return [cell for row in rows for cell in (*row.inputs, row.output)]


def test_a_snapshot_of_the_hub_s_cache_is_read_with_its_images(
    snapshot: Path, hoi: list[Case]
) -> None:
    expected = [image for case in hoi for image in (*case.inputs, case.output)]
    assert images(snapshot) == images(snapshot / "hoi") == expected
    assert images(snapshot / "hoi" / "m.jsonl") == expected
    assert images(snapshot.parent.parent) == expected


def test_a_snapshot_leads_into_its_own_blobs_alone(snapshot: Path, tmp_path: Path) -> None:
    other = tmp_path / "hub" / "datasets--who--else" / "blobs" / "1"
    linked(snapshot / "hoi" / "m.jsonl", other)
    with pytest.raises(PathOutsideSource):
        open_source(str(snapshot))


def test_a_link_to_a_snapshot_is_told_to_be_named_itself(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(snapshot)
    with pytest.raises(PathOutsideSource, match=f"name that, {snapshot}"):
        open_source(str(tmp_path / "data"))


def test_two_snapshots_below_one_folder_are_refused_by_their_names(snapshot: Path) -> None:
    shutil.copytree(snapshot, snapshot.with_name("later"), symlinks=True)
    with pytest.raises(MicoError) as error:
        open_source(str(snapshot.parent.parent))
    assert str(snapshot) in str(error.value)
    assert str(snapshot.with_name("later")) in str(error.value)


def test_an_image_that_leads_out_by_a_link_of_its_folder_is_refused(
    tmp_path: Path, hoi: list[Case]
) -> None:
    write_image(tmp_path / "private", hoi[0].output)
    folder = tmp_path / "r"
    rows = list(manifest_rows(folder, hoi))
    write_json(folder / "hoi.json", rows)
    shutil.move(folder / "images", tmp_path / "private" / "all")
    (folder / "images").symlink_to(tmp_path / "private" / "all")
    with pytest.raises(PathOutsideSource, match="the image path 'images/"):
        open_source(str(folder / "hoi.json"))
    (file,) = open_source(str(folder), ReadOptions(allow_outside=True)).files
    assert not any(isinstance(row.output, Missing) for row in file.read())
