"""What a stranger's header or text promises is believed up to the size of the file it is in."""

import base64
import random
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.plan import make_plan
from mico_150k.core.errors import BrokenFile, SourceError
from mico_150k.core.reasons import Reason
from mico_150k.core.recognize import not_a_path
from mico_150k.core.sample import MAX_INPUTS, Sample, SkippedRow
from mico_150k.inspection.source import inspect_source
from mico_150k.sources import ReadOptions, open_source
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.validate import RowValidator

from ..build.test_plan import TASKS as ALL_TASKS
from ..build.test_plan import File, plan
from ..factories import CELLS, cases, encode, picture, release_table, write_json, write_release


def varint(number: int) -> bytes:
    """A number as Thrift's compact protocol has it."""
    zigzag = number << 1
    data = bytearray()
    while zigzag > 0x7F:
        data.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    return bytes([*data, zigzag])


def footer_of(data: bytes) -> tuple[bytes, bytes]:
    """What comes before a file's footer, and the footer."""
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return data[:start], data[start:-8]


def with_footer(path: Path, body: bytes, footer: bytes) -> None:
    path.write_bytes(body + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def small_table(rows: int) -> pa.Table:
    return pa.table({
        "input_images": pa.array([[b"a"]] * rows, pa.list_(pa.binary())),
        "output_image": pa.array([b"o"] * rows, pa.binary()),
        "instruction": ["x"] * rows,
    })  # fmt: skip


@pytest.mark.parametrize("promised", [2_000_000, 3 * 10**11, 1 << 62])
def test_rows_that_no_file_of_that_size_holds_are_refused_by_inspect_and_build(
    tmp_path: Path, promised: int
) -> None:
    path = tmp_path / "hoi.parquet"
    pq.write_table(small_table(777), path)
    body, footer = footer_of(path.read_bytes())
    assert varint(777) in footer
    with_footer(path, body, footer.replace(varint(777), varint(promised)))
    assert pq.read_metadata(path).num_rows == promised
    started = time.monotonic()
    with pytest.raises(BrokenFile, match=f"says {promised:,} rows, but the file has"):
        open_source(str(tmp_path))
    inspection, _, planned = inspect_source(str(tmp_path), ReadOptions())
    assert time.monotonic() - started < 5
    assert "hoi.parquet" in inspection.problems[0]
    assert planned is None or not planned.rows


def test_an_honest_file_of_nothing_but_nulls_is_refused_as_soon(tmp_path: Path) -> None:
    rows = 3_000_000
    nulls = {"input_image_1": pa.binary(), "output_image": pa.binary(), "instruction": pa.string()}
    table = pa.table({name: pa.nulls(rows, kind) for name, kind in nulls.items()})
    pq.write_table(table, tmp_path / "hoi.parquet")
    with pytest.raises(BrokenFile, match="too few for rows with images"):
        open_source(str(tmp_path))


def test_pages_of_fewer_values_than_promised_are_found_in_the_headers(tmp_path: Path) -> None:
    path = tmp_path / "hoi.parquet"
    pq.write_table(small_table(777), path)
    body, footer = footer_of(path.read_bytes())
    with_footer(path, body, footer.replace(varint(777), varint(90_001)))
    with pytest.raises(BrokenFile, match="pages with 777 values, and its footer says 90001"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("what", ["num_rows", "num_values"])
def test_numbers_that_contradict_each_other_are_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "hoi.parquet"
    pq.write_table(small_table(777), path)
    body, footer = footer_of(path.read_bytes())
    first, last = footer.find(varint(777)), footer.rfind(varint(777))
    place = first if what == "num_rows" else last
    with_footer(path, body, footer[:place] + varint(778) + footer[place + 2 :])
    with pytest.raises(BrokenFile, match="contradicts itself"):
        open_source(str(tmp_path))


@pytest.mark.slow
def test_planning_holds_some_bytes_a_row() -> None:
    files = [File(f"f{n}", 100_000, 0, task, n * 10**6) for n, task in enumerate(ALL_TASKS[:2])]
    tracemalloc.start()
    try:
        made = plan(files)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.rows == 200_000
    assert peak < 15 << 20  # a dictionary of all ids takes three times as much


def test_many_image_columns_cost_what_they_are(tmp_path: Path) -> None:
    def calls(columns: int) -> int:
        folder = tmp_path / str(columns) / "hoi"
        folder.mkdir(parents=True)
        cell = [{"bytes": b"x", "path": "p"}]
        images = {f"input_image_{n}": pa.array(cell, CELLS["struct"]) for n in range(columns)}
        rest = {"output_image": pa.array(cell, CELLS["struct"]), "instruction": ["x"]}
        pq.write_table(pa.table({**images, **rest}), folder / "a.parquet")
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        threading.setprofile(count)
        try:
            source = open_source(str(folder))
        finally:
            threading.setprofile(None)  # type: ignore[arg-type] # typeshed lacks None
        assert len(next(iter(source.files[0].read())).inputs) == columns
        return counted

    few, many = calls(100), calls(800)
    assert few > 100  # footers are read in threads, which are what is counted
    assert many < 10 * few  # 8 times as many; 64 times where each looks at each


NO_PATHS = {
    "data URI": "data:image/webp;base64," + base64.b64encode(encode(picture(3), "WEBP")).decode(),
    "JPEG": base64.b64encode(encode(picture(3), "JPEG")).decode(),
    "PNG in lines": base64.encodebytes(encode(picture(3), "PNG")).decode(),
    "novel": "lorem ipsum/" * 40_000,
}


@pytest.mark.parametrize("table", ["hoi.parquet", "hoi.json", "hoi.jsonl"])
@pytest.mark.parametrize("what", NO_PATHS)
def test_texts_that_are_no_paths_are_named_before_a_path_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, table: str
) -> None:
    text = NO_PATHS[what]
    rows = [{"input_images": [text], "output_image": text, "instruction": "x"}] * 3
    if table.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / table)
    else:
        write_json(tmp_path / table, rows)
    monkeypatch.setattr(ImagePaths, "status", pytest.fail)
    with pytest.raises(BrokenFile) as error:
        open_source(str(tmp_path))
    message = str(error.value)
    assert table in message
    assert f"of {len(text):,} characters" in message
    assert "Decode it" in message
    assert len(message) < 500


