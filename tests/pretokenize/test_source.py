"""Records and pictures, of an export and of a dataset."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mico_150k.core.errors import BrokenFile, EmptySource, SourceNotFound
from mico_150k.core.reasons import Reason
from mico_150k.pretokenize.images import ParquetImages
from mico_150k.pretokenize.material import CellPlace, EncodeInputs, Fault, FilePlace
from mico_150k.pretokenize.source import open_material

from ..factories import Case, encode, picture


def write(folder: Path, rows: Any) -> Path:
    (folder / "dimoo-mico.json").write_text(json.dumps(rows))
    return folder


def record(inputs: Any = "a.png", output: Any = "a.png", prompt: Any = "do") -> dict[str, Any]:
    return {"image_path": inputs, "edit_path": output, "prompt": prompt}


def test_an_exports_pictures_are_found_once_each_in_the_order_of_use(export: Path) -> None:
    material = open_material(export)
    assert material == open_material(export / "dimoo-mico.json")
    assert len(material.records) == 8
    assert len(material.pictures) == 8
    assert material.records[0].pictures == (0, 1)
    assert material.pictures[0].place == FilePlace(str(export / "images" / "0.png"))
    assert (material.pictures[0].width, material.pictures[0].height) == (200, 150)
    assert not material.faults
    assert not material.unusable


def test_what_cannot_be_used_is_told_by_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture(1)))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"no picture at all")
    rows = [
        record(["a.png", "gone.png"]),
        record(["empty.png", "text.png"]),
        record([]),
        record(prompt="  "),
        record("a.png"),
    ]
    material = open_material(write(tmp_path, rows))
    reasons = {
        Path(material.faults[number].detail.partition(":")[0]).name: fault.reason
        for number, fault in material.faults.items()
    }
    assert reasons == {
        "gone.png": Reason.FILE_MISSING,
        "empty.png": Reason.EMPTY,
        "text.png": Reason.UNKNOWN_FORMAT,
    }
    assert {row: fault.reason for row, fault in material.unusable.items()} == {
        2: Reason.NO_INPUTS,
        3: Reason.NO_INSTRUCTION,
    }
    assert material.records[4].inputs == 1


def test_texts_and_paths_that_are_no_text_cost_their_record(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture(1)))
    rows = [record(), record(prompt="a\ud800b"), record(["b\ud800.png"]), record(["c\0.png"])]
    material = open_material(write(tmp_path, rows))
    assert material.unusable == {1: Fault(Reason.BAD_TEXT)}
    assert len(material.faults) == 2
    assert {fault.reason for fault in material.faults.values()} == {Reason.FILE_MISSING}


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    material = open_material(write(tmp_path, [record("pipe.png", "folder.png")]))
    assert [fault.reason for fault in material.faults.values()] == [Reason.FILE_MISSING] * 2
    assert "no regular file" in material.faults[0].detail


def test_json_lines_end_where_json_says_and_may_have_a_mark_at_their_begin(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture(1)))
    prompts = ["one\u2028still one\x85and on", "two"]
    lines = "\n".join(json.dumps(record(prompt=p), ensure_ascii=False) for p in prompts)
    (tmp_path / "rows.jsonl").write_text(f"{lines}\n", encoding="utf-8-sig")
    material = open_material(tmp_path / "rows.jsonl")
    assert [row.prompt for row in material.records] == prompts


def test_a_picture_that_was_replaced_is_another_even_of_the_same_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture(1)))
    write(tmp_path, [record()])
    before = open_material(tmp_path).pictures[0]
    assert open_material(tmp_path).pictures[0] == before
    times = (tmp_path / "a.png").stat()
    os.utime(tmp_path / "a.png", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert open_material(tmp_path).pictures[0] != before


def test_records_have_the_ids_that_an_export_has_beside_them(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture(1)))
    write(tmp_path, [record(), record()])
    assert [row.id for row in open_material(tmp_path).records] == ["0", "1"]
    ids = tmp_path / "dimoo-mico.ids.json"
    ids.write_text('["hoi/7", "de_re/1"]')
    assert [row.id for row in open_material(tmp_path).records] == ["hoi/7", "de_re/1"]
    for text, message in (
        ('["hoi/7"]', "1 ids, where dimoo-mico.json has 2 records"),
        ('["hoi/7", "hoi/7"]', "hoi/7 is in it more than once"),
        ('["hoi/7", 1]', "not a list of ids"),
        ('["hoi/7", "\\ud800"]', "not a list of ids"),
        ("[", "not JSON"),
    ):
        ids.write_text(text)
        with pytest.raises(BrokenFile, match=message):
            open_material(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [
        {"a": 1}, ["text"], [record([1])], [record(5)], [record({"a": "b"})],
        [record(output=None)], [record(prompt=7)], [{}],
    ],
)  # fmt: skip
def test_what_is_no_record_is_named(tmp_path: Path, rows: Any) -> None:
    with pytest.raises(BrokenFile, match="dimoo-mico.json"):
        open_material(write(tmp_path, rows))


def test_what_is_nothing_of_the_kind_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        open_material(tmp_path / "nowhere")
    with pytest.raises(EmptySource, match="mico export dimoo"):
        open_material(tmp_path)
    with pytest.raises(EmptySource, match="no records"):
        open_material(write(tmp_path, []))
    for text in ("[{", "[" * 100_000):
        (tmp_path / "dimoo-mico.json").write_text(text)
        with pytest.raises(BrokenFile, match="not JSON"):
            open_material(tmp_path)


def test_a_damaged_shard_of_a_dataset_is_named(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset / "default", tmp_path / "default")
    shard = next((tmp_path / "default").iterdir())
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(BrokenFile, match=rf"{shard}: it cannot be read"):
        open_material(tmp_path)


def test_a_dataset_without_its_index_says_what_to_fetch(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset / "dimoo", tmp_path / "dimoo")
    with pytest.raises(BrokenFile, match="fetch its folder index"):
        open_material(tmp_path)


def read(material: EncodeInputs) -> list[tuple[str, list[bytes]]]:
    """Each record's prompt, and its pictures' bytes through their places."""
    found = []
    for row in material.records:
        places = [material.pictures[number].place for number in row.pictures]
        with closing(ParquetImages()) as cells:
            loaders = cells.loaders([place for place in places if isinstance(place, CellPlace)])
            found.append((row.prompt, [bytes(load()) for load in loaders]))
    return found


@pytest.mark.parametrize("parts", [("default",), ("dimoo", "index")])
def test_a_dataset_gives_its_rows_whichever_parts_of_it_are_there(
    dataset: Path, tmp_path: Path, samples: list[Case], parts: tuple[str, ...]
) -> None:
    for part in parts:
        shutil.copytree(dataset / part, tmp_path / part)
    material = open_material(tmp_path)
    expected = {(case.instruction, (*case.inputs, case.output)) for case in samples}
    assert {(prompt, tuple(images)) for prompt, images in read(material)} == expected
    whole = open_material(dataset)
    assert [row.prompt for row in material.records] == [row.prompt for row in whole.records]
    assert [row.pictures for row in material.records] == [row.pictures for row in whole.records]
    sides = [(found.width, found.height, found.stamp) for found in material.pictures]
    assert sides == [(found.width, found.height, found.stamp) for found in whole.pictures]
    assert len({stamp for _, _, stamp in sides}) == len(sides)
