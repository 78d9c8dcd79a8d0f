"""The release is read in every layout that it may have, forwards, and never wrong."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.core.errors import (
    BrokenFile,
    PathOutsideSource,
    SourceError,
    UnknownShape,
    UnknownTask,
    UsageError,
)
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Missing, RawSample, SkippedRow
from mico_150k.core.task import Task, parse_task_map
from mico_150k.sources import ReadOptions, open_source
from mico_150k.sources.shape import parse_map
from mico_150k.sources.validate import RowValidator

from ..factories import (
    CELLS,
    Case,
    cases,
    encode,
    picture,
    release_table,
    unique_png,
    write_release,
)
from ..web import serve


def rows_of(location: Path, reading: ReadOptions | None = None) -> list[RawSample]:
    return [row for file in open_source(str(location), reading).files for row in file.read()]


def seen(row: RawSample) -> Case:
    images = [bytes(image) for image in (*row.inputs, row.output) if not isinstance(image, Missing)]
    assert row.instruction is not None
    return Case(row.task.value, int(row.source_id), row.instruction, tuple(images[:-1]), images[-1])


def by_id(samples: list[Case]) -> list[Case]:
    return sorted(samples, key=lambda sample: (sample.task, sample.id))


@pytest.mark.parametrize("inputs", ["list", "columns"])
@pytest.mark.parametrize("cells", CELLS)
def test_every_layout_gives_the_same_rows(tmp_path: Path, cells: str, inputs: str) -> None:
    samples = cases(5)
    write_release(tmp_path / "r", samples, cells=cells, inputs=inputs, rows_per_file=3)
    found = [seen(row) for row in rows_of(tmp_path / "r")]
    assert by_id(found) == by_id(samples)


@pytest.mark.parametrize(
    "writer",
    [
        {"row_group_size": 2},
        {"use_dictionary": False, "compression": "none"},
        {"compression": "zstd", "data_page_version": "2.0"},
    ],
)
def test_every_writing_gives_the_same_rows(tmp_path: Path, writer: dict[str, object]) -> None:
    samples = cases(5)
    write_release(tmp_path / "r", samples, **writer)
    assert by_id([seen(row) for row in rows_of(tmp_path / "r")]) == by_id(samples)


def test_files_of_one_source_may_differ_in_shape(tmp_path: Path) -> None:
    samples = cases(4)
    half = len(samples) // 2
    write_release(tmp_path / "r", samples[:half], cells="struct", inputs="list")
    write_release(tmp_path / "r", samples[half:], cells="binary", inputs="columns")
    assert by_id([seen(row) for row in rows_of(tmp_path / "r")]) == by_id(samples)


@pytest.mark.parametrize("row_group_size", [1, 2, 100])
def test_reading_may_start_at_any_row(tmp_path: Path, row_group_size: int) -> None:
    write_release(tmp_path / "r", cases(5), row_group_size=row_group_size)
    for file in open_source(str(tmp_path / "r")).files:
        whole = list(file.read())
        for start in range(len(whole) + 1):
            rest = list(file.read(start))
            assert [row.origin for row in rest] == [row.origin for row in whole[start:]]


def test_identities_are_those_of_the_rows(release: Path) -> None:
    for file in open_source(str(release)).files:
        expected = [(row.task, row.source_id) for row in file.read()]
        assert list(file.identities()) == expected
        assert file.rows == len(expected)


def test_without_an_id_column_the_rows_place_is_the_id(tmp_path: Path) -> None:
    samples = [sample for sample in cases(3) if sample.task == "hoi"]
    folder = tmp_path / "r" / "hoi"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        table = release_table(samples, folder).drop_columns(["idx"])
        pq.write_table(table, folder / f"{name}.parquet")
    ids = [row.source_id for row in rows_of(tmp_path / "r")]
    assert ids == [f"hoi/{name}-{row}" for name in "ab" for row in range(3)]


def test_whole_floats_are_ids_and_a_null_among_them_is_named(tmp_path: Path) -> None:
    rows = [case for case in cases(2) if case.task == "hoi"]
    for ids in ([5.0, 6.0], [5.0, None]):
        table = release_table(rows, tmp_path).set_column(0, "idx", pa.array(ids, pa.float64()))
        pq.write_table(table, tmp_path / "hoi.parquet")
        if ids[1]:
            assert [row.source_id for row in rows_of(tmp_path)] == ["5", "6"]
    with pytest.raises(BrokenFile, match=r"row 1: its id .*null.\n.*--map id=@row"):
        rows_of(tmp_path)


def test_numbered_columns_end_with_a_rows_last_image_and_a_gap_is_a_null(tmp_path: Path) -> None:
    table = pa.table({
        "input_image_1": [b"a", b"a"], "input_image_2": pa.array([None, None], pa.binary()),
        "input_image_3": [b"c", None], "output_image": [b"o", None], "instruction": ["x", None],
    })  # fmt: skip
    (tmp_path / "hoi").mkdir()
    pq.write_table(table, tmp_path / "hoi" / "x.parquet")
    first, second = rows_of(tmp_path)
    assert first.inputs == (b"a", Missing(Reason.NULL_IMAGE), b"c")
    assert second.inputs == (b"a",)
    assert second.output == Missing(Reason.NO_OUTPUT)
    assert second.instruction is None


@pytest.mark.parametrize("column", ["instruction", "instruction_list"])
def test_bagels_own_format(tmp_path: Path, column: str) -> None:
    words = ["put it there", "and that here"]
    table = pa.table({
        "image_list": pa.array([[b"a", b"b", b"out"], [b"only"]]),
        column: words if column == "instruction" else [[[words[0], "other words"]], [[words[1]]]],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "hoi.parquet")
    first, second = rows_of(tmp_path)
    assert (first.inputs, first.output) == ((b"a", b"b"), b"out")
    assert (second.inputs, second.output) == ((), b"only")
    assert [first.instruction, second.instruction] == words


def test_a_chain_of_edits_is_no_composition(tmp_path: Path) -> None:
    table = pa.table({"image_list": [[b"a", b"b", b"c"]], "instruction_list": [[["x"], ["y"]]]})
    pq.write_table(table, tmp_path / "hoi.parquet")
    with pytest.raises(BrokenFile, match="row 0: 2 turns"):
        rows_of(tmp_path)


def test_a_row_may_name_its_own_task_and_sub_task(tmp_path: Path) -> None:
    table = pa.table({
        "input_images": [[b"a"], [b"a"]], "output_image": [b"o", b"o"], "instruction": ["x", "y"],
        "task": ["HOI", "words"], "editing_type": ["1 Human + 1 Object", None],
    })  # fmt: skip
    (tmp_path / "object").mkdir()
    pq.write_table(table, tmp_path / "object" / "x.parquet")
    assert [row.task for row in rows_of(tmp_path)] == [Task.HOI, Task.OBJECT_CENTRIC]
    assert [row.subtask for row in rows_of(tmp_path)] == ["1 Human + 1 Object", ""]
    ruled = ReadOptions(tasks=parse_task_map(["object=de_re"]))
    assert {row.task for row in rows_of(tmp_path, ruled)} == {Task.DE_RE}


def test_map_names_columns_that_are_not_found(tmp_path: Path) -> None:
    table = pa.table({"one": [b"a"], "two": [b"b"], "res": [b"o"], "say": ["x"], "n": [7]})
    pq.write_table(table, tmp_path / "hoi.parquet")
    with pytest.raises(UnknownShape, match="--map inputs=one,two output=res instruction=say id=n"):
        open_source(str(tmp_path))
    said = ReadOptions(columns=parse_map(["inputs=two,one output=res instruction=say id=n"]))
    (row,) = rows_of(tmp_path, said)
    assert (row.inputs, row.output, row.source_id) == ((b"b", b"a"), b"o", "7")


def test_what_is_said_of_no_file_is_refused(release: Path) -> None:
    for said, message in (
        ({"columns": parse_map(["id=nr"])}, "--map id=nr: no file of .* has this column"),
        ({"columns": parse_map(["output=@row"])}, "--map output=@row: no file"),
        (
            {"tasks": parse_task_map(["Peple=hoi"])},
            "--task-map Peple=hoi: nothing in .* has this name",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            open_source(str(release), ReadOptions(**said))
    open_source(str(release), ReadOptions(columns=parse_map(["id=ed_idx"])))  # of one file in four


def test_a_file_without_a_task_says_which_option_gives_it_one(tmp_path: Path) -> None:
    (tmp_path / "src" / "stuff").mkdir(parents=True)
    table = release_table(cases(1)[:1], tmp_path)
    pq.write_table(table, tmp_path / "src" / "stuff" / "x.parquet")
    with pytest.raises(UnknownTask, match="--task-map 'stuff=object_centric'"):
        open_source(str(tmp_path / "src"))
    said = ReadOptions(tasks=parse_task_map(["stuff=unknown"]))
    assert rows_of(tmp_path / "src", said)[0].task is Task.UNKNOWN


def damage_not_parquet(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>" * 10)


def damage_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_not_parquet, damage_truncated, damage_empty])
def test_a_broken_file_is_named_and_can_be_excluded(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    samples = cases(2)
    write_release(tmp_path / "r", samples)
    broken = next((tmp_path / "r").glob("*/*.parquet"))
    damage(broken)
    name = broken.relative_to(tmp_path / "r").as_posix()
    with pytest.raises(BrokenFile) as error:
        open_source(str(tmp_path / "r"))
    assert name in str(error.value)
    assert f"--exclude {shlex.quote(name)}" in str(error.value)
    rest = rows_of(tmp_path / "r", ReadOptions(exclude=(name,)))
    assert len(rest) == len(samples) - 2


def test_damage_within_a_row_group_is_named(tmp_path: Path) -> None:
    write_release(tmp_path / "r", cases(2))
    path = next((tmp_path / "r").glob("*/*.parquet"))
    data = bytearray(path.read_bytes())
    data[100:20_000] = bytes(19_900)
    path.write_bytes(data)
    with pytest.raises(BrokenFile, match="row group 0 cannot be read"):
        rows_of(tmp_path / "r")


def test_a_server_that_sends_whole_files_alone_is_a_plain_error(release: Path) -> None:
    with serve(release, ranges=False) as web:
        for ending in ("HumanObjectInteraction/part-0.parquet", "none.parquet"):
            with pytest.raises(SourceError, match="Download it|no such file"):
                open_source(f"{web.address}/{ending}")


def test_damage_under_the_ids_is_named(tmp_path: Path) -> None:
    write_release(tmp_path / "r", cases(2))
    path = next((tmp_path / "r").glob("*/*.parquet"))
    data = bytearray(path.read_bytes())
    data[4:40] = b"\xff" * 36
    path.write_bytes(data)
    name = path.relative_to(tmp_path / "r").as_posix()
    file = next(file for file in open_source(str(tmp_path / "r")).files if file.name == name)
    with pytest.raises(BrokenFile, match=f"{name}: column (ed_)?idx cannot be read"):
        list(file.identities())


def texts(*values: bytes) -> pa.Array:
    """Texts that need not be any: what a damaged or careless writer leaves."""
    return pa.array(values, pa.binary()).view(pa.string())


def test_a_text_that_is_no_utf8_costs_its_row_alone(tmp_path: Path) -> None:
    samples = cases(1)[:1] * 2
    table = release_table(samples, tmp_path).set_column(
        1, "instruction", texts(b"caf\xe9", b"good")
    )
    (tmp_path / "hoi").mkdir()
    pq.write_table(table, tmp_path / "hoi" / "x.parquet")
    bad, good = rows_of(tmp_path / "hoi", ReadOptions(columns={"id": "@row"}))
    assert good.instruction == "good"
    left_out = RowValidator().examine_row(bad)
    assert isinstance(left_out, SkippedRow)
    assert left_out.reason is Reason.BAD_TEXT


def test_an_id_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    table = release_table(cases(1)[:1], tmp_path).set_column(0, "id", texts(b"\xff"))
    (tmp_path / "hoi").mkdir()
    pq.write_table(table, tmp_path / "hoi" / "x.parquet")
    with pytest.raises(BrokenFile, match=r"row 0: its id \(column id\) is not valid Unicode"):
        list(open_source(str(tmp_path / "hoi")).files[0].identities())


def test_image_paths_stay_within_the_source(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "src").mkdir()
    table = pa.table({
        "input_images": [["../secret.png"]], "output_image": ["gone.png"], "instruction": ["x"],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "src" / "hoi.parquet")
    with pytest.raises(PathOutsideSource, match="--allow-outside"):
        open_source(str(tmp_path / "src"))
    (row,) = rows_of(tmp_path / "src", ReadOptions(allow_outside=True))
    assert row.inputs == (b"secret",)
    assert row.output == Missing(
        Reason.FILE_MISSING, "gone.png: no such file in the source's own folder"
    )


def test_the_estimate_of_bytes_counts_repeated_images_as_often_as_they_come(tmp_path: Path) -> None:
    samples = cases(40)
    write_release(tmp_path / "r", samples)
    source = open_source(str(tmp_path / "r"))
    true = sum(len(image) for sample in samples for image in (*sample.inputs, sample.output))
    packed = sum(path.stat().st_size for path in (tmp_path / "r").rglob("*.parquet"))
    assert packed < 0.8 * true
    assert sum(file.image_bytes for file in source.files) == pytest.approx(true, rel=0.25)


def test_one_batch_at_a_time_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mico_150k.sources.parquet.BATCH_BYTES", 1)
    samples = cases(40)
    small_pages = {"use_dictionary": False, "write_batch_size": 1, "data_page_size": 1}
    write_release(tmp_path / "r", samples, **small_pages)
    before = pa.total_allocated_bytes()
    largest = 0
    for file in open_source(str(tmp_path / "r")).files:
        for row in file.read():
            largest = max(largest, pa.total_allocated_bytes() - before)
            del row
    total = sum(len(image) for sample in samples for image in (*sample.inputs, sample.output))
    assert largest < total / 3  # of pyarrow 21, which holds most


def test_images_beyond_2_gib_in_one_nested_column_of_a_row_group_are_read_row_by_row(
    tmp_path: Path,
) -> None:
    # As the release has them. pyarrow's `read_row_group` raises ArrowNotImplementedError here, when
    # it has taken 4.3 GB; the file has 1 MB, since its one picture is in the dictionary.
    image = unique_png(encode(picture()), "x" * (1 << 20))
    case = Case("hoi", 0, "put it there", (image,), encode(picture(1)))
    rows, path = 2_200, tmp_path / "hoi.parquet"
    table = pa.concat_tables([release_table([case], tmp_path).drop_columns(["idx"])] * rows)
    pq.write_table(table, path, row_group_size=rows, dictionary_pagesize_limit=8 << 20)
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    assert table["input_images"].nbytes > 2 << 30
    del table
    (file,) = open_source(str(path)).files
    before = pa.total_allocated_bytes()
    read = largest = 0
    for row in file.read():
        read += [bytes(cell) for cell in row.inputs] == [image]
        largest = max(largest, pa.total_allocated_bytes() - before)
    assert read == rows
    assert largest < 100 << 20