@pytest.mark.parametrize("table", ["hoi.parquet", "hoi.json"])
def test_one_such_text_among_paths_costs_its_row_alone(tmp_path: Path, table: str) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture()))
    good = {"input_images": ["a.png"], "output_image": "a.png", "instruction": "x"}
    rows = [good, {**good, "input_images": ["a.png", NO_PATHS["JPEG"]]}, good]
    if table.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / table)
    else:
        write_json(tmp_path / table, rows)
    results = [
        RowValidator().examine_row(row) for row in open_source(str(tmp_path)).files[0].read()
    ]
    assert [type(result) for result in results] == [Sample, SkippedRow, Sample]
    bad = results[1]
    assert isinstance(bad, SkippedRow)
    assert (bad.reason, bad.image) == (Reason.FILE_MISSING, 2)
    assert "base64" in bad.detail
    assert len(bad.detail) < 200


@pytest.mark.parametrize(
    "path",
    [
        "a.png",
        "/9j/4AAQ.jpg",
        "data/x.png",
        "iVBORw0KGgo",
        "x" * 300 + ".png",
        "datas:x",
        "/9j/" * 9,
    ],
)
def test_what_may_be_a_path_is_taken_for_one(path: str) -> None:
    assert not not_a_path(path)


def test_a_cell_beside_its_bytes_may_hold_any_text(tmp_path: Path) -> None:
    cell = {"bytes": encode(picture()), "path": NO_PATHS["data URI"]}
    image = pa.array([cell], CELLS["struct"])
    table = pa.table({"input_image": image, "output_image": image, "instruction": ["x"]})
    pq.write_table(table, tmp_path / "hoi.parquet")
    (row,) = open_source(str(tmp_path)).files[0].read()
    assert isinstance(RowValidator().examine_row(row), Sample)


@pytest.mark.parametrize("inputs", [MAX_INPUTS + 1, 100_000])
@pytest.mark.parametrize("kind", ["paths.json", "paths.parquet", "bytes.parquet"])
def test_a_row_of_very_many_inputs_is_left_out_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: int, kind: str
) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture()))
    image = encode(picture()) if kind == "bytes.parquet" else "a.png"
    good = {"input_images": [image], "output_image": image, "instruction": "x"}
    rows = [good, {**good, "input_images": [image] * inputs}, good]
    if kind.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"hoi-{kind}")
    else:
        write_json(tmp_path / f"hoi-{kind}", rows)
    looks: list[str] = []
    read = ImagePaths.read
    monkeypatch.setattr(ImagePaths, "read", lambda of, path: looks.append(path) or read(of, path))
    results = [
        RowValidator().examine_row(row) for row in open_source(str(tmp_path)).files[0].read()
    ]
    assert [type(result) for result in results] == [Sample, SkippedRow, Sample]
    bad = results[1]
    assert isinstance(bad, SkippedRow)
    assert (bad.reason, bad.image) == (Reason.TOO_LARGE, None)
    assert f"at most {MAX_INPUTS}" in bad.detail
    assert len(looks) <= 4


