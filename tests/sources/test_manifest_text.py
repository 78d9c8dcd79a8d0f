"""A manifest's text is read piece by piece, gzip'd or not, and is bounded whatever it says."""

import bz2
import gzip
import io
import json
import random
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.errors import BrokenFile, EmptySource, MemoryTooSmall
from mico_150k.sources import manifest_text as module
from mico_150k.sources import open_source
from mico_150k.sources.manifest_text import NO_VALUE, ManifestText
from mico_150k.sources.source import MANIFEST_ENDINGS

from ..factories import Case, cases, manifest_rows

values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text() | st.none())
objects = st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=4)


def read(text: bytes) -> list[dict[str, Any]]:
    return ManifestText("m.json", io.BytesIO(text)).rows()


@given(st.lists(objects, min_size=1, max_size=9), st.integers(1, 40), st.sampled_from([None, 1]))
def test_any_rows_come_back_from_pieces_of_any_size(
    rows: list[dict[str, Any]], piece: int, indent: int | None
) -> None:
    array = json.dumps(rows, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    lines = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    before, module._PIECE = module._PIECE, piece
    try:
        assert read(lines) == read(gzip.compress(lines)) == rows
        assert read(b"\xef\xbb\xbf" + array) == read(gzip.compress(array)) == rows
    finally:
        module._PIECE = before


@pytest.fixture
def hoi() -> list[Case]:
    return [case for case in cases(3) if case.task == "hoi"]


@pytest.mark.parametrize("ending", MANIFEST_ENDINGS)
@pytest.mark.parametrize("letters", [str.lower, str.upper])
def test_every_ending_is_read(tmp_path: Path, hoi: list[Case], ending: str, letters: Any) -> None:
    rows = list(manifest_rows(tmp_path, hoi))
    is_array = ".json" in ending.replace(".jsonl", "").replace(".ndjson", "")
    text = json.dumps(rows) if is_array else "".join(f"{json.dumps(row)}\n" for row in rows)
    data = text.encode()
    path = tmp_path / f"hoi{letters(ending)}"
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    (file,) = open_source(str(path)).files
    assert [row.output for row in file.read()] == [case.output for case in hoi]
    assert len({id_ for _, id_ in file.identities()}) == len(hoi)


def test_a_gzipped_file_by_a_plain_name_is_read_as_well(tmp_path: Path, hoi: list[Case]) -> None:
    text = "".join(f"{json.dumps(row)}\n" for row in manifest_rows(tmp_path, hoi))
    (tmp_path / "hoi.jsonl").write_bytes(gzip.compress(text.encode()))
    assert open_source(str(tmp_path / "hoi.jsonl")).files[0].rows == len(hoi)


@pytest.mark.parametrize("cut", [5, 20, -9, -3])
def test_a_gzip_file_that_is_not_whole_is_named(tmp_path: Path, cut: int) -> None:
    random.seed(cut)
    text = "".join(f'{{"id": "{random.random()}"}}\n' for _ in range(500)).encode()
    path = tmp_path / "hoi.jsonl.gz"
    path.write_bytes(gzip.compress(text)[:cut])
    with pytest.raises(
        BrokenFile, match=r"hoi\.jsonl\.gz: not a complete gzip file.*\n.*--exclude"
    ):
        open_source(str(path))


def test_damage_within_gzip_is_named(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(bytes(range(256)) * 99))
    data[40] ^= 255
    (tmp_path / "hoi.jsonl.gz").write_bytes(data)
    with pytest.raises(BrokenFile, match=r"hoi\.jsonl\.gz"):
        open_source(str(tmp_path / "hoi.jsonl.gz"))


def bomb(start: bytes, filling: bytes, megabytes: int) -> bytes:
    """Gzip of a filling, many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = filling * ((1 << 20) // len(filling))
    return b"".join(
        [
            packer.compress(start),
            *(packer.compress(piece) for _ in range(megabytes)),
            packer.flush(),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "filling"),
    [
        (b"", b"\n"),
        (b"[", b" "),
        (b'[{"a": 1}', b',{"a": 1}'),
        (b"", b'{"a": 1}\n'),
        (b'[{"a": "', b"x"),
        (b'{"a": "', b"x"),
    ],
)
def test_a_gzip_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, start: bytes, filling: bytes
) -> None:
    path = tmp_path / "hoi.jsonl.gz"
    path.write_bytes(bomb(start, filling, 40))
    with pytest.raises(BrokenFile, match=r"hoi\.jsonl\.gz"):
        open_source(str(path))


@pytest.mark.parametrize("start", [b"", b"[", b'[{"a": 1}, ', b'{"a": 1}\n', b'{"a": "'])
@pytest.mark.parametrize("size", [1 << 30, 80 << 30])
def test_a_sparse_manifest_is_refused_at_once(tmp_path: Path, start: bytes, size: int) -> None:
    path = tmp_path / "hoi.json"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    started = time.monotonic()
    with pytest.raises(BrokenFile, match=r"hoi\.json, line [12]"):
        open_source(str(path))
    assert time.monotonic() - started < 60


def test_rows_that_do_not_fit_into_memory_are_refused_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: 2 << 20)
    line = json.dumps({"input_images": ["a", "b"], "output_image": "o", "instruction": "x" * 99})
    for text in (f"{line}\n" * 9000, f"[{line}{f',{line}' * 8999}]"):
        (tmp_path / "hoi.json").write_text(text)
        with pytest.raises(MemoryTooSmall, match=r"hoi\.json: its rows need more than 1 MiB"):
            open_source(str(tmp_path / "hoi.json"))


def test_what_no_manifest_has_a_use_for_is_not_kept() -> None:
    nested = [[[]] * 1000] * 10
    (row,) = read(json.dumps([{"a": nested, "b": {"c": [1]}, "d": ["x", None], "e": 1}]).encode())
    assert row == {"a": NO_VALUE, "b": NO_VALUE, "d": ["x", None], "e": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}\n{"a": 2}]', "line 2: .*column 1: Expecting ','"),
        ('[{"a": 1},\n\n {"a": 2', "line 3: .*column 9: Expecting"),
        ('[{"a": 1}]\n[', "line 2: .*something after the end"),
        ('[{"a": 1},', "line 1: .*column 11: Expecting value"),
        ("[\n\n7", "row 0: int instead of a JSON object|line 3"),
        ('[{"a": 1}, nul]', "line 1: .*column 12: Expecting value"),
        ('[\n{"a": "\xff"}]', "line 2: .*no UTF-8"),
        ('[{"a": ' + "[" * 100_000, "line 1: .*nested too deeply"),
    ],
)
@pytest.mark.parametrize("piece", [3, 1 << 20])
def test_what_is_wrong_in_an_array_is_named_by_its_line_and_column(
    monkeypatch: pytest.MonkeyPatch, text: str, message: str, piece: int
) -> None:
    if len(text) > 1000 and piece == 3:
        pytest.skip("the same, slowly")
    monkeypatch.setattr(module, "_PIECE", piece)
    with pytest.raises(BrokenFile, match=message):
        read(text.encode("latin-1"))


def test_nothing_and_blanks_are_a_manifest_without_rows() -> None:
    for text in (b"", b" \n\n", b"[]", b" [ ] ", gzip.compress(b"")):
        with pytest.raises(EmptySource):
            read(text)
    with pytest.raises(BrokenFile):
        read(bz2.compress(b"[]"))
