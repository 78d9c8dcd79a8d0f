"""Columns of unusual types are read as what they hold, or refused by name: never passed over."""

import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.plan import make_plan
from mico_150k.core.errors import BrokenFile, SourceError, UnknownShape
from mico_150k.core.sample import RawSample
from mico_150k.core.task import Task
from mico_150k.inspection.source import inspect_source
from mico_150k.io.cells import image_cells, image_lists, plain_values
from mico_150k.sources import ReadOptions, open_source
from mico_150k.sources.shape import Kind, find_shape, kind_of, parse_map

from ..factories import CELLS, encode, picture, write_json

PNG = encode(picture())
ONE, TWO = uuid.UUID(int=7), uuid.UUID(int=2**127 + 5)


class Label(pa.ExtensionType):
    """Somebody's own type over texts, known to this process."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "test.label")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> "Label":
        return cls()


@pytest.fixture(autouse=True)
def labels() -> Any:
    pa.register_extension_type(Label())
    yield
    pa.unregister_extension_type("test.label")


def extended(kind: pa.DataType, values: list[Any]) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


def rows_of(
    folder: Path, columns: dict[str, Any], said: str = "", **writer: Any
) -> list[RawSample]:
    """Two rows with these columns besides their images; they are planned and built as well."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {
        "input_images": pa.array([[PNG], [PNG]], pa.list_(pa.binary())),
        "output_image": [PNG, PNG],
        "instruction": ["one", "two"],
    }
    pq.write_table(pa.table({**usual, **columns}), folder / "hoi.parquet", **writer)
    source = open_source(str(folder), ReadOptions(columns=parse_map([said])))
    rows = list(source.files[0].read())
    assert list(source.files[0].identities()) == [(row.task, row.source_id) for row in rows]
    Build.prepare(source, folder.parent / "out", BuildOptions(configs=("default",))).run()
    return rows


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([Decimal(10**19), Decimal(5)], pa.decimal128(20, 0)), [str(10**19), "5"]),
        (pa.array([Decimal("7.00"), Decimal("-3.00")], pa.decimal128(9, 2)), ["7", "-3"]),
        (pa.array([Decimal(10**40), Decimal(1)], pa.decimal256(60, 0)), [str(10**40), "1"]),
        (pa.array([1, 2], pa.uint64()).dictionary_encode(), ["1", "2"]),
        (pa.array(["b", "a"], pa.string_view()), ["b", "a"]),
        (pa.array([3, 4], pa.float32()), ["3", "4"]),
        (extended(Label(), ["x", "y"]), ["x", "y"]),
        (extended(pa.uuid(), [ONE.bytes, TWO.bytes]), [str(ONE), str(TWO)]),
        (extended(pa.json_(), ['"k-1"', "12"]), ["k-1", "12"]),
        (extended(pa.opaque(pa.int64(), "n", "v"), [8, 9]), ["8", "9"]),
    ],
)
def test_ids_of_every_type_that_says_which_row_it_is(
    tmp_path: Path, ids: pa.Array, expected: list[str]
) -> None:
    assert [row.source_id for row in rows_of(tmp_path / "r", {"original_idx": ids})] == expected


@pytest.mark.parametrize(
    ("ids", "what"),
    [
        (pa.array([0, 1], pa.timestamp("us")), r"timestamp\[us\]"),
        (pa.array([b"0123", b"4567"], pa.binary(4)), r"fixed_size_binary\[4\]"),
        (pa.array([True, False]), "bool"),
        (pa.array([[1], [2]]), "list"),
        (pa.array([{"a": 1}, {"a": 2}]), "struct"),
        (pa.array([0, 1], pa.time32("s")), "time32"),
    ],
)
@pytest.mark.parametrize("said", ["", "id=idx"])
def test_an_id_of_another_type_is_refused_by_its_name_and_type(
    tmp_path: Path, ids: pa.Array, what: str, said: str
) -> None:
    with pytest.raises(UnknownShape) as error:
        rows_of(tmp_path / "r", {"idx": ids}, said)
    message = str(error.value)
    assert "hoi.parquet" in message
    assert pytest.importorskip("re").search(
        rf"idx \({what}.* has neither numbers nor texts", message
    )
    assert "--map id=@row" in message
    assert "id=idx" not in message.partition("for example")[2]
    rows = rows_of(tmp_path / "r", {"idx": ids}, "id=@row")
    assert [row.source_id for row in rows] == ["hoi-0", "hoi-1"]


def test_a_known_name_of_another_type_is_not_passed_over_for_the_next(tmp_path: Path) -> None:
    columns = {"ed_idx": pa.array([0, 1], pa.date32()), "id": [1, 2]}
    with pytest.raises(UnknownShape, match="ed_idx .* has neither"):
        rows_of(tmp_path / "r", columns)
    assert [row.source_id for row in rows_of(tmp_path / "r", columns, "id=id")] == ["1", "2"]


