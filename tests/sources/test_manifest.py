"""JSON and JSONL of image paths, in each trainer's own format."""

import json
from pathlib import Path

import pytest
from mico_150k.builders import get_trainer

from mico_150k.core.errors import (
    BrokenFile,
    EmptySource,
    PathOutsideSource,
    UnknownShape,
    UnknownTask,
    UsageError,
)
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Missing, RawSample, SkippedRow
from mico_150k.core.task import Task, parse_task_map
from mico_150k.export.folder import EXPORT, MADE_OF
from mico_150k.sources import ReadOptions, open_source
from mico_150k.sources.layouts import OF_EXPORTS
from mico_150k.sources.shape import parse_map
from mico_150k.sources.validate import RowValidator
from mico_150k.trainers import bagel

from ..factories import Case, cases, manifest_rows, write_json
from ..web import serve

KEYS = {
    "BLIP3o-MICo.json": ("input_images", "output_image", "instruction"),
    "dimoo-mico.json": ("image_path", "edit_path", "prompt"),
    "omnigen2.jsonl": ("input_images", "output_image", "instruction"),
}


def rows_of(location: Path | str, reading: ReadOptions | None = None) -> list[RawSample]:
    return [row for file in open_source(str(location), reading).files for row in file.read()]


@pytest.fixture
def hoi() -> list[Case]:
    return [sample for sample in cases(3) if sample.task == "hoi"]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("whole_folder", [False, True])
def test_each_trainers_format(
    tmp_path: Path, hoi: list[Case], name: str, whole_folder: bool
) -> None:
    folder = tmp_path / "hoi"
    rows = []
    for row in manifest_rows(folder, hoi):
        inputs, output, words = KEYS[name]
        keyed = {inputs: row["input_images"], output: row["output_image"]}
        extra = {"task_type": "edit"} if name.startswith("omni") else {}
        rows.append({**extra, **keyed, words: row["instruction"]})
    path = write_json(folder / name, rows)
    found = rows_of(folder if whole_folder else path)
    assert [row.instruction for row in found] == [sample.instruction for sample in hoi]
    assert [row.inputs for row in found] == [sample.inputs for sample in hoi]
    assert [row.output for row in found] == [sample.output for sample in hoi]
    assert {row.task for row in found} == {Task.HOI}
    assert len({row.id for row in found}) == len(hoi)


def test_the_task_is_the_rows_word_then_the_manifests_then_the_outputs_folder(
    tmp_path: Path, hoi: list[Case]
) -> None:
    (row,) = list(manifest_rows(tmp_path / "Object_Centric", hoi[:1]))
    inside = {
        "input_images": [f"Object_Centric/{path}" for path in row["input_images"]],
        "output_image": f"Object_Centric/{row['output_image']}",
        "instruction": "x",
    }
    path = write_json(tmp_path / "all.json", [inside, {**inside, "task": "human_centric"}])
    assert [found.task for found in rows_of(path)] == [Task.OBJECT_CENTRIC, Task.HUMAN_CENTRIC]
    ruled = ReadOptions(tasks=parse_task_map(["all.json=de_re"]))
    assert {found.task for found in rows_of(path, ruled)} == {Task.DE_RE}


def test_a_folder_of_people_among_the_inputs_makes_no_task(tmp_path: Path) -> None:
    row = {"input_images": ["people/1.png"], "output_image": "out/1.png", "instruction": "x"}
    path = write_json(tmp_path / "m" / "all.json", [row])
    with pytest.raises(UnknownTask, match=r"(?s)all.json, row 0.*--task-map 'all.json="):
        list(open_source(str(path)).files[0].identities())


def test_a_missing_image_is_a_reason_and_no_error(tmp_path: Path) -> None:
    row = {"input_images": ["no.png", "", None], "output_image": None, "instruction": "x"}
    usual = {"input_images": ["a.png"], "output_image": "o.png", "instruction": "x"}
    found, _ = rows_of(write_json(tmp_path / "hoi.json", [row, usual]))
    null = Missing(Reason.NULL_IMAGE)
    assert found.inputs == (
        Missing(Reason.FILE_MISSING, "no.png: no such file in the source's own folder"),
        null,
        null,
    )
    assert found.output == Missing(Reason.NO_OUTPUT)


