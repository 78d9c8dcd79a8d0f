"""A source that changes while it is read: refused by name, and no finished shard is of it."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.plan import make_plan
from mico_150k.build.processes import Processes
from mico_150k.build.worker import unit_rows
from mico_150k.core.errors import SourceChanged, SourceError
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.images.header import Verify
from mico_150k.inspection.source import inspect_images
from mico_150k.loaders.huggingface import Mico150k
from mico_150k.sources import open_source

from ..factories import Case, cases, manifest_rows, release_table, write_json, write_release
from ..folders import contents
from ..web import serve

OPTIONS = BuildOptions(configs=("default",), shard_bytes=60_000)


def hoi(count: int) -> list[Case]:
    return [case for case in cases(count) if case.task == "hoi"]


def only(folder: Path) -> Path:
    return next(folder.rglob("*.parquet"))


def keep_time(path: Path, change: Callable[[], object]) -> None:
    """Change a file as somebody does who hides it."""
    status = path.stat()
    change()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def renumbered(path: Path) -> bytes:
    """The same file with other ids: as many bytes, and the same footer."""
    table = pq.read_table(path)
    other = path.with_name("other")
    numbers = pa.array([row + 1000 for row in range(table.num_rows)], pa.int64())
    plain = {"use_dictionary": False, "write_statistics": False, "compression": "none"}
    pq.write_table(table, path, **plain)
    pq.write_table(table.set_column(0, table.column_names[0], numbers), other, **plain)
    data = other.read_bytes()
    other.unlink()
    return data


def replaced_by_rename(path: Path) -> None:
    other = path.with_name("new")
    shutil.copy(path, other)
    os.utime(other, ns=(0, path.stat().st_mtime_ns + 5))
    other.rename(path)


def written_in_place(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(1), path)


def made_longer(path: Path) -> None:
    keep_time(path, lambda: path.write_bytes(path.read_bytes() + b"\0"))


def touched(path: Path) -> None:
    os.utime(path, ns=(0, 1))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


CHANGES = [replaced_by_rename, written_in_place, made_longer, touched, emptied]


@pytest.mark.parametrize("change", CHANGES)
def test_a_parquet_file_that_is_another_one_than_was_planned_is_refused_by_name(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    source = open_source(str(write_release(tmp_path / "r", cases(4))))
    plan = make_plan(source)
    path = tmp_path / "r" / "Object_Centric" / "part-0.parquet"
    change(path)
    with pytest.raises(SourceChanged, match=r"Object_Centric/part-0\.parquet .*\n.*--overwrite"):
        list(unit_rows(source, plan, plan.units[0]))


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_first_row_shows_before_the_last_one(
    tmp_path: Path, change: Callable[[Path], None], threaded: bool
) -> None:
    source = open_source(str(write_release(tmp_path / "r", hoi(12), row_group_size=2)))
    plan = make_plan(source)
    read = []
    with closing(unit_rows(source, plan, plan.units[0], threaded=threaded)) as rows:
        read.append(next(rows))
        change(only(tmp_path / "r"))
        with pytest.raises(SourceError, match=r"part-0\.parquet"):  # emptied: lost or broken
            read.extend(rows)
    assert len(read) < plan.rows


def test_no_shard_is_finished_of_a_file_that_has_changed_meanwhile(tmp_path: Path) -> None:
    write_release(tmp_path / "r", hoi(24), row_group_size=4)
    path = only(tmp_path / "r")
    table, was, before = pq.read_table(path), path.read_bytes(), path.stat()
    Build.prepare(open_source(str(tmp_path / "r")), tmp_path / "whole", OPTIONS).run()
    build = Build.prepare(open_source(str(tmp_path / "r")), tmp_path / "out", OPTIONS)
    assert len(build.plan.units) == 1
    assert build.plan.shards > 3

    def rewrite(progress: Progress) -> None:
        if progress.rows > build.plan.rows // 2 and path.stat().st_mtime_ns == before.st_mtime_ns:
            pq.write_table(table.take(list(range(24))[::-1]), path, row_group_size=4)

    with pytest.raises(SourceChanged, match=r"part-0\.parquet"):
        build.run(on_progress=rewrite)
    finished = list((tmp_path / "out" / layout.DEFAULT).glob("train-*.parquet"))
    assert 0 < len(finished) < build.plan.shards
    path.write_bytes(was)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = Build.prepare(open_source(str(tmp_path / "r")), tmp_path / "out", OPTIONS).run()
    assert again.resumed == len(finished)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [None, 2])
def test_a_build_stops_at_a_file_that_was_replaced_after_the_plan(
    source: Path, tmp_path: Path, workers: int | None
) -> None:
    shutil.copytree(source, tmp_path / "r")
    build = Build.prepare(open_source(str(tmp_path / "r")), tmp_path / "out", OPTIONS)
    path = tmp_path / "r" / "Human-centric" / "part-1.parquet"
    shutil.copy(path.with_name("part-0.parquet"), path)
    with pytest.raises(SourceChanged, match=r"Human-centric/part-1\.parquet"):
        build.run(executor=Processes(workers) if workers else None)


def test_other_ids_are_found_though_size_time_and_footer_are_the_same(tmp_path: Path) -> None:
    write_release(tmp_path / "r", hoi(6))
    path = only(tmp_path / "r")
    other = renumbered(path)
    source = open_source(str(tmp_path / "r"))
    plan = make_plan(source)
    assert len(other) == path.stat().st_size
    keep_time(path, lambda: path.write_bytes(other))
    with pytest.raises(SourceChanged, match=r"part-0\.parquet .* other ids"):
        list(unit_rows(source, plan, plan.units[0]))


def test_a_build_that_goes_on_compares_the_ids_as_well(tmp_path: Path) -> None:
    source = open_source(str(write_release(tmp_path / "r", hoi(6))))
    plan = make_plan(source)
    for start in range(7):
        assert len(list(unit_rows(source, plan, plan.units[0], start))) == 6 - start


def test_another_footer_is_found_though_size_and_time_are_the_same(tmp_path: Path) -> None:
    write_release(tmp_path / "r", hoi(3))
    path = only(tmp_path / "r")
    source = open_source(str(tmp_path / "r"))
    plan = make_plan(source)
    data = path.read_bytes()
    keep_time(path, lambda: path.write_bytes(data.replace(b"parquet-cpp", b"parquet-CPP")))
    assert path.read_bytes() != data
    with pytest.raises(SourceChanged):
        list(unit_rows(source, plan, plan.units[0]))


def test_a_file_that_changes_before_its_ids_are_read_is_refused_by_the_plan(tmp_path: Path) -> None:
    source = open_source(str(write_release(tmp_path / "r", hoi(3))))
    touched(only(tmp_path / "r"))
    with pytest.raises(SourceChanged):
        make_plan(source)


def written_again(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("table", ["hoi.json", "hoi.jsonl", "hoi.parquet"])
@pytest.mark.parametrize("change", [written_again, removed, made_longer])
def test_an_image_that_a_file_names_is_compared_as_well(
    tmp_path: Path, table: str, change: Callable[[Path], None]
) -> None:
    rows = hoi(4)
    if table.endswith("parquet"):
        pq.write_table(release_table(rows, tmp_path, "path"), tmp_path / table)
    else:
        write_json(tmp_path / table, manifest_rows(tmp_path, rows))
    source = open_source(str(tmp_path))
    plan = make_plan(source)
    image = min((tmp_path / "images").iterdir())
    change(image)
    with pytest.raises(SourceChanged, match=rf"{table}: the image images/{image.name}"):
        list(unit_rows(source, plan, plan.units[0]))


def test_an_image_that_was_missing_and_is_there_by_now_is_a_change(tmp_path: Path) -> None:
    row = {"input_images": ["late.png"], "output_image": "late.png", "instruction": "x"}
    source = open_source(str(write_json(tmp_path / "hoi.json", [row])))
    plan = make_plan(source)
    (tmp_path / "late.png").write_bytes(b"here")
    with pytest.raises(SourceChanged, match=r"late\.png"):
        list(unit_rows(source, plan, plan.units[0]))


@pytest.mark.parametrize("change", [touched, emptied, made_longer])
@pytest.mark.parametrize("rows_before", [0, 1])
def test_a_manifest_that_changes_is_refused(
    tmp_path: Path, change: Callable[[Path], None], rows_before: int
) -> None:
    path = write_json(tmp_path / "hoi.jsonl", manifest_rows(tmp_path, hoi(4)))
    source = open_source(str(path))
    plan = make_plan(source)
    with closing(unit_rows(source, plan, plan.units[0])) as rows:
        for _ in range(rows_before):
            next(rows)
        change(path)
        with pytest.raises(SourceChanged, match=r"hoi\.jsonl in "):
            list(rows)


def test_a_file_over_http_is_asked_for_anew(tmp_path: Path) -> None:
    path = tmp_path / "hoi.parquet"
    pq.write_table(release_table(hoi(3), tmp_path), path)
    with serve(tmp_path) as web:
        source = open_source(f"{web.address}/hoi.parquet")
        plan = make_plan(source)
        pq.write_table(release_table(hoi(2), tmp_path), path)
        with pytest.raises(SourceChanged, match=r"hoi\.parquet in http"):
            list(unit_rows(source, plan, plan.units[0]))


def test_inspecting_every_image_finds_it_as_well(tmp_path: Path) -> None:
    source = open_source(str(write_release(tmp_path / "r", hoi(3))))
    plan = make_plan(source)
    touched(only(tmp_path / "r"))
    with pytest.raises(SourceChanged):
        inspect_images(source, plan, Verify.STRUCTURE, lambda _: None)


@pytest.mark.parametrize("kind", ["source", "dataset"])
def test_the_builder_of_datasets_does_not_mix_two_states(
    tmp_path: Path, dataset: Path, kind: str
) -> None:
    folder = tmp_path / "r"
    if kind == "source":
        write_release(folder, cases(2))
    else:
        shutil.copytree(dataset, folder)
    builder = Mico150k(config_name="bagel", data_dir=str(folder), cache_dir=str(tmp_path / "c"))
    (split,) = builder._split_generators(None)
    assert len(list(builder._generate_examples(**split.gen_kwargs))) in {8, 24}
    path = only(folder)
    touched(path)
    with pytest.raises(SourceChanged, match=path.name):
        next(builder._generate_examples(**split.gen_kwargs))
    with pytest.raises(SourceChanged, match=path.name):  # its cache is named by the first state
        builder._split_generators(None)
