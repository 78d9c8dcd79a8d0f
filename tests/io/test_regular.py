"""The one rule for what is read: a regular file inside its root."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.errors import BrokenFile, NotRegular, OutsideRoot
from mico_150k.core.excerpt import excerpt
from mico_150k.io.files import read_json
from mico_150k.io.json_lines import parse_json, read_json_lines, to_json_lines
from mico_150k.io.regular import Root, is_regular, open_regular, read_small


def test_only_a_regular_file_is_opened_and_nothing_else_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        (tmp_path / "link").symlink_to("fifo")
        for name in ("folder", "fifo", "socket", "link", "/dev/zero"):
            assert not is_regular(tmp_path / name)
            with pytest.raises(NotRegular, match="not a regular file"):
                open_regular(tmp_path / name)
        with pytest.raises(NotRegular, match="a FIFO"):
            read_json(tmp_path / "fifo")
    assert not is_regular(tmp_path / "nothing")
    assert not is_regular("\0")


def test_a_small_file_is_read_whole_and_a_large_one_refused_before_memory_is_full(
    tmp_path: Path,
) -> None:
    with (tmp_path / "sparse.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NotRegular, match="larger than 64 MiB"):
        read_json(tmp_path / "sparse.json")
    (tmp_path / "small").write_bytes(b"x" * 9)
    assert read_small(tmp_path / "small", 9) == b"x" * 9
    with pytest.raises(NotRegular):
        read_small(tmp_path / "small", 8)


def test_links_and_dots_do_not_lead_out_of_a_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    (tmp_path / "root-beside").mkdir()
    for path in (tmp_path / "secret", root / "mine", tmp_path / "root-beside" / "file"):
        path.write_text("")
    (root / "below" / "in").symlink_to("../mine")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    inside = Root.at(root)
    assert inside.file("below/in") == root / "below" / "in"
    assert inside.holds(root)
    for name in ("out", "folder/secret", "../secret", "../root-beside/file", "/etc/passwd"):
        with pytest.raises(OutsideRoot, match="leads out of"):
            inside.file(name)
    with pytest.raises(NotRegular):
        inside.file("below")
    with pytest.raises(FileNotFoundError):
        inside.file("nothing")


def test_a_snapshot_of_the_hubs_cache_holds_the_blobs_of_its_own_repository_alone(
    tmp_path: Path,
) -> None:
    for name in ("datasets--one--a", "datasets--one--b"):
        (tmp_path / name / "blobs").mkdir(parents=True)
        (tmp_path / name / "blobs" / "content").write_text("")
        (tmp_path / name / "refs").mkdir()
        (tmp_path / name / "refs" / "main").write_text("")
    snapshot = tmp_path / "datasets--one--a" / "snapshots" / "0f72"
    (snapshot / "data").mkdir(parents=True)
    (snapshot / "data" / "own").symlink_to("../../../blobs/content")
    (snapshot / "other").symlink_to(tmp_path / "datasets--one--b" / "blobs" / "content")
    (snapshot / "ref").symlink_to("../../refs/main")
    root = Root.at(snapshot)
    assert root.file("data/own").exists()
    assert Root.at(snapshot / "data").holds("own")
    assert not root.holds("other")
    assert not root.holds("ref")
    # Given as anything but the snapshot, the same link leads out.
    (tmp_path / "elsewhere").symlink_to(snapshot)
    assert not Root.at(tmp_path / "elsewhere").holds("data/own")
    # A cache whose blobs are themselves a link to somebody's files is no cache.
    fake = tmp_path / "datasets--one--c" / "snapshots" / "0f72"
    fake.mkdir(parents=True)
    (tmp_path / "datasets--one--c" / "blobs").symlink_to(tmp_path / "datasets--one--b" / "blobs")
    (fake / "file").symlink_to("../../blobs/content")
    assert not Root.at(fake).holds("file")


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())))
def test_json_lines_give_back_what_they_were_made_of(
    tmp_path_factory: pytest.TempPathFactory, values: list[object]
) -> None:
    # Half of a character is what a file name that is not UTF-8 has.
    rows = [*values, {"separator": "a\u2028b\x85c\u2029", "half": "\udcff"}]
    path = tmp_path_factory.getbasetemp() / "rows.jsonl"
    path.write_bytes(to_json_lines(rows))
    assert [value for _, value in read_json_lines(path)] == rows


@pytest.mark.parametrize(
    "line", [b"{", b"[" * 200_000, b"\xff", b"9" * 5_000, b'"' + b"x" * (17 << 20) + b'"']
)
def test_a_damaged_line_is_named_with_its_file_and_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"row": 1}\n\n' + line + b"\n")
    with pytest.raises(BrokenFile, match=r"rows\.jsonl, line 3") as raised:
        list(read_json_lines(path))
    assert len(str(raised.value)) < 1_000


def test_json_nested_too_deeply_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 200_000 + "]" * 200_000)


@given(st.text(), st.integers(10, 50))
def test_an_excerpt_is_one_short_line_of_valid_text(text: str, most: int) -> None:
    shown = excerpt(text + "\udc80", most)
    assert len(shown.splitlines()) <= 1
    assert shown.encode()
    assert len(shown) < 8 * most + 40