@pytest.mark.parametrize("path", ["../x.png", "/etc/hostname", "a/../../x.png"])
def test_a_path_out_of_the_manifests_folder_is_refused(tmp_path: Path, path: str) -> None:
    row = {"input_images": [path], "output_image": "o.png", "instruction": "x"}
    manifest = write_json(tmp_path / "m" / "hoi.json", [row])
    with pytest.raises(PathOutsideSource, match="--allow-outside"):
        open_source(str(manifest))
    open_source(str(manifest), ReadOptions(allow_outside=True))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "link.png").symlink_to(tmp_path / "x.png")
    row = {"input_images": ["link.png"], "output_image": "o.png", "instruction": "x"}
    with pytest.raises(PathOutsideSource):
        open_source(str(write_json(tmp_path / "m" / "hoi.json", [row])))


def test_an_absolute_path_inside_the_folder_is_fine(tmp_path: Path, hoi: list[Case]) -> None:
    rows = list(manifest_rows(tmp_path / "hoi", hoi))
    for row in rows:
        row["output_image"] = str(tmp_path / "hoi" / row["output_image"])
    found = rows_of(write_json(tmp_path / "hoi" / "m.jsonl", rows))
    assert [row.output for row in found] == [sample.output for sample in hoi]


def test_a_manifest_over_http_finds_the_images_beside_it(tmp_path: Path, hoi: list[Case]) -> None:
    write_json(tmp_path / "r" / "hoi.json", manifest_rows(tmp_path / "r", hoi))
    with serve(tmp_path) as web:
        found = rows_of(f"{web.address}/r/hoi.json")
        row = {"input_images": ["../x.png"], "output_image": "o.png", "instruction": "x"}
        write_json(tmp_path / "r" / "out.json", [row])
        with pytest.raises(PathOutsideSource):
            open_source(f"{web.address}/r/out.json")
    assert [row.output for row in found] == [sample.output for sample in hoi]
    assert [row.inputs for row in found] == [sample.inputs for sample in hoi]


@pytest.mark.parametrize("path", ["fifo", "folder", "nul\0byte"])
def test_what_is_no_regular_file_is_missing(tmp_path: Path, path: str) -> None:
    import os

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    row = {"input_images": [path], "output_image": "o.png", "instruction": "x"}
    (found,) = rows_of(write_json(tmp_path / "hoi.json", [row]))
    assert isinstance(found.inputs[0], Missing)
    assert found.inputs[0].reason is Reason.FILE_MISSING


def test_half_of_a_character_in_a_path_or_an_instruction_stops_nothing(tmp_path: Path) -> None:
    row = {"input_images": ["\ud800.png"], "output_image": "o\0.png", "instruction": "\udc00"}
    (found,) = rows_of(write_json(tmp_path / "hoi.json", [row]))
    assert found.inputs[0].detail.startswith("\\ud800.png: no such file")
    assert isinstance(RowValidator().examine_row(found), SkippedRow)


def test_half_of_a_character_in_an_id_is_named(tmp_path: Path) -> None:
    row = {"id": "\ud800", "input_images": ["a"], "output_image": "o", "instruction": "x"}
    path = write_json(tmp_path / "hoi.json", [row])
    with pytest.raises(
        BrokenFile, match="row 0: its id .column id. is not valid Unicode.\n.*--map id=@row"
    ):
        list(open_source(str(path)).files[0].identities())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "neither a JSON array of objects nor JSON lines"),
        ('[{"a": 1}, 3]', "row 1: int instead of a JSON object"),
        ('{"a": 1}\n\n3', "line 3: int instead of a JSON object"),
        (
            '{"a": 1}\n\n{"a": ',
            "hoi.json, line 3: neither a JSON array .*: column 7: Expecting value",
        ),
        ('[\n{"a": 1},\n{"a": }]', "hoi.json, line 3: .*: column 7: Expecting value"),
        ("[" * 100_000, "hoi.json, line 1: .*: nested too deeply"),
        ('{"a": 1}\n{"a": "\xff"}', "hoi.json, line 2: .*: no UTF-8"),
        ("not json", "--exclude hoi.json"),
    ],
)
def test_what_is_no_manifest_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "hoi.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BrokenFile, match=message):
        open_source(str(path))


def test_a_manifest_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmptySource, match="--exclude hoi.json"):
        open_source(str(write_json(tmp_path / "hoi.json", [])))


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\r"])
def test_a_line_ends_with_a_newline_and_nothing_else(tmp_path: Path, end: str) -> None:
    row = {"input_images": ["a"], "output_image": "o", "instruction": f"this{end}that"}
    text = json.dumps(row, ensure_ascii=end == "\r")
    (tmp_path / "hoi.jsonl").write_bytes(f"{text}\r\n{text}\r\n".encode())
    found = rows_of(tmp_path / "hoi.jsonl")
    assert [row.instruction for row in found] == [f"this{end}that"] * 2