def test_a_column_of_nothing_but_nulls_says_nothing(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "r", {"idx": pa.nulls(2), "task": pa.nulls(2), "id": [4, 5]})
    assert [row.source_id for row in rows] == ["4", "5"]


def test_a_decimal_that_is_not_whole_is_named_with_its_row(tmp_path: Path) -> None:
    ids = pa.array([Decimal("1.0"), Decimal("1.5")], pa.decimal128(9, 1))
    with pytest.raises(BrokenFile, match=r"row 1: its id .*1\.5, which is not an integer"):
        rows_of(tmp_path / "r", {"idx": ids})


@pytest.mark.parametrize("kind", [Label(), pa.json_(), pa.string_view(), pa.large_string()])
def test_instructions_tasks_and_subtasks_are_unwrapped(tmp_path: Path, kind: pa.DataType) -> None:
    def column(values: list[str]) -> pa.Array:
        is_wrapped = isinstance(kind, pa.BaseExtensionType)
        return extended(kind, values) if is_wrapped else pa.array(values, kind)

    columns = {
        "instruction": column(["put A on B", 'say "C"']),
        "task": column(["de_re", "hoi"]),
        "subtask": column(["first", "second"]),
    }
    rows = rows_of(tmp_path / "r", columns)
    assert [row.instruction for row in rows] == ["put A on B", 'say "C"']
    assert [row.task for row in rows] == [Task.DE_RE, Task.HOI]
    assert [row.subtask for row in rows] == ["first", "second"]


def test_a_json_string_is_the_text_that_it_says(tmp_path: Path) -> None:
    words = extended(pa.json_(), ['"with \\"quotes\\" and \\u00e9"', '{"not": "a text"}'])
    rows = rows_of(tmp_path / "r", {"instruction": words})
    assert [row.instruction for row in rows] == ['with "quotes" and é', '{"not": "a text"}']


@pytest.mark.parametrize("part", ["task", "subtask"])
def test_a_task_or_subtask_of_another_type_is_refused_and_can_be_done_without(
    tmp_path: Path, part: str
) -> None:
    columns = {part: pa.array([0, 1], pa.date32())}
    with pytest.raises(UnknownShape, match=rf"{part} \(date32.*--map {part}=@none"):
        rows_of(tmp_path / "r", columns)
    for row in rows_of(tmp_path / "r", columns, f"{part}=@none"):
        assert (row.task, row.subtask) == (Task.HOI, "")


def test_a_subtask_may_be_a_number(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "r", {"subtask": pa.array([0.0, None])})
    assert [row.subtask for row in rows] == ["0", ""]


def test_an_instruction_of_another_type_is_refused_by_name(tmp_path: Path) -> None:
    columns = {"instruction": pa.array([{"en": "a"}, {"en": "b"}]), "caption": ["c", "d"]}
    with pytest.raises(UnknownShape, match=r"instruction \(struct<en: string>\) has no texts"):
        rows_of(tmp_path / "r", columns)
    rows = rows_of(tmp_path / "r", columns, "instruction=caption")
    assert [row.instruction for row in rows] == ["c", "d"]


@pytest.mark.parametrize("list_of", [pa.list_view, pa.large_list_view])
@pytest.mark.parametrize("cell", ["binary", "struct"])
def test_list_views_of_images(list_of: Any, cell: str) -> None:
    def of(data: bytes | None) -> Any:
        return data if cell == "binary" or data is None else {"bytes": data, "path": None}

    kind = list_of(CELLS[cell])
    assert kind_of(kind) is Kind.IMAGES
    lists = [[of(b"a"), of(b"b")], None, [], [of(b"c"), of(None)], [of(b"d")]]
    whole = pa.array(lists, kind)
    for start in range(6):
        found = image_lists(whole.slice(start), pytest.fail)
        bare = [
            [bytes(image) if hasattr(image, "tobytes") else None for image in row] for row in found
        ]
        assert bare == [[b"a", b"b"], [], [], [b"c", None], [b"d"]][start:]
    shuffled = type(whole).from_arrays([1, 0, 0], [1, 2, 0], whole.values)
    assert [len(row) for row in image_lists(shuffled, pytest.fail)] == [1, 2, 0]
    assert bytes(image_lists(shuffled, pytest.fail)[0][0]) == b"b"


