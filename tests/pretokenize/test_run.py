"""All of it: the same files however it is done, wherever it was stopped."""

import json
import multiprocessing
import pickle
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mico_150k.core.errors import (
    OutputRefused,
    SourceNotFound,
    TooManyLeftOut,
    UsageError,
    WorkerLost,
)
from mico_150k.dataset.codes import CodesFolder
from mico_150k.export import pickles
from mico_150k.export.codes_records import RecordOptions
from mico_150k.export.pickles import write_pickles
from mico_150k.io.locks import lock_folder
from mico_150k.pretokenize.encoder import ChunkCodes, EncoderOptions
from mico_150k.pretokenize.plan import EncodingPlan
from mico_150k.pretokenize.ray_workers import Cluster, _count_actors
from mico_150k.pretokenize.run import Pretokenization, PretokenizeOptions, PretokenizeResult
from mico_150k.pretokenize.source import open_material
from mico_150k.pretokenize.workers import encode_in_processes

from ..factories import encode, picture
from .material import SMALL, VQ_EXTRA, contents, options, write_export

KILLS = 20


@pytest.fixture
def forks() -> ForkServerContext:
    """Starts processes that have imported what they need: else each takes seconds for it."""
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    context = multiprocessing.get_context("forkserver")
    # `diffusers` alone would import its parts later.
    context.set_forkserver_preload(
        ["diffusers.models.autoencoders.vq_model", "mico_150k.pretokenize.run"]
    )
    return context


def run(source: Path, to: Path, chosen: PretokenizeOptions, **how: Any) -> PretokenizeResult:
    return Pretokenization(open_material(source), to, chosen).run(**how)


