"""All of it: the same files however it is done, wherever it was stopped."""

import json
import multiprocessing
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
    TooManySkipped,
    UnusableImage,
    UsageError,
    WorkerLost,
)
from mico_150k.core.reasons import Reason
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodesFolder
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.inspection.check import check_dataset
from mico_150k.io.locks import lock_folder
from mico_150k.pretokenize import images
from mico_150k.pretokenize.crop import crop_all
from mico_150k.pretokenize.dataset_images import EncodeInputs
from mico_150k.pretokenize.encoder import ChunkCodes, EncoderOptions
from mico_150k.pretokenize.plan import EncodingPlan
from mico_150k.pretokenize.ray_workers import _count_actors
from mico_150k.pretokenize.run import Pretokenization, PretokenizeOptions, PretokenizeResult
from mico_150k.pretokenize.workers import encode_in_processes

from ..factories import encode, picture
from .material import SIDES, SMALL, VQ_EXTRA, contents, options

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


def run(dataset: DatasetFolder, chosen: PretokenizeOptions, **how: Any) -> PretokenizeResult:
    return Pretokenization(dataset, chosen).run(**how)


def copy(dataset: DatasetFolder, folder: Path) -> DatasetFolder:
    """In a folder of the same name: the card has it."""
    return DatasetFolder(Path(shutil.copytree(dataset.path, folder / dataset.path.name)))


@pytest.fixture(scope="module")
def undisturbed(
    vq: Path, rows: DatasetFolder, tmp_path_factory: pytest.TempPathFactory
) -> DatasetFolder:
    dataset = copy(rows, tmp_path_factory.mktemp("undisturbed"))
    run(dataset, options(vq))
    return dataset


def test_the_codes_are_a_configuration_and_nothing_else_is_left(
    undisturbed: DatasetFolder, rows: DatasetFolder
) -> None:
    before, after = contents(rows.path), contents(undisturbed.path)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"README.md", "manifest.json", "dimoo-codes/train-00000.parquet"}
    assert before.keys() < after.keys()
    assert not list(undisturbed.path.rglob(".pretokenize*"))
    assert not [found for found in check_dataset(undisturbed) if found.fault]
    folder = CodesFolder.open(undisturbed.path)
    assert len(folder.made_with["vq_sha256"]) == 64
    assert (folder.made_with["sizes"], folder.made_with["output_size"]) == ("2:96,64", 128)
    inputs = EncodeInputs.of(undisturbed)
    for row, record in zip(folder.read(), inputs.records, strict=True):
        assert (row.id, row.prompt) == (record.id, record.prompt)
        digests = [inputs.pictures[number].digest for number in record.pictures]
        assert [found.digest for found in row.pictures] == digests


def test_a_wide_picture_has_more_columns_than_rows(undisturbed: DatasetFolder) -> None:
    row = next(iter(CodesFolder.open(undisturbed.path).read()))
    (columns, rows), _ = row.grids
    assert columns > rows  # of 200 by 150 pixels


def test_counts_of_progress_come_to_the_total(vq: Path, own: DatasetFolder) -> None:
    heard: list[tuple[int, int]] = []
    result = run(own, options(vq), on_encoded=lambda done, total: heard.append((done, total)))
    assert heard[0] == (0, result.encodings)
    assert heard[-1] == (result.encodings, result.encodings)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.mark.slow
def test_two_devices_write_the_same_bytes_as_one(
    vq: Path, own: DatasetFolder, undisturbed: DatasetFolder
) -> None:
    run(own, options(vq, devices=("cpu", "cpu")))
    assert contents(own.path) == contents(undisturbed.path)


@pytest.mark.slow
def test_a_ray_cluster_writes_the_same_bytes(
    vq: Path, own: DatasetFolder, undisturbed: DatasetFolder
) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    run(own, options(vq, ray="local"))
    assert contents(own.path) == contents(undisturbed.path)


@pytest.mark.slow
def test_killed_at_20_random_points_it_goes_on_to_the_same_files(
    vq: Path,
    rows: DatasetFolder,
    undisturbed: DatasetFolder,
    forks: ForkServerContext,
    tmp_path: Path,
) -> None:
    whole = contents(undisturbed.path)
    dataset = copy(rows, tmp_path)
    chance = random.Random(0)
    killed, lasts = 0, 0.0
    while killed < KILLS:
        asked = {"begin": Pretokenization, "dataset": dataset, "options": options(vq)}
        process = forks.Process(target=exec, args=("begin(dataset, options).run()", asked))
        process.start()
        wait_for_work(process, dataset)
        started = time.monotonic()
        process.join(chance.uniform(0, lasts) if lasts else None)
        process.kill()
        process.join()
        if process.exitcode:
            assert process.exitcode == -signal.SIGKILL
            killed += 1
        else:  # it was faster: from the start again
            lasts = lasts or time.monotonic() - started
            assert contents(dataset.path) == whole
            shutil.rmtree(dataset.path)
            dataset = copy(rows, tmp_path)
    run(dataset, options(vq))
    assert contents(dataset.path) == whole


