"""An export: the files that a trainer reads, resumed to the same bytes, and true when it moves."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from mico_150k.builders import TRAINERS, get_trainer
from mico_150k.builders.bagel import BagelTrainer
from mico_150k.builders.blip3o import Blip3oTrainer

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.columns import Columns
from mico_150k.core.errors import DiskTooSmall, OutputRefused, OverLimit, UsageError
from mico_150k.core.sample import Sample
from mico_150k.core.trainer import Candidate, Exported, PathTrainer
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.image_store import ImageStore
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.limits import OverLimitPolicy, fit
from mico_150k.export.parquet_export import spread
from mico_150k.export.run import relocate, run_export
from mico_150k.io.parquet import image_writer
from mico_150k.sources import open_source

from ..factories import Case, write_release
from ..folders import contents as everything
from ..web import serve

PATH_TRAINERS = {
    name: trainer for name, trainer in TRAINERS.items() if isinstance(trainer, PathTrainer)
}
ODD_NAME = 'd\'or "été" & $HOME 数据'
"""A folder's name with what shells, YAML, JSON and Markdown trip over."""


@pytest.fixture(scope="module")
def sharded(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of several shards, with an instruction that holds what formats trip over."""
    root = tmp_path_factory.mktemp("sharded")
    text = 'Say "hi"\nto <b>image 1</b>: {{x}} — \U0001f600'
    odd = replace(samples[0], id=99, instruction=text)
    source = write_release(root / "release", [*samples, odd], rows_per_file=2)
    folder = root / "mico-150k"
    Build.prepare(open_source(str(source)), folder, BuildOptions(shard_bytes=400_000)).run()
    return folder


def export(
    trainer: str, source: Path | str, to: Path | None, *, overwrite: bool = False, **options: Any
) -> Exported:
    own = {name: options.pop(name) for name in {"ranks", "num_workers"} & options.keys()}
    asked = ExportOptions(**options)
    job = ExportJob.prepare(open_dataset(source), get_trainer(trainer, **own), to, asked)
    return run_export(job, overwrite=overwrite)


def read_records(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    found: list[dict[str, Any]] = json.loads(text)
    return found


def records(folder: Path, trainer: str) -> list[dict[str, Any]]:
    """Those of the usual file."""
    return read_records(folder / PATH_TRAINERS[trainer].records)


def assert_records(exported: Exported, samples: Sequence[Sample]) -> None:
    """Each sample is in its file of records, in order, and names images with its bytes."""
    trainer = PATH_TRAINERS[exported.trainer]
    expected: dict[str, list[dict[str, Any]]] = {}
    seen = Counter[str]()
    for sample in samples:
        paths = [
            f"{exported.root}/images/{ImageStore.name(image.digest, image.format)}"
            for image in sample.images
        ]
        for path, image in zip(paths, sample.images, strict=True):
            assert Path(path).read_bytes() == bytes(image.data)
        name = trainer.record_file(seen[paths[-1]])
        seen[paths[-1]] += 1
        record = trainer.record(paths[:-1], paths[-1], sample.instruction)
        expected.setdefault(name, []).append(record)
    assert {name: read_records(Path(exported.root) / name) for name in expected} == expected
    assert exported.record_files == {name: len(found) for name, found in expected.items()}
    assert exported.rows == len(samples) > 10


def exported_samples(source: Path, trainer: str) -> list[Sample]:
    """The samples that a trainer takes, in order."""
    dataset = open_dataset(source)
    taken = fit(TRAINERS[trainer], dataset.index(), OverLimitPolicy.DROP).index
    return [sample for group in dataset.samples(taken) for sample in group]


def contents(folder: Path) -> dict[str, str]:
    """Every file but the lists of what is known, which depend on where a run was stopped."""
    return {path: digest for path, digest in everything(folder).items() if ".known" not in path}


@pytest.mark.parametrize("trainer", PATH_TRAINERS)
def test_records_name_images_with_the_samples_bytes_in_their_order(
    sharded: Path, tmp_path: Path, trainer: str
) -> None:
    folder = tmp_path / ODD_NAME
    exported = export(trainer, sharded, folder)
    expected = exported_samples(sharded, trainer)
    assert_records(exported, expected)
    files = [path for path in (folder / "images").rglob("*.*") if ".known" not in path.parts]
    digests = {image.digest for sample in expected for image in sample.images}
    assert len([path for path in files if path.is_file()]) == len(digests)
    assert exported.unique_images == len(digests)


def test_the_records_have_exactly_the_keys_that_the_trainers_read() -> None:
    wanted = {
        "blip3o": {"input_images": ["a", "b"], "output_image": "c", "instruction": "d"},
        "dimoo": {"image_path": ["a", "b"], "edit_path": "c", "prompt": "d"},
        "omnigen2": {
            "task_type": "edit", "instruction": "d", "input_images": ["a", "b"], "output_image": "c"
        },
    }  # fmt: skip
    for trainer, record in wanted.items():
        assert PATH_TRAINERS[trainer].record(["a", "b"], "c", "d") == record


def test_exports_that_share_a_folder_of_images_write_each_once(
    sharded: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    export("blip3o", sharded, tmp_path / "blip3o", images=images)
    before = {path: path.stat().st_mtime_ns for path in images.rglob("*.png")}
    export("omnigen2", sharded, tmp_path / "omnigen2", images=images)
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not (tmp_path / "omnigen2" / "images").exists()


def test_the_yml_of_omnigen2_names_a_file_whatever_the_folder_is_called(
    sharded: Path, tmp_path: Path
) -> None:
    folder = tmp_path / ODD_NAME
    export("omnigen2", sharded, folder)
    data = yaml.safe_load((folder / "omnigen2-mico.yml").read_text())
    (entry,) = data["data"]
    assert Path(entry["path"]).samefile(folder / "omnigen2-mico.jsonl")
    assert entry["ratio"] == 1.0


@pytest.mark.parametrize("trainer", TRAINERS)
def test_start_says_what_is_there_and_every_launch_script_is_bash(
    sharded: Path, tmp_path: Path, trainer: str
) -> None:
    folder = tmp_path / ODD_NAME
    exported = export(trainer, sharded, folder)
    start = (folder / "START.md").read_text()
    assert f"{exported.rows_chosen} rows were selected, {exported.rows} are exported" in start
    assert "&quot;" not in start
    assert "&#39;" not in start
    assert os.access(folder / "train.sh", os.X_OK)
    subprocess.run(["bash", "-n", str(folder / "train.sh")], check=True)
    blocks = [block.partition("```")[0] for block in start.split("```sh\n")[1:]]
    assert blocks
    for block in blocks:
        subprocess.run(["bash", "-n", "-c", block], check=True)
    # The folder's name reaches the shell as one word.
    launch = next(block for block in blocks if "train.sh" in block)
    echoed = launch.replace("bash ", "printf '%s\\n' ")
    done = subprocess.run(["bash", "-c", echoed], capture_output=True, text=True, check=True)
    assert str(folder / "train.sh") in done.stdout.splitlines()


def test_bagel_in_place_adds_what_belongs_beside_the_files_and_nothing_else(
    sharded: Path, tmp_path: Path
) -> None:
    dataset = shutil.copytree(sharded, tmp_path / "mico-150k")
    before = contents(dataset)
    export("bagel", dataset, None)
    after = contents(dataset)
    added = set(after) - set(before)
    assert {name: after[name] for name in before} == before
    assert added == {
        f"bagel/{name}"
        for name in ("parquet_info.json", "mico-150k.yaml", "START.md", "train.sh", "export.json")
    }
    assert sum((dataset / name).stat().st_size for name in added) < 100_000
    check_bagel(dataset / "bagel")


def check_bagel(folder: Path) -> list[int]:
    """What BAGEL's reader rests on holds; returns each row group's rows."""
    names = [name for name in os.listdir(folder) if name.endswith(".parquet")]
    info = json.loads((folder / "parquet_info.json").read_text())
    assert set(info) == {os.path.join(folder, name) for name in names}
    rows = []
    for path, held in info.items():
        metadata = pq.read_metadata(path)
        assert held["num_row_groups"] == metadata.num_row_groups
        rows += [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    config = yaml.safe_load((folder / "mico-150k.yaml").read_text())["mico-150k"]
    assert config["num_used_data"] == [len(names)]
    assert config["dataset_names"] == ["mico-150k"]
    return rows


def test_bagel_in_place_again_after_the_dataset_has_moved(sharded: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(sharded, tmp_path / "mico-150k")
    export("bagel", dataset, None)
    moved = dataset.rename(tmp_path / "moved")
    export("bagel", moved, None)
    check_bagel(moved / "bagel")


def test_readers_in_place_that_would_starve_are_refused_and_a_remainder_is_told(
    sharded: Path, tmp_path: Path
) -> None:
    dataset = shutil.copytree(sharded, tmp_path / "mico-150k")
    before = contents(dataset)
    groups = len(list(row_groups(dataset / "bagel")))
    with pytest.raises(OverLimit, match=rf"{groups} row groups are fewer than {groups + 1} ranks"):
        export("bagel", dataset, None, ranks=groups + 1)
    assert contents(dataset) == before
    exported = export("bagel", dataset, None, ranks=groups - 1)
    (note,) = TRAINERS["bagel"].notes(exported)
    assert note.startswith(f"1 of {groups} row groups are never read by {groups - 1} readers")
    assert note in (dataset / "bagel" / "START.md").read_text()
    assert not TRAINERS["bagel"].notes(export("bagel", dataset, None, ranks=groups))


def test_row_groups_that_the_launch_script_would_leave_over_are_told_without_being_asked() -> None:
    identity = {"options": {"ranks": None, "num_workers": None}}
    measured = {"rows": 1, "kept": [[1, 1, 1]] * 3}

    def notes(groups: int) -> list[str]:
        exported = Exported(
            "bagel", "/x", "", "d", identity, 1, 1, 0, {}, {},
            row_groups={"a": groups}, measured=measured,
        )  # fmt: skip
        return [note.partition(";")[0] for note in TRAINERS["bagel"].notes(exported)]

    assert notes(2) == []  # for two GPUs
    assert notes(13) == ["5 of 13 row groups are never read by 8 readers"]
    assert notes(16) == notes(8007) == []


def row_groups(folder: Path) -> Iterable[Any]:
    for path in folder.glob("*.parquet"):
        metadata = pq.read_metadata(path)
        yield from map(metadata.row_group, range(metadata.num_row_groups))


def test_bagel_elsewhere_links_whole_shards(sharded: Path, tmp_path: Path) -> None:
    export("bagel", sharded, tmp_path / "bagel", ranks=1)
    check_bagel(tmp_path / "bagel")
    for path in (sharded / "bagel").glob("*.parquet"):
        assert path.samefile(tmp_path / "bagel" / path.name)


@pytest.mark.parametrize(("ranks", "workers"), [(4, 2), (3, 1), (5, 2)])
def test_row_groups_are_shared_out_among_ranks_and_workers_without_remainder(
    sharded: Path, tmp_path: Path, ranks: int, workers: int
) -> None:
    before = contents(sharded)
    folder = tmp_path / "bagel"
    exported = export("bagel", sharded, folder, ranks=ranks, num_workers=workers)
    rows = check_bagel(folder)
    assert len(rows) % (ranks * workers) == 0
    assert sum(rows) == exported.rows == 25
    assert min(rows) >= 1
    assert contents(sharded) == before
    assert all_rows(folder) == all_rows(sharded / "bagel")


def all_rows(folder: Path) -> list[dict[str, Any]]:
    return [
        row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


@pytest.mark.parametrize(("rows", "gpus"), [(25, 8), (9, 8), (5, 5), (1, 1)])
def test_without_options_every_gpu_of_the_launch_script_reads_as_much(
    sharded: Path, tmp_path: Path, rows: int, gpus: int
) -> None:
    folder = tmp_path / "bagel"
    exported = export("bagel", sharded, folder, selection=Selection(limit=rows))
    groups = check_bagel(folder)
    assert len(groups) % gpus == 0
    assert sum(groups) == rows
    assert f"GPUS=${{GPUS:-{gpus}}}" in (folder / "train.sh").read_text()
    assert not TRAINERS["bagel"].notes(exported)


def test_in_place_the_launch_script_has_no_more_gpus_than_there_are_row_groups(
    samples: list[Case], tmp_path: Path
) -> None:
    source = write_release(tmp_path / "release", samples[:5])
    dataset = tmp_path / "mico-150k"
    Build.prepare(open_source(str(source)), dataset, BuildOptions()).run()
    groups = len(list(row_groups(dataset / "bagel")))
    assert groups < 8
    exported = export("bagel", dataset, None)
    assert f"GPUS=${{GPUS:-{groups}}}" in (dataset / "bagel" / "train.sh").read_text()
    assert not TRAINERS["bagel"].notes(exported)


def test_more_readers_than_rows_are_refused(sharded: Path, tmp_path: Path) -> None:
    with pytest.raises(OverLimit, match=r"25 rows are fewer than 8 ranks × 4"):
        export("bagel", sharded, tmp_path / "bagel", ranks=8, num_workers=4)


def test_chosen_rows_of_bagel_are_written_anew(sharded: Path, tmp_path: Path) -> None:
    selection = Selection(where="task = 'hoi'")
    exported = export("bagel", sharded, tmp_path / "bagel", selection=selection)
    check_bagel(tmp_path / "bagel")
    dataset = open_dataset(sharded)
    chosen = selection.of(dataset.index())
    expected = [sample for group in dataset.samples(chosen) for sample in group]
    found = all_rows(tmp_path / "bagel")
    assert exported.rows == len(found) == len(expected) == 6
    for row, sample in zip(found, expected, strict=True):
        assert row["image_list"] == [bytes(image.data) for image in sample.images]
        assert row["instruction"] == sample.instruction


def test_spread_keeps_every_row_and_its_order() -> None:
    assert spread({"a": [4, 4], "b": [1]}, 4) == {"a": [2, 2, 4], "b": [1]}
    assert spread({"a": [1], "b": [1]}, 2) == {"a": [1], "b": [1]}


def test_inputs_are_cut_where_that_is_asked_for(sharded: Path, tmp_path: Path) -> None:
    exported = export("blip3o", sharded, tmp_path / "cut", over_limit=OverLimitPolicy.TRUNCATE)
    found = records(tmp_path / "cut", "blip3o")
    assert max(len(record["input_images"]) for record in found) == 4
    assert exported.rows + sum(exported.skipped.values()) == exported.rows_chosen == 25


def test_an_export_of_fewer_inputs_is_another_one_and_says_why(
    sharded: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    exported = export("blip3o", sharded, folder, max_inputs=2)
    assert max(len(record["input_images"]) for record in records(folder, "blip3o")) == 2
    asked = exported.skipped["max-inputs"]
    start = (folder / "START.md").read_text()
    assert f"| {asked} | more than 2 inputs | `--max-inputs` asked for it |" in start
    assert f"| {exported.skipped['inputs']} | more than 4 inputs |" in start
    with pytest.raises(OutputRefused, match="holds another export"):
        export("blip3o", sharded, folder, max_inputs=3)


def test_bagel_is_measured_and_written_with_the_inputs_that_are_kept(
    sharded: Path, tmp_path: Path
) -> None:
    class Counting(BagelTrainer):
        def measure(self, rows: Iterable[Candidate]) -> dict[str, Any]:
            return {"inputs": [len(row.inputs) for row in rows]}

    folder = tmp_path / "bagel"
    cut = {"over_limit": OverLimitPolicy.TRUNCATE, "max_inputs": 1}
    exported = export("bagel", sharded, folder, **cut)
    assert exported.truncated
    assert {len(row["image_list"]) for row in all_rows(folder)} == {2}
    job = ExportJob.prepare(open_dataset(sharded), Counting(), folder, ExportOptions(**cut))
    assert job.exported().measured["inputs"] == [1] * exported.rows
    with pytest.raises(UsageError, match="every row"):
        export("bagel", sharded, None, max_inputs=2)


@pytest.mark.parametrize("trainer", PATH_TRAINERS)
def test_a_moved_export_is_true_again_after_relocate(
    sharded: Path, tmp_path: Path, trainer: str
) -> None:
    export(trainer, sharded, tmp_path / "before")
    old = str(tmp_path / "before")
    moved = (tmp_path / "before").rename(tmp_path / ODD_NAME)
    exported = relocate(moved, TRAINERS[trainer])
    for path in moved.iterdir():
        if path.is_file():
            assert old not in path.read_text(encoding="utf-8"), path.name
    assert_records(exported, exported_samples(sharded, trainer))


def test_a_moved_export_for_bagel_is_true_again_after_relocate(
    sharded: Path, tmp_path: Path
) -> None:
    export("bagel", sharded, tmp_path / "before")
    moved = (tmp_path / "before").rename(tmp_path / ODD_NAME)
    exported = relocate(moved, TRAINERS["bagel"])
    assert sum(check_bagel(moved)) == exported.rows == 25
    for path in moved.iterdir():
        if path.suffix != ".parquet":
            assert str(tmp_path / "before") not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("trainer", ["bagel", "dimoo"])
def test_a_dataset_may_lie_in_a_folder_of_any_name(
    sharded: Path, tmp_path: Path, trainer: str
) -> None:
    # With what URLs and patterns of names trip over as well.
    source = shutil.copytree(sharded, tmp_path / ODD_NAME / "[1]*?" / "100%41 #2")
    chosen = {"selection": Selection(where="task = 'hoi'")}
    folder = tmp_path / "out"
    export(trainer, sharded, folder, **chosen)
    expected = contents(folder)
    shutil.rmtree(folder)
    export(trainer, source, folder, **chosen)
    found = contents(folder)
    assert {name for name in found if found[name] != expected[name]} == {"START.md", "export.json"}
    assert str(source) in (folder / "START.md").read_text()
    if trainer == "bagel":
        export("bagel", source, None)
        check_bagel(source / "bagel")


def test_a_folder_that_the_trainer_cannot_read_from_is_refused_before_anything_is_written(
    sharded: Path, tmp_path: Path
) -> None:
    class Picky(Blip3oTrainer):
        def check_place(self, root: Path) -> None:
            if "#" in root.name:
                msg = f"{root} has a #"
                raise OutputRefused(msg)

    with pytest.raises(OutputRefused, match="out#1 has a #"):
        ExportJob.prepare(open_dataset(sharded), Picky(), tmp_path / "out#1", ExportOptions())
    assert not list(tmp_path.iterdir())
    export("blip3o", sharded, tmp_path / "out")
    moved = (tmp_path / "out").rename(tmp_path / "out#2")
    before = contents(moved)
    with pytest.raises(OutputRefused, match="out#2 has a #"):
        relocate(moved, Picky())
    assert contents(moved) == before


def test_relocate_leaves_an_instruction_alone_that_looks_like_a_path() -> None:
    from mico_150k.export.image_export import _moved

    record = {"instruction": "/a is a path", "input_images": ["/a/x.png"], "output_image": "/ab/y"}
    assert _moved(record, "/a", "/b") == {
        "instruction": "/a is a path",
        "input_images": ["/b/x.png"],
        "output_image": "/ab/y",
    }


def test_an_export_that_is_finished_is_not_made_again(sharded: Path, tmp_path: Path) -> None:
    first = export("blip3o", sharded, tmp_path / "out")
    before = contents(tmp_path / "out")
    image = next((tmp_path / "out" / "images").rglob("*.png"))
    stamp = image.stat().st_mtime_ns
    assert export("blip3o", sharded, tmp_path / "out") == first
    assert contents(tmp_path / "out") == before
    assert image.stat().st_mtime_ns == stamp


def test_another_export_in_the_folder_is_refused(sharded: Path, tmp_path: Path) -> None:
    export("blip3o", sharded, tmp_path / "out")
    with pytest.raises(OutputRefused, match="holds another export"):
        export("blip3o", sharded, tmp_path / "out", selection=Selection(limit=3))
    exported = export(
        "blip3o", sharded, tmp_path / "out", selection=Selection(limit=3), overwrite=True
    )
    assert len(records(tmp_path / "out", "blip3o")) == exported.rows <= 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputRefused, match="files that no export has written"):
        export("blip3o", sharded, tmp_path / "mine")


@pytest.mark.parametrize("stop_at", [1, 7, 20])
@pytest.mark.parametrize("trainer", PATH_TRAINERS)
def test_an_interrupted_export_ends_with_the_same_bytes(
    sharded: Path, tmp_path: Path, trainer: str, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    export(trainer, sharded, folder)
    whole = contents(folder)
    shutil.rmtree(folder)
    put, count = ImageStore.put, 0

    def stop(self: ImageStore, image: Any) -> int:
        nonlocal count
        count += 1
        if count > stop_at:
            raise KeyboardInterrupt
        return put(self, image)

    monkeypatch.setattr(ImageStore, "put", stop)
    with pytest.raises(KeyboardInterrupt):
        export(trainer, sharded, folder)
    assert not (folder / PATH_TRAINERS[trainer].records).exists()
    monkeypatch.undo()
    export(trainer, sharded, folder)
    assert contents(folder) == whole


def test_a_resumed_export_fetches_nothing_whose_images_are_there(
    sharded: Path, tmp_path: Path
) -> None:
    with serve(sharded.parent) as web:
        source = f"{web.address}/mico-150k"
        export("dimoo", source, tmp_path / "one", images=tmp_path / "images")
        first = dict(web.sent)
        web.sent.clear()
        export("dimoo", source, tmp_path / "two", images=tmp_path / "images")
    images = [name for name in first if "/index/" not in name and name.endswith(".parquet")]
    assert images
    assert not set(images) & set(web.sent)


@pytest.mark.slow
@pytest.mark.parametrize("trainer", TRAINERS)
def test_killed_at_any_moment_an_export_goes_on(
    sharded: Path, tmp_path: Path, trainer: str
) -> None:
    command = [sys.executable, "-m", "mico_150k", "export", trainer, str(sharded)]
    command += ["--format", "images", "--out"] if trainer == "dimoo" else ["--out"]
    if trainer == "bagel":
        command = [*command[:-1], "--ranks", "4", "--num-workers", "2", "--out"]
    folder = tmp_path / "out"
    started = time.monotonic()
    subprocess.run([*command, str(folder)], check=True, capture_output=True)
    lasted = time.monotonic() - started
    whole = contents(folder)
    shutil.rmtree(folder)
    for share in (0.5, 0.8, 0.9, 0.97):
        process = subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL)
        time.sleep(lasted * share)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(folder)], check=True, capture_output=True)
    found = contents(folder)
    assert {name: found[name] for name in whole} == whole
    # A killed writer leaves at most the file that it was writing, under no name that is read.
    assert all(name.endswith(".partial") for name in set(found) - set(whole))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize(
    ("trainer", "refused"), [("dimoo", "out"), ("dimoo", "images"), ("bagel", "mico-150k/bagel")]
)
def test_a_folder_that_may_not_be_written_to_is_named(
    sharded: Path, tmp_path: Path, trainer: str, refused: str, number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place = tmp_path / refused
    if trainer == "bagel":  # in place, in a dataset that is somebody else's
        to, how = None, {}
        source = shutil.copytree(sharded, tmp_path / "mico-150k")
    else:
        source, to, how = sharded, tmp_path / "out", {"images": tmp_path / "images"}
    make = Path.mkdir

    def refuse(self: Path, *args: Any, **how: Any) -> None:
        if self.is_relative_to(place):
            raise OSError(number, os.strerror(number))
        make(self, *args, **how)

    monkeypatch.setattr(Path, "mkdir", refuse)
    there = place.exists() and contents(place)
    with pytest.raises(OutputRefused, match=rf"^{place}\S* cannot be written: .*another folder"):
        export(trainer, source, to, **how)
    assert (place.exists() and contents(place)) == there
    monkeypatch.undo()
    assert export(trainer, source, to, **how).rows > 10


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, under: Callable[[Path], bool]) -> None:
    """No file gets its bytes of which this is true; every write to this device fails so."""
    open_, writer = Path.open, image_writer

    def opened(self: Path, mode: str = "r", **how: Any) -> Any:
        if "w" in mode and under(self):
            self.touch()
            return open_(Path("/dev/full"), mode, **how)
        return open_(self, mode, **how)

    def written(path: Path, columns: Columns) -> pq.ParquetWriter:
        path.touch()
        return writer(Path("/dev/full") if under(path) else path, columns)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr("mico_150k.dataset.config_file.image_writer", written)


@pytest.mark.parametrize(
    ("trainer", "name"),
    [
        ("blip3o", "images/8"),
        ("blip3o", "images/.known/"),
        ("blip3o", ".export/parts/00001.jsonl"),
        ("blip3o", "BLIP3o-MICo.json"),
        ("bagel", "train-00002.parquet"),
        ("bagel", "START.md"),
        ("bagel", "export.json"),
    ],
)
def test_a_disk_that_fills_up_is_said_and_the_same_command_goes_on_to_the_same_bytes(
    sharded: Path, tmp_path: Path, trainer: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    how: dict[str, Any] = {"selection": Selection(where="num_inputs <= 3")}  # no shard is a link
    if trainer == "bagel":
        how["ranks"] = 1  # nor is one written twice
    export(trainer, sharded, folder, **how)
    whole = contents(folder)
    shutil.rmtree(folder)
    full = str(folder / name)
    fill_the_disk(monkeypatch, lambda path: str(path).startswith(full))
    with pytest.raises(DiskTooSmall, match=f"^{full}.*the disk is full.*re-run the command"):
        export(trainer, sharded, folder, **how)
    monkeypatch.undo()
    left = everything(folder)
    assert left
    assert not [path for path in left if str(folder / path).startswith(full)]
    assert not [path for path in left if path.endswith(".partial")]
    finished = {path: digest for path, digest in contents(folder).items() if path in whole}
    assert finished.items() <= whole.items()
    export(trainer, sharded, folder, **how)
    assert contents(folder) == whole


def test_chosen_rows_cost_their_row_groups_over_http(sharded: Path, tmp_path: Path) -> None:
    with serve(sharded.parent) as web:
        selection = Selection(where="id = 'hoi/3'")
        exported = export(
            "dimoo", f"{web.address}/mico-150k", tmp_path / "out", selection=selection
        )
        sent = {name: size for name, size in web.sent.items() if "/index/" not in name}
    assert exported.rows == 1
    parquet = [name for name in sent if name.endswith(".parquet")]
    assert len(parquet) == 1


def test_a_path_trainer_wants_to_know_where(sharded: Path) -> None:
    with pytest.raises(UsageError, match="choose a folder with --out"):
        export("blip3o", sharded, None)
    with pytest.raises(UsageError, match="every row"):
        export("bagel", sharded, None, selection=Selection(limit=2))


def test_nothing_left_to_export_is_an_error(sharded: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of"):
        export("blip3o", sharded, tmp_path / "out", selection=Selection(where="num_inputs > 4"))