def test_of_a_row_beyond_the_bytes_of_a_row_no_more_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.sources.row_images.MAX_ROW_BYTES", 3000)
    (tmp_path / "a.png").write_bytes(bytes(1001))
    row = {"input_images": ["a.png"] * 50, "output_image": "a.png", "instruction": "x"}
    (found,) = open_source(str(write_json(tmp_path / "hoi.json", [row]))).files[0].read()
    assert sum(isinstance(image, bytes) for image in found.inputs) == 3


def test_a_page_whose_checksum_is_wrong_is_damage(tmp_path: Path) -> None:
    folder = write_release(
        tmp_path / "r", cases(2), write_page_checksum=True, compression="none",
        use_dictionary=False,
    )  # fmt: skip
    path = next((folder / "Human-centric").glob("*.parquet"))
    data = bytearray(path.read_bytes())
    assert len(list(open_source(str(path)).files[0].read())) == 2
    column = pq.read_metadata(path).row_group(0).column(2)
    data[column.data_page_offset + column.total_compressed_size - 200] ^= 1  # within an image
    path.write_bytes(data)
    with pytest.raises(BrokenFile, match="row group 0 cannot be read: .*CRC"):
        list(open_source(str(path)).files[0].read())


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_footer_is_a_broken_file_whatever_is_damaged(tmp_path: Path, seed: int) -> None:
    layouts: list[dict[str, Any]] = [
        {},
        {"inputs": "columns", "cells": "binary"},
        {"cells": "path"},
        {"row_group_size": 1},
    ]
    rows = [case for case in cases(3) if case.task == "hoi"]
    path = next(write_release(tmp_path / "r", rows, **layouts[seed]).rglob("*.parquet"))
    body, footer = footer_of(path.read_bytes())
    rng = random.Random(seed)
    refused = 0
    for _ in range(60):
        damaged = bytearray(footer)
        for _ in range(rng.choice([1, 3, 9])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with_footer(path, body, bytes(damaged))
        try:
            source = open_source(str(path))
            make_plan(source)
            list(source.files[0].read())
        except SourceError:
            refused += 1
    assert refused > 20


FLIP = """
import sys
from pathlib import Path
from mico_150k.core.errors import SourceError
from mico_150k.sources import open_source
path, start = Path(sys.argv[1]), int(sys.argv[2])
data = path.read_bytes()
for place in range(start, len(data) - 8):
    if data[place] == 12:  # BYTE_ARRAY, and whatever else is 6
        path.write_bytes(data[:place] + b"\\x08" + data[place + 1:])
        try:
            open_source(str(path))
        except SourceError:
            print("refused")
"""


def test_a_footer_at_which_pyarrow_aborts_the_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hoi.parquet"
    rows = [case for case in cases(2) if case.task == "hoi"]
    pq.write_table(release_table(rows, tmp_path), path)
    body, _ = footer_of(path.read_bytes())
    command = [sys.executable, "-c", FLIP, str(path), str(len(body))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout


def test_a_huge_text_in_a_column_of_paths_or_ids_is_read_in_small_batches(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture()))
    rows = 60
    table = pa.table({
        "id": [f"{row}" + "x" * 500_000 for row in range(rows)],
        "input_images": [["a.png"]] * rows,
        "output_image": ["a.png"] * rows,
        "instruction": ["x"] * rows,
    })  # fmt: skip
    pq.write_table(table, tmp_path / "hoi.parquet", use_dictionary=False, row_group_size=rows)
    before = pa.total_allocated_bytes()
    with pytest.raises(BrokenFile, match="row 0: its id .* is a text of 500,001 characters"):
        make_plan(open_source(str(tmp_path)))
    assert pa.total_allocated_bytes() - before < 20 << 20


def test_what_is_refused_is_refused_before_a_build_begins(tmp_path: Path) -> None:
    path = tmp_path / "r" / "hoi.parquet"
    path.parent.mkdir()
    rows = [{"input_images": [NO_PATHS["JPEG"]], "output_image": "o.png", "instruction": "x"}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(SourceError):
        Build.prepare(open_source(str(path)), tmp_path / "out", BuildOptions())
    assert not (tmp_path / "out").exists()