def wait_for_work(process: BaseProcess, dataset: DatasetFolder) -> None:
    """Until the VQ is loaded, or all is done."""
    work = dataset.path / layout.CODES_WORK / "work.json"
    while process.is_alive() and not work.exists():
        time.sleep(0.01)


def test_what_is_done_is_not_done_again(vq: Path, own: DatasetFolder) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(own, options(vq), on_encoded=stop)
    assert layout.CODES not in own.configs
    again = run(own, options(vq))
    assert 4 <= again.encoded_before < again.encodings
    third = run(own, options(vq))
    assert third.encoded_before == third.encodings
    assert third.records == 8
    assert run(own, options(vq), overwrite=True).encoded_before == 0  # all is asked for again


@pytest.mark.slow
def test_other_codes_and_other_work_are_refused_and_named(vq: Path, own: DatasetFolder) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 3:
            raise KeyboardInterrupt

    run(own, options(vq))
    other = options(vq, batch=1)
    with pytest.raises(OutputRefused, match="has codes (.|\n)*what differs is batch"):
        run(own, other)
    with pytest.raises(KeyboardInterrupt):
        run(own, other, overwrite=True, on_encoded=stop)
    with pytest.raises(OutputRefused, match="has begun codes (.|\n)*what differs is dtype"):
        run(own, options(vq, batch=1, dtype="bf16"))
    assert run(own, other, overwrite=True).encoded_before > 0
    assert CodesFolder.open(own.path).made_with["batch"] == 1


def test_codes_that_are_damaged_are_made_again(vq: Path, own: DatasetFolder) -> None:
    run(own, options(vq))
    whole = contents(own.path)
    (own.path / layout.CODES / layout.shard_name(0)).unlink()
    assert run(own, options(vq)).encoded_before == 0
    assert contents(own.path) == whole


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Exception], None]:
    """Has a picture raise when it is decoded."""

    def fail(number: int, error: Exception) -> None:
        def crop(data: Any, size: tuple[int, int], wanted: Any) -> Any:
            if size == SIDES[number]:
                raise error
            return crop_all(data, size, wanted)

        monkeypatch.setattr(images, "crop_all", crop)

    return fail


def with_picture(dataset: DatasetFolder, number: int) -> list[int]:
    """The records that have it."""
    inputs = EncodeInputs.of(dataset)
    return [
        place
        for place, record in enumerate(inputs.records)
        if any(
            (inputs.pictures[one].width, inputs.pictures[one].height) == SIDES[number]
            for one in record.pictures
        )
    ]


def test_records_with_a_broken_picture_are_left_out_and_told(
    vq: Path, own: DatasetFolder, failing: Callable[[int, Exception], None]
) -> None:
    failing(3, UnusableImage(Reason.UNDECODABLE, "it ends early"))
    with pytest.raises(TooManySkipped, match=r"undecodable.*it ends early(.|\n)*--tolerance"):
        run(own, options(vq))
    result = run(own, options(vq, tolerance=0.9))
    with_it = with_picture(own, 3)
    assert result.skipped == {"undecodable": len(with_it)}
    assert result.records == result.records_read - len(with_it)
    lines = (own.path / layout.CODES / layout.QUARANTINE).read_text().splitlines()
    told = list(map(json.loads, lines))
    assert [line["record"] for line in told] == with_it
    assert {line["image"] for line in told} > {"output", 1}
    assert not [found for found in check_dataset(own) if found.fault]


def test_bytes_that_are_not_those_of_the_index_cost_their_records(
    vq: Path, own: DatasetFolder
) -> None:
    (shard,) = own.files(layout.DEFAULT)
    image = encode(picture(6, SIDES[6]))
    data = shard.read_bytes()
    assert image in data
    shard.write_bytes(data.replace(image, image[:-20] + bytes(8) + image[-12:]))
    result = run(own, options(vq, tolerance=0.9))
    assert result.skipped == {"corrupt": len(with_picture(own, 6))}


