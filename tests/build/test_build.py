"""A build: every row once, the same bytes each time, and no interruption that loses anything."""

import errno
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from mico_150k.builders import BUILDERS

from mico_150k.build.build import Build, BuildOptions, BuildResult
from mico_150k.build.finalize import finish
from mico_150k.build.partition import Partition
from mico_150k.build.processes import Processes
from mico_150k.card.file import License
from mico_150k.core.columns import Columns
from mico_150k.core.errors import (
    BrokenFile,
    CountMismatch,
    DiskTooSmall,
    OutputRefused,
    SourceLost,
    TooManySkipped,
    UnknownConfig,
)
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, read_rows
from mico_150k.dataset.row_group import MAX_ROWS
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.parquet import PAGE_BYTES, image_writer
from mico_150k.io.temporary import partial, process_mark
from mico_150k.sources import DEMO, ReadOptions, open_source
from mico_150k.sources.pages import read_page_headers

from ..factories import (
    Case,
    cases,
    encode,
    manifest_rows,
    picture,
    sample_of,
    write_json,
    write_release,
)
from ..folders import contents
from ..killing import interrupt_after, start_and_kill

LARGEST_DEMO_ROW = 150_000
SMALL = BuildOptions(shard_bytes=300_000)


def build(source: Path, out: Path, options: BuildOptions = SMALL, **how: object) -> BuildResult:
    prepared = Build.prepare(open_source(str(source)), out, options)
    return prepared.run(**how)  # type: ignore[arg-type]


def rows(folder: Path, config: str) -> list[dict[str, object]]:
    return [row for path in DatasetFolder(folder).files(config) for row in read_rows(path)]


def quarantined(folder: Path) -> list[dict[str, object]]:
    path = folder / layout.QUARANTINE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_configuration_has_every_row_with_the_sources_own_bytes(
    dataset: Path, samples: list[Case]
) -> None:
    expected = {f"{case.task}/{case.id}": case for case in samples}
    default = rows(dataset, "default")
    ids = [str(row["id"]) for row in default]
    assert sorted(ids) == sorted(expected)
    for name, builder in BUILDERS.items():
        found = [
            sample_of(builder, row, source_id=case_id.split("/")[1])
            for row, case_id in zip(rows(dataset, name), ids, strict=True)
        ]
        for sample, case_id in zip(found, ids, strict=True):
            case = expected[case_id]
            assert sample.instruction == case.instruction
            assert [image.data for image in sample.inputs] == list(case.inputs)
            assert sample.output.data == case.output