@pytest.mark.parametrize("list_of", [pa.list_view, pa.large_list_view])
def test_list_views_in_a_file(tmp_path: Path, list_of: Any) -> None:
    lists = pa.array([[PNG, PNG], [PNG]], list_of(pa.binary()))
    try:
        rows = rows_of(tmp_path / "r", {"input_images": lists})
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow writes no list views")
    assert [len(row.inputs) for row in rows] == [2, 1]
    assert bytes(rows[0].inputs[1]) == PNG  # type: ignore[arg-type]


def test_wrapped_images_and_runs() -> None:
    image = pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "i", "v"), pa.array([b"x", None]))
    assert kind_of(image.type) is Kind.IMAGE
    assert bytes(image_cells(image, pytest.fail)[0]) == b"x"
    runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"])
    assert kind_of(runs.type) is Kind.TEXT
    assert plain_values(runs) == ["a", "a", "b"]


def twice(folder: Path, name: str, **extra: Any) -> Path:
    """A file with two columns of one name."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        "idx": pa.array([1, 2]),
        "input_images": pa.array([[PNG], [PNG]], pa.list_(pa.binary())),
        "output_image": pa.array([PNG, PNG]),
        "instruction": pa.array(["one", "two"]),
        **extra,
    }
    arrays, named = [*columns.values(), columns[name]], [*columns, name]
    pq.write_table(pa.Table.from_arrays(arrays, named), folder / "hoi.parquet")
    return folder


@pytest.mark.parametrize("name", ["idx", "input_images", "output_image", "instruction"])
def test_two_columns_of_one_name_are_refused_by_inspect_and_build(
    tmp_path: Path, name: str
) -> None:
    folder = twice(tmp_path / "r", name)
    with pytest.raises(UnknownShape, match=rf"hoi\.parquet: two columns are called {name}.*\n"):
        open_source(str(folder))
    problems = inspect_source(str(folder), ReadOptions())[0].problems
    assert name in problems[0]


def test_two_columns_of_a_name_that_nobody_reads_do_no_harm(tmp_path: Path) -> None:
    folder = twice(tmp_path / "r", "extra", extra=pa.array(["p", "q"]))
    assert [row.source_id for row in open_source(str(folder)).files[0].read()] == ["1", "2"]


def test_two_parts_of_one_name_in_an_image_are_refused(tmp_path: Path) -> None:
    cell = pa.StructArray.from_arrays([pa.array([PNG]), pa.array([PNG])], ["bytes", "bytes"])
    table = pa.table({"input_image": cell, "output_image": [PNG], "instruction": ["x"]})
    pq.write_table(table, tmp_path / "hoi.parquet")
    with pytest.raises(UnknownShape, match=r"two columns are called input_image\.bytes"):
        open_source(str(tmp_path))


def test_a_column_whose_name_begins_as_anothers_is_another(tmp_path: Path) -> None:
    extra = {
        "output_image.note": ["a", "b"], "instruction.draft": ["c", "d"], "idx": [6, 7],
        "idx.old": [1, 1],
    }  # fmt: skip
    rows = rows_of(tmp_path / "r", extra)
    assert [(row.source_id, row.instruction) for row in rows] == [("6", "one"), ("7", "two")]
    assert [bytes(row.output) for row in rows] == [PNG, PNG]  # type: ignore[arg-type]


def test_paths_are_read_from_the_right_one_of_two_such_columns(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    table = pa.table({
        "output_image.source": ["/etc/hostname"], "input_images": [["a.png"]],
        "output_image": ["a.png"], "instruction": ["x"],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "hoi.parquet")
    (row,) = open_source(str(tmp_path)).files[0].read()
    assert row.output == PNG


def test_a_key_that_comes_twice_in_a_json_object_is_refused(tmp_path: Path) -> None:
    text = '{"input_images": ["a"], "output_image": "o", "instruction": "x", "instruction": "y"}'
    for name, content in (("hoi.jsonl", f"\n{text}\n"), ("hoi.json", f"[\n{text}]")):
        (tmp_path / name).write_text(content)
        with pytest.raises(BrokenFile, match=f"{name}, line 2: .*instruction appears twice"):
            open_source(str(tmp_path / name))


@pytest.mark.parametrize("key", ["id", "task", "instruction"])
def test_a_value_of_no_use_in_json_is_refused_as_well(tmp_path: Path, key: str) -> None:
    row = {"input_images": ["a"], "output_image": "o", "instruction": "x", key: {"a": 1}}
    with pytest.raises(SourceError, match=rf"{key}.* has n"):
        make_plan(open_source(str(write_json(tmp_path / "hoi.json", [row]))))


def test_the_columns_of_a_wide_file_are_not_all_printed() -> None:
    columns = {f"column_{n}": Kind.IMAGE for n in range(5000)}
    with pytest.raises(UnknownShape) as error:
        find_shape("f", columns, {})
    assert len(str(error.value)) < 10_000
    assert "more" in str(error.value)