def test_a_picture_whose_file_could_not_be_read_is_tried_again(
    vq: Path,
    own: DatasetFolder,
    undisturbed: DatasetFolder,
    failing: Callable[[int, Exception], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(6, FileNotFoundError("gone"))
    with pytest.raises(TooManySkipped, match="file-missing"):
        run(own, options(vq))
    monkeypatch.undo()
    result = run(own, options(vq))
    assert (result.records, result.skipped) == (8, {})
    assert 0 < result.encoded_before < result.encodings
    assert contents(own.path) == contents(undisturbed.path)


def test_overwriting_tries_what_was_left_out_again(
    vq: Path,
    own: DatasetFolder,
    undisturbed: DatasetFolder,
    failing: Callable[[int, Exception], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(6, FileNotFoundError("gone"))
    some = run(own, options(vq, tolerance=0.9))
    assert list(some.skipped) == ["file-missing"]
    monkeypatch.undo()
    assert run(own, options(vq)).records == some.records < 8
    assert run(own, options(vq), overwrite=True).records == 8
    assert contents(own.path) == contents(undisturbed.path)


def test_every_row_has_its_codes_and_a_picture_the_same_wherever_it_is(
    vq: Path, dataset: Path, tmp_path: Path
) -> None:
    folder = DatasetFolder(Path(shutil.copytree(dataset, tmp_path / dataset.name)))
    result = run(folder, options(vq))
    assert result.records == 24
    rows = list(CodesFolder.open(folder.path).read())
    assert {row.id.partition("/")[0] for row in rows} == {
        "object_centric", "human_centric", "hoi", "de_re",
    }  # fmt: skip
    of_digest: dict[tuple[str, int], np.ndarray] = {}
    for row in rows:
        for found in row.pictures:
            known = of_digest.setdefault((found.digest, found.size), found.codes)
            assert np.array_equal(known, found.codes)
    assert len(of_digest) == result.encodings


@pytest.fixture
def forked(forks: ForkServerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forks; on a CPU they do as well as processes that start from nothing."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: forks)


def in_processes(
    encoder: EncoderOptions, rows: DatasetFolder, on_encoded: Callable[[int], None]
) -> list[ChunkCodes]:
    plan = EncodingPlan(EncodeInputs.of(rows), SMALL, 4)
    chunks = (plan.chunk(number) for number in range(plan.chunks))
    return list(encode_in_processes(encoder, ("cpu", "cpu"), chunks, on_encoded))


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_a_process_that_dies_is_told_with_what_to_do(vq: Path, rows: DatasetFolder) -> None:
    def kill(_more: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(WorkerLost, match=r"--device cpu died(.|\n)*re-run the command"):
        in_processes(options(vq).encoder, rows, kill)


@pytest.mark.usefixtures("forked")
def test_what_a_process_raises_is_raised_here(
    vq: Path, rows: DatasetFolder, tmp_path: Path
) -> None:
    for encoder, expected, message in (
        (options(tmp_path / "gone").encoder, SourceNotFound, "gone is neither a folder"),
        (replace(options(vq).encoder, vq_sha256="ab"), UsageError, "the checkpoint differs"),
    ):
        with pytest.raises(expected, match=message):
            in_processes(encoder, rows, lambda _: None)


def test_finished_codes_are_the_same_work_on_a_machine_with_other_cores(
    vq: Path, own: DatasetFolder
) -> None:
    run(own, options(vq))
    result = run(own, options(vq, threads=2))
    assert result.encoded_before == result.encodings


def test_two_runs_in_one_folder_keep_out_of_each_others_way(vq: Path, own: DatasetFolder) -> None:
    work = own.path / layout.CODES_WORK
    with lock_folder(work), pytest.raises(OutputRefused, match="another run"):
        run(own, options(vq))


def test_lengths_are_told_by_the_number_of_inputs(vq: Path, own: DatasetFolder) -> None:
    lengths = Pretokenization(own, options(vq)).lengths()
    assert [(line.inputs, line.records, line.size) for line in lengths] == [
        (1, 2, 96), (2, 2, 96), (3, 2, 64), (4, 2, 64),
    ]  # fmt: skip
    assert all(line.least <= line.median <= line.most for line in lengths)


def test_a_cluster_has_a_process_a_gpu_or_one_for_so_many_cores() -> None:
    def ray(**there: float) -> SimpleNamespace:
        return SimpleNamespace(cluster_resources=lambda: there)

    assert _count_actors(ray(CPU=16.0, GPU=8.0), "cuda", 0) == 8
    assert _count_actors(ray(CPU=16.0), "cpu", 4) == 4
    assert _count_actors(ray(CPU=2.0), "cpu", 8) == 1
    with pytest.raises(UsageError, match="4 CPUs and 0 GPUs(.|\n)*--device cpu"):
        _count_actors(ray(CPU=4.0), "cuda", 0)