def test_two_builds_of_one_source_have_the_same_bytes(release: Path, tmp_path: Path) -> None:
    build(release, tmp_path / "one")
    build(release, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_copy_of_the_source_gives_the_same_bytes(samples: list[Case], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_release(tmp_path / name / "release", samples)
        build(tmp_path / name / "release", tmp_path / name / "out")
    assert contents(tmp_path / "one" / "out") == contents(tmp_path / "two" / "out")


def test_files_have_the_layout_of_the_design(dataset: Path) -> None:
    cuts = []
    for config in BUILDERS:
        (path,) = DatasetFolder(dataset).files(config)
        assert path.name == "train-00000.parquet"
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        cuts.append([group.num_rows for group in groups])
        assert max(cuts[-1]) <= MAX_ROWS
        with path.open("rb") as file:
            for group in groups:
                for place in range(group.num_columns):
                    column = group.column(place)
                    assert column.compression == "UNCOMPRESSED"
                    assert not column.has_dictionary_page
                    assert column.has_column_index or column.has_offset_index
                    start = column.data_page_offset
                    end = start + column.total_compressed_size
                    for page in read_page_headers(file, start, end):
                        # An image that reaches 64 KiB ends its page; smaller ones share one.
                        assert page.uncompressed <= PAGE_BYTES + LARGEST_DEMO_ROW
    assert all(cut == cuts[0] for cut in cuts)


def test_index_has_every_rows_place(release: Path, tmp_path: Path) -> None:
    build(release, tmp_path / "out")
    index = rows(tmp_path / "out", "index")
    files = DatasetFolder(tmp_path / "out").files("default")
    assert len(files) > 1
    for number, path in enumerate(files):
        ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
        of_shard = [row for row in index if row["shard"] == number]
        assert [row["id"] for row in of_shard] == ids
        assert [row["row"] for row in of_shard] == list(range(len(ids)))


def test_the_sample_is_rows_of_default_of_all_tasks(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.build.plan.SAMPLE_ROWS", 8)
    build(release, tmp_path / "out")
    default = {row["id"]: row for row in rows(tmp_path / "out", "default")}
    sample = rows(tmp_path / "out", "sample")
    assert Counter(row["task"] for row in sample) == dict.fromkeys(
        ["object_centric", "human_centric", "hoi", "de_re"], 2
    )
    assert all(row == default[row["id"]] for row in sample)


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    """A release in which each fault of a row occurs, and one image that is normalised."""
    rows = [replace(case, id=number) for number, case in enumerate(cases(30)) if case.task == "hoi"]
    good = rows[0].output
    turned = encode(picture(3, mode="RGBA"))
    rows[1] = replace(rows[1], instruction="  ")
    rows[2] = replace(rows[2], inputs=())
    rows[3] = replace(rows[3], output=good[:-20])
    rows[4] = replace(rows[4], inputs=(good, b""))
    rows[5] = replace(rows[5], inputs=(turned, b"no image"))
    rows[6] = replace(rows[6], inputs=(turned, good))
    rows[7] = replace(rows[6], id=rows[7].id)
    return write_release(tmp_path / "flawed", rows)


def test_rows_read_are_rows_written_plus_rows_left_out_each_with_its_reason(
    flawed: Path, tmp_path: Path
) -> None:
    result = build(flawed, tmp_path / "out", tolerance=0.5)
    report = result.report
    assert (report.rows_read, report.rows) == (30, 25)
    assert report.skipped == {
        "hoi": {
            "empty": 1, "no-inputs": 1, "no-instruction": 1, "truncated": 1, "unknown-format": 1,
        }
    }  # fmt: skip
    assert "| an image that ends too early | hoi | 1 |" in (tmp_path / "out/README.md").read_text()
    assert [row["row"] for row in quarantined(tmp_path / "out")] == [1, 2, 3, 4, 5]
    assert [row["image"] for row in quarantined(tmp_path / "out")] == [None, None, "output", 2, 2]
    assert report.images["hoi"].re_encoded == {"alpha": 2}
    assert report.images["hoi"].changed == 2
    read = sum(len(row.inputs) + 1 for row in open_source(str(flawed)).files[0].read())
    counts = report.images["hoi"]
    assert counts.passed + counts.changed + counts.skipped == read
    assert report.duplicates["identical_rows"] == 1
    for config in BUILDERS:
        assert len(rows(tmp_path / "out", config)) == 25
    assert json.loads((tmp_path / "out" / layout.REPORT).read_text()) == report.to_dict()


def test_a_build_that_loses_too_much_stops_names_the_reason_and_can_go_on(
    flawed: Path, tmp_path: Path
) -> None:
    with pytest.raises(TooManySkipped) as error:
        build(flawed, tmp_path / "out", tolerance=0.1)
    assert "4 of" in str(error.value)
    assert "HumanObjectInteraction/part-0.parquet, row 1: no-instruction" in str(error.value)
    assert "--tolerance" in str(error.value)
    assert build(flawed, tmp_path / "out", tolerance=0.2).report.rows == 25


def test_the_tolerance_is_a_share_of_the_whole_source(flawed: Path, tmp_path: Path) -> None:
    build(flawed, tmp_path / "out", tolerance=5 / 30)
    with pytest.raises(TooManySkipped):
        build(flawed, tmp_path / "again", tolerance=4.9 / 30)


def test_a_shard_of_which_nothing_is_left_is_there_and_empty(tmp_path: Path) -> None:
    bad = [replace(case, output=b"no image") for case in cases(2) if case.task == "hoi"]
    good = [case for case in cases(2) if case.task == "de_re"]
    write_release(tmp_path / "r", [*bad, *good])
    build(tmp_path / "r", tmp_path / "out", BuildOptions(shard_bytes=1000), tolerance=1)
    files = DatasetFolder(tmp_path / "out").files("bagel")
    counts = [pq.read_metadata(path).num_rows for path in files]
    assert sorted(counts) == [0, 0, 1, 1]


def test_counts_that_do_not_add_up_are_an_error_and_no_dataset(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_one(workspace, plan, identity, records, **how):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN003, ANN202
        return finish(workspace, plan, identity, [replace(records[0], rows=0), *records[1:]], **how)

    monkeypatch.setattr("mico_150k.build.build.finish", lose_one)
    with pytest.raises(CountMismatch, match="24 rows"):
        build(release, tmp_path / "out")
    assert not (tmp_path / "out" / layout.MANIFEST).exists()


def test_only_what_is_asked_for_is_written_besides_the_index(release: Path, tmp_path: Path) -> None:
    build(release, tmp_path / "out", BuildOptions(configs=("omnigen2", "bagel")))
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == {"bagel", "omnigen2", "index"}


def test_an_unknown_configuration_is_refused() -> None:
    with pytest.raises(UnknownConfig):
        BuildOptions(configs=("bagel", "flux"))


def test_a_finished_build_is_not_done_again(release: Path, tmp_path: Path) -> None:
    first = build(release, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    again = build(release, tmp_path / "out")
    assert again.report == first.report
    assert again.resumed == first.shards
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_a_folder_of_somebody_else_is_refused_and_left_alone(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "bagel").mkdir(parents=True)
    (out / "thesis.tex").write_text("mine")
    (out / "bagel" / "recipe.txt").write_text("mine too")
    with pytest.raises(OutputRefused, match="not a folder that `mico build` has begun"):
        build(release, out)
    assert sorted(contents(out)) == ["bagel/recipe.txt", "thesis.tex"]
    (out / layout.CARD).write_text("my thesis")
    (out / layout.MANIFEST).write_text('{"format": "of my own"}')
    with pytest.raises(OutputRefused, match="not a folder that `mico build` has begun"):
        build(release, out, overwrite=True)
    assert (out / layout.CARD).read_text() == "my thesis"


def test_overwriting_leaves_what_no_build_has_written(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(release, out)
    (out / "thesis.tex").write_text("mine")
    (out / "bagel" / "recipe.txt").write_text("mine too")
    build(release, out, replace(SMALL, seed=5), overwrite=True)
    assert (out / "thesis.tex").read_text() == "mine"
    assert (out / "bagel" / "recipe.txt").read_text() == "mine too"


@pytest.mark.parametrize("removed", [0, 1, 5, 12])
def test_overwriting_that_is_stopped_half_way_is_no_finished_build_and_can_be_done_again(
    release: Path, tmp_path: Path, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build(release, out)
    before = contents(out)
    unlink = Path.unlink

    def stop(path: Path, missing_ok: bool = False) -> None:
        if path.exists() and len(before.keys() - contents(out)) == removed:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as stopping:
        stopping.setattr(Path, "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            build(release, out, overwrite=True)
    assert len(before.keys() - contents(out)) == removed
    with pytest.raises(OutputRefused, match="--overwrite it again"):
        build(release, out)
    build(release, out, overwrite=True)
    assert contents(out) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_build_never_writes_over_its_source_or_around_it(
    samples: list[Case], tmp_path: Path, overwrite: bool
) -> None:
    source = write_release(tmp_path / "data" / "r", samples)
    build(source, source / "default")  # within it is fine, whatever it is called
    (tmp_path / "link").symlink_to(source)
    before = contents(tmp_path)
    for out, what in (
        (source, "is the source itself"),
        (tmp_path / "link", "is the source itself"),
        (source / "default" / "..", "is the source itself"),
        (tmp_path / "data", "contains the source"),
    ):
        with pytest.raises(OutputRefused, match=what):
            build(source, out, overwrite=overwrite)
    file = next(source.glob("*/*.parquet"))
    with pytest.raises(OutputRefused, match="is the source itself"):
        build(file, file.parent, overwrite=overwrite)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["x:y", "~", "a b"])
def test_a_folder_may_have_any_name(
    release: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    build(release, Path(name))
    assert len(contents(tmp_path / name)) == len(contents(tmp_path))


def test_a_build_in_the_folder_from_another_kind_of_source_is_named(
    release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    Build.prepare(open_source(DEMO), out, SMALL).run()
    said = (
        "holds another build: the built-in demo; what differs is the source "
        r"\(the built-in demo there, a release of Parquet files now\)\.\n"
    )
    with pytest.raises(OutputRefused, match=said):
        build(release, out)
    build(release, tmp_path / "other")
    with pytest.raises(OutputRefused, match="release of Parquet files; what differs is the source"):
        Build.prepare(open_source(DEMO), tmp_path / "other", SMALL).run()


def test_overwriting_a_refined_folder_leaves_none_of_its_shards(
    release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    build(release, out)
    for name in ("bench/test-00000.parquet", "bagel/validation-00000.parquet"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(b"of a benchmark, or a validation split")
    build(release, out, replace(SMALL, seed=5), overwrite=True)
    assert not {path.name for path in out.rglob("*.parquet")} & {
        "test-00000.parquet",
        "validation-00000.parquet",
    }


@pytest.mark.parametrize("finished", [False, True], ids=["begun", "finished"])
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("option", r"--seed \(0 there, 5 now\)"),
        ("shards", r"--shard-mb \(1 there, 2 now\)"),
        ("configurations", r"--config \(bagel blip3o.* there, bagel now\)"),
        ("package", r"pyarrow \(.* there, 99 now\)"),
        ("columns", "the columns that are read: --map"),
        ("changed file", "part-0.parquet of the source has been rewritten"),
        ("touched file", "part-0.parquet of the source has been rewritten"),
        ("new file", "HumanObjectInteraction/new.parquet is new in the source"),
        ("file gone", "HumanObjectInteraction/part-0.parquet is no longer in the source"),
    ],
)
def test_another_build_in_the_folder_is_refused_with_what_differs(
    samples: list[Case],
    tmp_path: Path,
    change: str,
    word: str,
    finished: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, out = tmp_path / "r", tmp_path / "out"
    write_release(source, samples)
    options, reading = replace(SMALL, shard_bytes=1 << 20), ReadOptions()
    if finished:
        build(source, out, options)
    else:
        interrupt_after(monkeypatch, 0)
        with pytest.raises(KeyboardInterrupt):
            build(source, out, options)
        monkeypatch.undo()
    changed = source / "HumanObjectInteraction" / "part-0.parquet"
    time.sleep(0.01)
    match change:
        case "option":
            options = replace(options, seed=5)
        case "shards":
            options = replace(options, shard_bytes=2 << 20)
        case "configurations":
            options = replace(options, configs=("bagel",))
        case "package":
            monkeypatch.setattr("mico_150k.build.build.version", lambda _: "99")
        case "columns":
            reading = ReadOptions(columns={"id": "@row"})
        case "changed file":
            write_release(source, [case for case in samples if case.id])
        case "touched file":
            changed.touch()
        case "new file":
            shutil.copy(changed, changed.with_name("new.parquet"))
            reading = ReadOptions(columns={"id": "@row"})
        case "file gone":
            changed.unlink()
    planned = Build.prepare(open_source(str(source), reading), out, options)
    with pytest.raises(OutputRefused, match=rf"what differs is .*{word}(.|\n)*--overwrite it"):
        planned.run()
    planned.run(overwrite=True)


def test_a_stopped_build_leaves_no_thread_behind(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.active_count()
    interrupt_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt) as stopped:
        build(release, tmp_path / "out")
    assert threading.active_count() == before, stopped


@pytest.mark.parametrize("shards", [0, 1, 3])
def test_an_interrupted_build_goes_on_and_ends_with_the_same_bytes(
    release: Path, tmp_path: Path, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(release, tmp_path / "whole")
    interrupt_after(monkeypatch, shards)
    with pytest.raises(KeyboardInterrupt):
        build(release, tmp_path / "out")
    monkeypatch.undo()
    assert not (tmp_path / "out" / layout.MANIFEST).exists()
    assert len(DatasetFolder(tmp_path / "out").files("dimoo")) == shards
    assert not list((tmp_path / "out").rglob("*.partial"))
    result = build(release, tmp_path / "out")
    assert result.resumed == shards
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_shard_whose_file_is_gone_is_built_again(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(release, tmp_path / "whole")
    interrupt_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        build(release, tmp_path / "out")
    monkeypatch.undo()
    DatasetFolder(tmp_path / "out").files("dimoo")[0].unlink()
    assert build(release, tmp_path / "out").resumed == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["file", "index", "sample", "record"])
@pytest.mark.parametrize("how", ["gone", "cut off", "changed"])
def test_a_damaged_shard_is_built_again(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, how: str
) -> None:
    build(release, tmp_path / "whole")
    interrupt_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        build(release, tmp_path / "out")
    monkeypatch.undo()
    work = tmp_path / "out" / layout.WORK
    folders = {"file": tmp_path / "out" / "dimoo", "record": work / "records"}
    path = min(folders.get(damage, work / damage).iterdir())
    data = bytearray(path.read_bytes())
    data[0 if damage == "record" else len(data) // 2] ^= 1  # of a record, the first brace
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(data if how == "changed" else data[:-1])
    # A size is enough to see that a file is cut off.
    assert build(release, tmp_path / "out", recheck=how == "changed").resumed == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_part_that_only_its_hash_tells_is_an_error_with_the_way_out(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        build(release, tmp_path / "out")
    monkeypatch.undo()
    path = min((tmp_path / "out" / layout.WORK / "index").iterdir())
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(BrokenFile, match="part of index is damaged.*\n.*--recheck"):
        build(release, tmp_path / "out")
    build(release, tmp_path / "out", recheck=True)


def test_a_second_build_in_the_folder_meanwhile_is_told_so_and_spoils_nothing(
    release: Path, tmp_path: Path
) -> None:
    build(release, tmp_path / "whole")
    out = tmp_path / "out"
    refused = []

    def begin_another(_: Progress) -> None:
        for how in ({}, {"overwrite": True}):
            with pytest.raises(OutputRefused, match="`mico build`, process .* is writing to it"):
                build(release, out, **how)
            refused.append(how)

    build(release, out, on_progress=begin_another)
    assert refused
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("how", ["run", "run_partition", "complete"])
def test_a_build_that_another_run_finishes_as_it_begins_ends_as_a_finished_one(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    build(release, tmp_path / "whole")
    out = tmp_path / "out"
    prepared = Build.prepare(open_source(str(release)), out, SMALL, license=License("mit"))
    held = Workspace.held
    if how == "complete":
        prepared.run_partition(Partition(1, 1))

    def late(workspace: Workspace, **options: bool) -> AbstractContextManager[None]:
        monkeypatch.undo()
        build(release, out)
        return held(workspace, **options)

    monkeypatch.setattr(Workspace, "held", late)
    calls = {"run": prepared.run, "run_partition": lambda: prepared.run_partition(Partition(1, 1)),
             "complete": prepared.complete}  # fmt: skip
    assert calls[how]().resumed == prepared.plan.shards
    assert "license: mit" in (out / layout.CARD).read_text()
    card = {layout.CARD: ""}  # only one of them states a license
    assert {**contents(out), **card} == {**contents(tmp_path / "whole"), **card}
    assert not (out / layout.WORK).exists()


def test_a_file_system_without_locks_is_built_on_all_the_same(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("mico_150k.io.locks.fcntl.flock", without)
    assert build(release, tmp_path / "out").report.rows == 24


def test_killed_before_anything_was_written_down_a_build_starts(
    release: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / layout.WORK).mkdir(parents=True)
    (tmp_path / "out" / layout.WORK / "build.json.partial").write_text('{"ident')
    assert build(release, tmp_path / "out").report.rows == 24


KILLED = """
import sys
from pathlib import Path
from mico_150k.build.build import Build, BuildOptions
from mico_150k.sources import open_source
print("ready", flush=True)
Build.prepare(open_source(sys.argv[1]), Path(sys.argv[2]), BuildOptions(shard_bytes=20_000)).run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.02, 0.08, 0.15, 0.3])
def test_killed_at_any_moment_a_build_goes_on(release: Path, tmp_path: Path, delay: float) -> None:
    options = BuildOptions(shard_bytes=20_000)
    build(release, tmp_path / "whole", options)
    start_and_kill(KILLED, release, tmp_path / "out", after=delay)
    build(release, tmp_path / "out", options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def free_bytes(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Let every disk have so many."""
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("mico_150k.io.machine.shutil.disk_usage", lambda _: usage)


def test_a_disk_that_is_too_small_is_refused_and_the_way_out_that_is_told_works(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecast = Build.prepare(open_source(str(release)), tmp_path / "out", SMALL).forecast
    free_bytes(monkeypatch, forecast.output // 2)
    with pytest.raises(DiskTooSmall, match="--config bagel"):
        build(release, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    build(release, tmp_path / "out", replace(SMALL, configs=("bagel",)))


def test_a_disk_that_does_not_tell_what_it_has_stops_no_build(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: Path) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("mico_150k.io.machine.shutil.disk_usage", silent)
    assert build(release, tmp_path / "out", replace(SMALL, configs=("bagel",))).report.rows


def test_parts_that_lie_beside_the_shards_until_the_end_are_counted(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecast = Build.prepare(open_source(str(release)), tmp_path / "out", SMALL).forecast
    assert forecast.small > forecast.images  # all rows are in the sample
    free_bytes(monkeypatch, forecast.output + forecast.small - 1)
    with pytest.raises(DiskTooSmall):
        build(release, tmp_path / "out")
    free_bytes(monkeypatch, forecast.output + forecast.small)
    build(release, tmp_path / "out")


def test_what_an_overwritten_folder_gives_back_counts_and_one_too_small_keeps_it(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(release, tmp_path / "out")
    before = contents(tmp_path / "out")
    forecast = Build.prepare(open_source(str(release)), tmp_path / "out", SMALL).forecast
    taken = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    free_bytes(monkeypatch, forecast.output + forecast.small - taken - 1)
    with pytest.raises(DiskTooSmall):
        build(release, tmp_path / "out", overwrite=True)
    assert contents(tmp_path / "out") == before


def test_a_disk_that_fills_up_is_said_and_what_is_finished_is_kept(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(release, tmp_path / "whole")
    prepared = Build.prepare(open_source(str(release)), tmp_path / "out", SMALL)
    last = [shard.number for unit in prepared.plan.units for shard in unit.shards][-1]
    full = tmp_path / "out" / "omnigen2" / layout.shard_name(last)

    def on_a_full_disk(path: Path, columns: Columns) -> pq.ParquetWriter:
        # Every write to this device fails with "no space left".
        return image_writer(
            Path("/dev/full") if path == partial(full, process_mark()) else path, columns
        )

    monkeypatch.setattr("mico_150k.dataset.config_file.image_writer", on_a_full_disk)
    with pytest.raises(DiskTooSmall, match="the disk is full"):
        prepared.run()
    monkeypatch.undo()
    assert not list((tmp_path / "out").rglob("*.partial"))
    result = build(release, tmp_path / "out")
    assert result.resumed == result.shards - 1
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_disk_that_fills_up_under_the_index_leaves_nothing_half_written(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_full_disk(temporary: Path, *_: int) -> None:
        assert temporary.exists()
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("mico_150k.dataset.index._record", on_a_full_disk)
    with pytest.raises(DiskTooSmall, match="the disk is full"):
        build(release, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.partial"))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["release", "manifest"])
def test_a_source_file_that_goes_away_is_named_and_what_is_finished_is_kept(
    tmp_path: Path, kind: str, workers: int
) -> None:
    hoi = [case for case in cases(6) if case.task == "hoi"]
    source = tmp_path / "source"
    if kind == "release":
        write_release(source, hoi, rows_per_file=2)
    else:
        for number in range(3):
            path = source / "hoi" / f"part-{number}.json"
            write_json(path, manifest_rows(path.parent, hoi[number * 2 : number * 2 + 2]))
    options = BuildOptions(configs=("bagel",), shard_bytes=1000)
    build(source, tmp_path / "whole", options)
    prepared = Build.prepare(open_source(str(source)), tmp_path / "out", options)
    lost = next(source.rglob("part-1.*"))
    lost.rename(tmp_path / "elsewhere")
    executor = Processes(2) if workers > 1 else None
    with pytest.raises(SourceLost, match=r"part-1\..* can no longer be read: .*No such file"):
        prepared.run(executor=executor)
    (tmp_path / "elsewhere").rename(lost)
    build(source, tmp_path / "out", options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_manifests_and_releases_of_the_same_samples_give_the_same_rows(tmp_path: Path) -> None:
    hoi = [case for case in cases(5) if case.task == "hoi"]
    write_release(tmp_path / "r", hoi)
    write_json(tmp_path / "m" / "hoi.jsonl", manifest_rows(tmp_path / "m", hoi))
    build(tmp_path / "r", tmp_path / "out-r")
    build(tmp_path / "m", tmp_path / "out-m")
    assert rows(tmp_path / "out-r", "bagel") == rows(tmp_path / "out-m", "bagel")


def test_progress_ends_with_all_rows(release: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    build(release, tmp_path / "out", on_progress=seen.append)
    assert [done.rows for done in seen] == sorted(done.rows for done in seen)
    assert seen[-1].rows == seen[-1].total_rows == 24


def test_words_of_strangers_do_no_harm(tmp_path: Path) -> None:
    words = [
        "---\nconfigs: []\n---",
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}",
        "\u202e\0\ud7ff",
        "💥",
    ]
    hoi = [case for case in cases(5) if case.task == "hoi"]
    strange = [replace(case, instruction=word) for case, word in zip(hoi, words, strict=True)]
    write_release(tmp_path / "r", strange)
    build(tmp_path / "r", tmp_path / "out")
    assert [row["instruction"] for row in rows(tmp_path / "out", "bagel")] == words
    card = (tmp_path / "out" / layout.CARD).read_text()
    assert not any(word in card for word in words)


def descriptors() -> Iterator[str]:
    yield from (path.name for path in Path("/proc/self/fd").iterdir())


def test_no_file_is_left_open(release: Path, tmp_path: Path) -> None:
    before = len(list(descriptors()))
    build(release, tmp_path / "out")
    assert len(list(descriptors())) <= before + 1
