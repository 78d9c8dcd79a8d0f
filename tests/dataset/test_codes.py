"""The configuration of codes: what is written is read, and nothing read is believed."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.core.errors import BrokenFile, NotADataset
from mico_150k.dataset import codes
from mico_150k.dataset.codes import CodesFolder

from ..pretokenize.material import coded, coded_rows, write_rows


def test_codes_come_back_as_they_were_in_as_many_shards_as_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "ROWS_A_GROUP", 2)
    monkeypatch.setattr(codes, "ROWS_A_SHARD", 4)
    rows = coded_rows(9)
    write_rows(tmp_path / "dimoo-codes", rows)
    for place in (tmp_path, tmp_path / "dimoo-codes"):
        folder = CodesFolder.open(place)
        assert len(folder.files) == 3
        assert folder.rows == 9
        assert folder.made_with["vq_sha256"] == "ab"
        for found, row in zip(folder.read(), rows, strict=True):
            assert (found.id, found.prompt, found.grids) == (row.id, row.prompt, row.grids)
            for one, other in zip(found.pictures, row.pictures, strict=True):
                assert (one.size, one.digest) == (other.size, other.digest)
                assert np.array_equal(one.codes, other.codes)


def test_datasets_reads_it_as_16_bit_codes(tmp_path: Path) -> None:
    from datasets import load_dataset

    write_rows(tmp_path / "dimoo-codes", coded_rows(2))
    rows = load_dataset(str(tmp_path), data_dir="dimoo-codes", split="train", streaming=True)
    row = next(iter(rows))
    assert row["codes"][1] == [11, 12, 13, 14, 15, 16, 17, 18]
    assert (row["columns"], row["rows"]) == ([3, 2], [2, 4])
    assert "uint16" in str(rows.features)


def test_13_bits_a_code_are_what_it_takes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        codes.CodedRow("", "", [codes.CodedPicture(picture, 512, str(number))] * 2)
        for number in range(500)
        for picture in (random.integers(0, 8192, (32, 32), dtype=np.uint16),)
    ]
    write_rows(tmp_path, rows)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 1.1 * (500 * 2 * 1024) * 13 / 8


def change(path: Path, name: str, value: Any) -> None:
    table = pq.read_table(path)
    place = table.schema.get_field_index(name)
    values = [value, *table[name].to_pylist()[1:]]
    array = pa.array(values, table.schema.field(name).type)
    pq.write_table(table.set_column(place, table.schema.field(name), array), path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("codes", [[1], [2]], "1 code in a grid of 3 × 2"),
        ("codes", [[9000] * 6, [1] * 8], "the code 9000"),
        ("codes", [[1] * 6], "differ in length"),
        ("columns", [-3, -2], "grid of -3"),
        ("digests", ["a"], "differ in length"),
        ("sizes", None, "a null"),
        ("prompt", None, "a null"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, name: str, value: Any, message: str) -> None:
    write_rows(tmp_path, coded_rows(2))
    change(tmp_path / "train-00000.parquet", name, value)
    with pytest.raises(BrokenFile, match=rf"train-00000.parquet, row 0: .*{message}"):
        list(CodesFolder.open(tmp_path).read())


def test_what_are_no_codes_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotADataset, match="mico pretokenize"):
        CodesFolder.open(tmp_path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "train-00000.parquet")
    with pytest.raises(BrokenFile, match="cannot read this file of dimoo-codes"):
        CodesFolder.open(tmp_path)
    (tmp_path / "train-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(BrokenFile, match="not a Parquet file"):
        CodesFolder.open(tmp_path)


def test_shards_of_different_checkpoints_do_not_go_together(tmp_path: Path) -> None:
    for part, vq in (("a", "1"), ("b", "2")):
        write_rows(tmp_path / part, coded_rows(1), vq)
    (tmp_path / "b" / "train-00000.parquet").rename(tmp_path / "a" / "train-00001.parquet")
    with pytest.raises(BrokenFile, match="other settings"):
        CodesFolder.open(tmp_path / "a")


def test_a_shard_or_rows_that_are_missing_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "ROWS_A_SHARD", 4)
    write_rows(tmp_path, coded_rows(9))
    last = tmp_path / "train-00002.parquet"
    table = pq.read_table(last)
    pq.write_table(table.slice(0, 0), last)
    with pytest.raises(BrokenFile, match="shards have 8 rows, and their metadata says 9"):
        CodesFolder.open(tmp_path)
    last.unlink()
    with pytest.raises(BrokenFile, match=r"train-00002.parquet of 3 shards is missing"):
        CodesFolder.open(tmp_path)


def test_a_byte_that_a_disk_has_changed_is_no_code(tmp_path: Path) -> None:
    write_rows(tmp_path, coded_rows(6))
    path = tmp_path / "train-00000.parquet"
    data = bytearray(path.read_bytes())
    place = pq.read_metadata(path).row_group(0).column(2).data_page_offset + 60
    data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BrokenFile, match=r"train-00000.parquet is damaged from row 0"):
        list(CodesFolder.open(tmp_path).read())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*coded_rows(2), coded_rows(1)[0]], "row 2: the id hoi/0 appears twice"),
        (
            [*coded_rows(1), codes.CodedRow("b", "", (coded("1b"), coded("0a", 2, 3)))],
            "row 1: other codes for the image 0a",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_named(
    tmp_path: Path, rows: list[codes.CodedRow], message: str
) -> None:
    with pytest.raises(BrokenFile, match=message):
        list(write_rows(tmp_path, rows).read())


def test_codes_that_010_has_written_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(codes, "FORMAT", "mico-150k/dimoo-codes/1")
        made = {"vq_sha256": "ab", "versions": {"mico-150k": "0.1.0"}}
        codes.write_codes(tmp_path, coded_rows(2), 2, made)
    said = r"was written by mico-150k 0\.1\.0, as mico-150k/dimoo-codes/1.*\n.*`mico pretokenize`"
    with pytest.raises(BrokenFile, match=said):
        CodesFolder.open(tmp_path)