@pytest.fixture(scope="module")
def undisturbed(vq: Path, export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("undisturbed") / "tokens"
    run(export, to, options(vq))
    return to


def test_it_writes_what_training_reads_and_leaves_nothing_behind(undisturbed: Path) -> None:
    names = sorted(path.name for path in undisturbed.iterdir())
    assert names == ["all_records.json", "data.yaml", "dimoo-codes", "files", "pretokenize.json"]
    records = json.loads((undisturbed / "all_records.json").read_text())
    assert sorted(record["id"] for record in records) == [str(number) for number in range(8)]
    for record in records:
        for path in (*record["user_image"], record["answer_image"]):
            with open(path, "rb") as file:
                found = pickle.load(file)
            assert found["length"] == len(found["input_ids"])
            assert found["height"] * found["width"] == 256 * found["length"]
            assert found["height"] % 32 == found["width"] % 32 == 0
    used = {path for r in records for path in (*r["user_image"], r["answer_image"])}
    assert len(used) == len(list((undisturbed / "files").rglob("*.pkl")))
    made_with = CodesFolder.open(undisturbed).made_with
    assert len(made_with["vq_sha256"]) == 64
    assert (made_with["sizes"], made_with["output_size"]) == ("2:96,64", 128)


def test_a_wide_picture_has_more_columns_than_rows(undisturbed: Path) -> None:
    row = next(iter(CodesFolder.open(undisturbed).read()))
    (columns, rows), _ = row.grids
    assert columns > rows  # of 200 by 150 pixels


def test_counts_of_progress_come_to_the_total(vq: Path, export: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    result = run(
        export, tmp_path, options(vq), on_encoded=lambda done, total: heard.append((done, total))
    )
    assert heard[0] == (0, result.encodings)
    assert heard[-1] == (result.encodings, result.encodings)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_two_devices_write_the_same_bytes_as_one(
    vq: Path, export: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run(export, tmp_path / "to", options(vq, devices=("cpu", "cpu")))
    assert contents(tmp_path / "to") == contents(undisturbed)


@pytest.mark.slow
def test_a_ray_cluster_writes_the_same_bytes(
    vq: Path, export: Path, undisturbed: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    run(export, tmp_path / "to", options(vq, cluster=Cluster("local", 2)))
    assert contents(tmp_path / "to") == contents(undisturbed)


WORK = """
import os
from mico_150k.export import pickles
os.sync = lambda: None
pickles.FILES_A_FOLDER = 4
work.run()
"""
"""In a process, which knows the package alone: pickles are in folders of a few."""


@pytest.mark.slow
def test_killed_at_20_random_points_it_goes_on_to_the_same_files(
    vq: Path,
    export: Path,
    forks: ForkServerContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pickles, "FILES_A_FOLDER", 4)
    whole, to = tmp_path / "whole", tmp_path / "to"
    run(export, whole, options(vq))
    chance = random.Random(0)
    killed, lasts = 0, 0.0
    while killed < KILLS:
        work = Pretokenization(open_material(export), to, options(vq))
        process = forks.Process(target=exec, args=(WORK, {"work": work}))
        process.start()
        wait_for_work(process, to)
        started = time.monotonic()
        process.join(chance.uniform(0, lasts) if lasts else None)
        process.kill()
        process.join()
        if process.exitcode:
            assert process.exitcode == -signal.SIGKILL
            killed += 1
        else:  # it was faster: from the start again
            lasts = lasts or time.monotonic() - started
            assert contents(to) == contents(whole)
            shutil.rmtree(to)
    run(export, to, options(vq))
    assert contents(to) == contents(whole)
    ids = [record["id"] for record in json.loads((to / "all_records.json").read_text())]
    assert len(ids) == len(set(ids)) == 8


def wait_for_work(process: BaseProcess, to: Path) -> None:
    """Until the VQ is loaded, or all is done."""
    while process.is_alive() and not (to / ".pretokenize").exists():
        time.sleep(0.01)


def test_what_is_done_is_not_done_again(vq: Path, export: Path, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(export, tmp_path / "to", options(vq), on_encoded=stop)
    again = run(export, tmp_path / "to", options(vq))
    assert 4 <= again.encoded_before < again.encodings
    third = run(export, tmp_path / "to", options(vq))
    assert third.encoded_before == third.encodings
    assert third.records == 8


def test_other_records_of_the_same_codes_need_no_encoding(
    vq: Path, export: Path, tmp_path: Path
) -> None:
    first = run(export, tmp_path / "to", options(vq))
    shorter = options(vq, records=RecordOptions(max_seq_len=160, system_prompt="Do."))
    second = run(export, tmp_path / "to", shorter)
    assert second.encoded_before == second.encodings
    assert second.records + sum(second.too_long.values()) == first.records
    assert second.too_long
    assert second.pickles == first.pickles
    strict = options(vq, records=RecordOptions(max_seq_len=160, over_limit="error"))
    work = Pretokenization(open_material(export), tmp_path, strict)
    with pytest.raises(UsageError, match="longer than --max-seq-len 160"):
        work.lengths()


def test_pickles_of_the_codes_alone_are_the_same(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed / "dimoo-codes", tmp_path / "codes")
    write_pickles(CodesFolder.open(tmp_path / "codes"), tmp_path / "to")
    made = contents(tmp_path / "to")
    expected = contents(undisturbed)
    assert {"all_records.json", "data.yaml"} < set(made)
    assert made == {name: expected[name] for name in made}


def test_other_work_in_the_folder_is_refused_and_named(
    vq: Path, export: Path, tmp_path: Path
) -> None:
    to = tmp_path / "to"
    run(export, to, options(vq))
    other = options(vq, batch=1)
    with pytest.raises(OutputRefused, match="what differs is batch"):
        run(export, to, other)
    assert run(export, to, other, overwrite=True).encoded_before == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(OutputRefused, match="not a folder that"):
        run(export, tmp_path / "mine", options(vq))
    run(export, tmp_path / "mine", options(vq), overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"


def test_records_with_a_broken_picture_are_left_out_and_told(vq: Path, tmp_path: Path) -> None:
    source = write_export(tmp_path / "mico-dimoo")
    photo = encode(picture(1, (300, 80)), "JPEG")
    (source / "images" / "3.png").write_bytes(photo[:-400])
    with pytest.raises(TooManyLeftOut, match=r"undecodable.*3\.png(.|\n)*--tolerance"):
        run(source, tmp_path / "to", options(vq))
    result = run(source, tmp_path / "to", options(vq, tolerance=0.9))
    records = json.loads((source / "dimoo-mico.json").read_text())
    with_it = [
        number
        for number, record in enumerate(records)
        if any(path.endswith("3.png") for path in (*record["image_path"], record["edit_path"]))
    ]
    assert result.left_out == {"undecodable": len(with_it)}
    assert result.records == result.records_read - len(with_it)
    lines = list(map(json.loads, (tmp_path / "to" / "quarantine.jsonl").read_text().splitlines()))
    assert [line["record"] for line in lines] == with_it
    assert {line["image"] for line in lines} > {"output", 1}


def test_a_missing_picture_stops_the_work_before_it_starts(vq: Path, tmp_path: Path) -> None:
    source = write_export(tmp_path / "mico-dimoo")
    (source / "images" / "0.png").unlink()
    with pytest.raises(TooManyLeftOut, match="file-missing"):
        run(source, tmp_path / "to", options("no VQ is loaded"))
    result = run(source, tmp_path / "to", options(vq, tolerance=0.9))
    assert result.records + result.left_out["file-missing"] == 8


def test_a_dataset_folder_gives_its_own_ids_and_the_same_codes_as_its_pictures(
    vq: Path, dataset: Path, tmp_path: Path
) -> None:
    result = run(dataset, tmp_path / "to", options(vq))
    assert result.records == 24
    rows = list(CodesFolder.open(tmp_path / "to").read())
    assert {row.id.partition("/")[0] for row in rows} == {
        "object_centric", "human_centric", "hoi", "de_re",
    }  # fmt: skip
    of_digest: dict[tuple[str, int], np.ndarray] = {}
    for row in rows:
        for found in row.pictures:
            known = of_digest.setdefault((found.digest, found.size), found.codes)
            assert np.array_equal(known, found.codes)
    assert len(of_digest) == result.pickles == result.encodings


@pytest.fixture
def forked(forks: ForkServerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forks; on a CPU they do as well as processes that start from nothing."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: forks)


def in_processes(
    encoder: EncoderOptions, export: Path, on_encoded: Callable[[int], None]
) -> list[ChunkCodes]:
    plan = EncodingPlan(open_material(export), SMALL, 4)
    chunks = (plan.chunk(number) for number in range(plan.chunks))
    return list(encode_in_processes(encoder, ("cpu", "cpu"), chunks, on_encoded))


@pytest.mark.usefixtures("forked")
def test_a_process_that_dies_is_told_with_what_to_do(vq: Path, export: Path) -> None:
    def kill(_more: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(WorkerLost, match=r"--device cpu has ended(.|\n)*goes on from there"):
        in_processes(options(vq).encoder, export, kill)


@pytest.mark.usefixtures("forked")
def test_what_a_process_raises_is_raised_here(vq: Path, export: Path, tmp_path: Path) -> None:
    for encoder, expected, message in (
        (options(tmp_path / "gone").encoder, SourceNotFound, "gone: no such folder"),
        (replace(options(vq).encoder, vq_sha256="ab"), UsageError, "another checkpoint"),
    ):
        with pytest.raises(expected, match=message):
            in_processes(encoder, export, lambda _: None)


def test_a_picture_whose_file_could_not_be_read_is_tried_again(vq: Path, tmp_path: Path) -> None:
    source = write_export(tmp_path / "mico-dimoo")
    material = open_material(source)
    work = Pretokenization(material, tmp_path / "to", options(vq))
    away = (source / "images" / "6.png").rename(tmp_path / "away.png")
    with pytest.raises(TooManyLeftOut, match="file-missing"):
        work.run()
    away.rename(source / "images" / "6.png")
    result = Pretokenization(material, tmp_path / "to", options(vq)).run()
    assert (result.records, result.left_out) == (8, {})
    assert 0 < result.encoded_before < result.encodings
    run(source, tmp_path / "whole", options(vq))
    assert contents(tmp_path / "to") == contents(tmp_path / "whole")


def test_overwriting_tries_what_was_left_out_again_and_uses_the_codes_there_are(
    vq: Path, tmp_path: Path
) -> None:
    source, to = write_export(tmp_path / "mico-dimoo"), tmp_path / "to"
    material = open_material(source)
    one_by_one = options(vq, batch=1, tolerance=0.9)
    work = Pretokenization(material, to, one_by_one)
    away = (source / "images" / "6.png").rename(tmp_path / "away.png")
    left_out = work.run().left_out
    assert list(left_out) == ["file-missing"]
    away.rename(source / "images" / "6.png")
    assert run(source, to, one_by_one).left_out == left_out
    again = run(source, to, one_by_one, overwrite=True)
    assert (again.records, again.left_out) == (8, {})
    with_codes = {
        wanted
        for record in material.records
        if 6 not in record.pictures
        for wanted in work.plan.wanted(record.pictures)
    }
    assert again.encoded_before == len(with_codes) < again.encodings
    run(source, tmp_path / "whole", one_by_one)
    assert contents(to) == contents(tmp_path / "whole")
    assert run(source, to, one_by_one, overwrite=True).encoded_before == 0  # all is asked for again


def test_codes_of_pictures_that_are_the_same_are_used_again_by_other_records(
    vq: Path, tmp_path: Path
) -> None:
    source = write_export(tmp_path / "mico-dimoo")
    one_by_one = options(vq, batch=1)
    run(source, tmp_path / "to", one_by_one)
    rows = json.loads((source / "dimoo-mico.json").read_text())
    (source / "dimoo-mico.json").write_text(json.dumps([*rows[2:], rows[1]]))
    (source / "images" / "0.png").write_bytes(encode(picture(99, (200, 150))))
    with pytest.raises(OutputRefused, match="what differs is records"):
        run(source, tmp_path / "to", one_by_one)
    again = run(source, tmp_path / "to", one_by_one, overwrite=True)
    assert again.encodings - again.encoded_before == 2  # the other picture, at each size
    run(source, tmp_path / "new", one_by_one)
    assert contents(tmp_path / "to") == contents(tmp_path / "new")


def test_finished_codes_are_the_same_work_on_a_machine_with_other_cores(
    vq: Path, export: Path, tmp_path: Path
) -> None:
    run(export, tmp_path / "to", options(vq))
    elsewhere = options(vq, threads=2, records=RecordOptions(system_prompt="Do."))
    result = run(export, tmp_path / "to", elsewhere)
    assert result.encoded_before == result.encodings
    records = json.loads((tmp_path / "to" / "all_records.json").read_text())
    assert {record["system_prompt"] for record in records} == {"Do."}


def test_records_that_are_all_too_long_are_an_error(vq: Path, export: Path, tmp_path: Path) -> None:
    short = options(vq, records=RecordOptions(max_seq_len=10))
    with pytest.raises(UsageError, match="all 8 records are longer"):
        Pretokenization(open_material(export), tmp_path, short).lengths()


def test_two_runs_in_one_folder_keep_out_of_each_others_way(
    vq: Path, export: Path, tmp_path: Path
) -> None:
    with lock_folder(tmp_path / "to"), pytest.raises(OutputRefused, match="another run"):
        run(export, tmp_path / "to", options(vq))


def test_more_actors_than_there_is_room_for_are_refused(
    vq: Path, export: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    with pytest.raises(UsageError, match="each of 99999 actors with --device cpu takes one"):
        run(export, tmp_path, options(vq, cluster=Cluster("local", 99_999)))


@pytest.mark.parametrize(
    ("actors", "device", "message"),
    [
        (0, "cpu", "4 CPUs and 0 GPUs; with --actors N and --device cpu"),
        (1, "cuda", "each of 1 actors with --device cuda takes one: 0 fit"),
    ],
)
def test_a_cluster_without_a_gpu_says_how_it_can_be_used(
    actors: int, device: str, message: str
) -> None:
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0})
    with pytest.raises(UsageError, match=message):
        _count_actors(ray, Cluster("local", actors), device)