def test_inputs_are_lists_where_any_row_has_a_list(tmp_path: Path, hoi: list[Case]) -> None:
    first, *others = manifest_rows(tmp_path, hoi)
    single = {**first, "input_images": first["input_images"][0]}
    rows = rows_of(write_json(tmp_path / "hoi.jsonl", [single, *others]))
    assert rows[0].inputs == hoi[0].inputs[:1]
    assert [row.inputs for row in rows[1:]] == [case.inputs for case in hoi[1:]]


def test_an_input_that_first_comes_in_a_late_row_is_an_input(tmp_path: Path) -> None:
    row = {"input_image_1": "a", "input_image_2": "b", "output_image": "o", "instruction": "x"}
    rows = [*([row] * 300), {**row, "input_image_3": "c"}]
    path = write_json(tmp_path / "hoi.jsonl", rows)
    found = rows_of(path)
    assert [len(row.inputs) for row in found] == [2] * 300 + [3]


@pytest.mark.parametrize("stray", [{"a": {"b": 1}}, [{"name": "x"}]])
def test_a_file_that_is_no_manifest_is_an_error_that_says_how_to_leave_it_out(
    tmp_path: Path, hoi: list[Case], stray: object
) -> None:
    write_json(tmp_path / "hoi.json", manifest_rows(tmp_path, hoi))
    (tmp_path / "my config.json").write_text(json.dumps(stray))
    with pytest.raises(UnknownShape, match="--exclude 'my config.json'"):
        open_source(str(tmp_path))
    assert len(rows_of(tmp_path, ReadOptions(exclude=("my config.json",)))) == len(hoi)


def test_what_exports_write_besides_is_no_manifest(tmp_path: Path, hoi: list[Case]) -> None:
    written = {
        EXPORT, bagel.PARQUET_INFO, MADE_OF, get_trainer("dimoo", "codes").records,
    }  # fmt: skip
    assert written == OF_EXPORTS
    write_json(tmp_path / "hoi.json", manifest_rows(tmp_path, hoi))
    for name in written:
        write_json(tmp_path / "codes" / name, [])
    assert len(rows_of(tmp_path)) == len(hoi)


def test_a_rule_that_speaks_of_no_row_is_refused(tmp_path: Path, hoi: list[Case]) -> None:
    path = write_json(tmp_path / "hoi.json", manifest_rows(tmp_path, hoi))
    rows_of(path, ReadOptions(tasks=parse_task_map(["images=de_re"])))
    with pytest.raises(UsageError, match="--task-map imagse=de_re: nothing in .* has this name"):
        open_source(str(path), ReadOptions(tasks=parse_task_map(["images=de_re", "imagse=de_re"])))


def test_other_keys_need_a_map(tmp_path: Path) -> None:
    row = {"pics": ["a.png"], "out": "o.png", "say": "x", "nr": 3}
    path = write_json(tmp_path / "hoi.jsonl", [row])
    with pytest.raises(UnknownShape, match="--map inputs=pics"):
        open_source(str(path))
    reading = ReadOptions(columns=parse_map(["inputs=pics output=out instruction=say id=nr"]))
    (found,) = rows_of(path, reading)
    assert (found.source_id, found.instruction) == ("3", "x")


def test_a_row_without_the_id_that_others_have_is_named(tmp_path: Path) -> None:
    base = {"input_images": ["a"], "output_image": "o", "instruction": "x"}
    path = write_json(tmp_path / "hoi.jsonl", [{**base, "id": 1}, base])
    with pytest.raises(BrokenFile, match=r"row 1.*\n.*--map id=@row"):
        list(open_source(str(path)).files[0].identities())


def test_content_is_the_same_elsewhere_and_the_stamp_changes_with_an_image(
    tmp_path: Path, hoi: list[Case]
) -> None:
    folders = [tmp_path / name / "hoi" for name in ("one", "two")]
    for folder in folders:
        write_json(folder / "m.json", manifest_rows(folder, hoi))
    one, two = (open_source(str(folder)).files[0] for folder in folders)
    assert one.content_hash == two.content_hash
    image = next((folders[0] / "images").iterdir())
    image.write_bytes(image.read_bytes())
    again = open_source(str(folders[0])).files[0]
    assert again.content_hash == one.content_hash
    assert again.mtime_token != one.mtime_token


def test_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    row = json.dumps({"input_images": [], "output_image": "o", "instruction": "é"})
    path = tmp_path / "hoi.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"\n{row}\n\n".encode())
    assert [found.instruction for found in rows_of(path)] == ["é"]
