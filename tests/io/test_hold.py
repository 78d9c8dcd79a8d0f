"""Two runs in one folder, and what killed ones have left there: commands, as users run them."""

import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from mico_150k.builders import TRAINERS

from mico_150k.card.file import License, write_card
from mico_150k.core.errors import DiskTooSmall, OutputRefused
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.index import write_index
from mico_150k.dataset.reader import open_dataset
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import relocate, run_export
from mico_150k.inspection.check import check_dataset
from mico_150k.inspection.dataset import write_assets
from mico_150k.inspection.statistics import make_statistics
from mico_150k.io import temporary
from mico_150k.io.hold import hold
from mico_150k.io.temporary import partial
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement

from ..commands import WRONG_USAGE, runner
from ..folders import contents as everything
from ..pretokenize.material import add_codes, make_codes
from ..refine.refining import build_of_them, distinct_cases, refine
from ..runs import Runs


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of several shards."""
    return build_of_them(distinct_cases(), tmp_path_factory.mktemp("hold"))


@pytest.fixture(scope="module")
def codes(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the configuration of codes."""
    folder = Path(shutil.copytree(dataset, tmp_path_factory.mktemp("codes") / dataset.name))
    add_codes(DatasetFolder(folder))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    folder = tmp_path / "runs"
    folder.mkdir()
    return Runs(folder)


def contents(folder: Path) -> dict[str, str]:
    """Every file but the lists of known images, whose number depends on where a run was stopped."""
    return {
        path: digest
        for path, digest in everything(folder).items()
        if ".known" not in path or path.endswith(".partial")
    }


@dataclass(frozen=True)
class Kind:
    """A command, by the dataset, codes and where it writes: `copies` is whether into a dataset."""

    arguments: Callable[[Path, Path, Path], list[object]]
    copies: bool = False


KINDS = {
    "build": Kind(
        lambda dataset, codes, out: [
            *("build", dataset.parent / "release", "--out", out, "--workers", 1),
            *("--config", "bagel", "--config", "sample", "--shard-mb", 1, "--json"),
        ]
    ),
    "refine": Kind(
        lambda dataset, codes, out: [
            *("refine", dataset, "--out", out, "--validation", 6, "--max-loss", 0.5, "--json")
        ]
    ),
    "dimoo": Kind(
        lambda dataset, codes, out: [
            *("export", "dimoo", dataset, "--format", "images", "--out", out)
        ]
    ),
    "bagel": Kind(
        lambda dataset, codes, out: [*("export", "bagel", dataset, "--out", out, "--ranks", 5)]
    ),
    "bagel in place": Kind(
        lambda dataset, codes, out: ["export", "bagel", out, "--in-place"], copies=True
    ),
    "dimoo of codes": Kind(lambda dataset, codes, out: ["export", "dimoo", codes, "--out", out]),
    "card": Kind(lambda dataset, codes, out: ["card", out, "--license", "mit"], copies=True),
    "plots": Kind(lambda dataset, codes, out: ["inspect", out, "--plots"], copies=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_killed_while_it_writes_any_file_the_same_command_leaves_nothing_of_it(
    dataset: Path, codes: Path, tmp_path: Path, runs: Runs, name: str
) -> None:
    if name == "plots":
        pytest.importorskip("matplotlib")
    kind, out = KINDS[name], tmp_path / "out"
    arguments = kind.arguments(dataset, codes, out)

    def begin() -> None:
        shutil.rmtree(out, ignore_errors=True)
        if kind.copies:
            shutil.copytree(dataset, out)

    begin()
    count = runs.finish(*arguments)
    whole = contents(out)
    if (out / layout.MANIFEST).exists():
        assert not [found for found in check_dataset(DatasetFolder(out)) if found.fault]
    points = sorted({0, count // 3, 2 * count // 3, max(0, count - 2), count - 1})
    machines = itertools.cycle(("", "elsewhere"))
    for at, machine in zip(points, machines, strict=False):
        begin()
        runs.kill(at, *arguments, machine=machine)
        assert list(out.rglob("*.partial"))
        runs.finish(*arguments)
        there = contents(out)
        if machine:  # exports of that machine may be sharing this one's images still
            there = {path: there[path] for path in there if not is_half_an_image(path)}
        assert there == whole, at


def is_half_an_image(path: str) -> bool:
    return path.startswith("images/") and path.endswith(".partial")


@pytest.mark.slow
def test_half_an_image_of_another_machine_goes_after_a_day(
    dataset: Path, tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = KINDS["dimoo"].arguments(dataset, dataset, out)
    runs.kill(3, *arguments, machine="elsewhere")
    job = ExportJob.prepare(open_dataset(dataset), TRAINERS["dimoo"], out, ExportOptions())
    run_export(job)
    halves = list(out.rglob("*.partial"))
    run_export(job)
    assert halves == list(out.rglob("*.partial")) != []
    monkeypatch.setattr(temporary, "ABANDONED_SECONDS", -1)
    run_export(job)
    assert not list(out.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "refine", "dimoo", "bagel"])
def test_a_second_run_in_the_folder_is_told_who_writes_there_and_changes_nothing(
    dataset: Path,
    codes: Path,
    tmp_path: Path,
    runs: Runs,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = KINDS[name].arguments(dataset, codes, out)
    count = runs.finish(*arguments)
    whole = contents(out)
    shutil.rmtree(out)
    mico = runner(tmp_path, monkeypatch, capsys)
    for at in (1, count // 2, count - 1):
        with runs.waiting(at, *arguments) as first:
            before = everything(out)
            for again in (arguments, [*arguments, "--overwrite"]):
                second = mico(*again)
                assert second.returncode == WRONG_USAGE
                who = " ".join(second.stderr.split())
                assert f"process {first.pid} on " in who
                assert "is writing to it. Wait until it has finished" in who
            after = everything(out)
            # Other threads of the first one write on.
            assert {path for path in {*before, *after} if before.get(path) != after.get(path)} <= {
                *filter(is_half_an_image, {*before, *after})
            }
        assert contents(out) == whole
        shutil.rmtree(out)


@pytest.mark.parametrize("name", ["build", "refine", "dimoo", "bagel", "dimoo of codes"])
def test_of_three_at_once_one_succeeds_and_the_others_are_told(
    dataset: Path, codes: Path, tmp_path: Path, runs: Runs, name: str
) -> None:
    out = tmp_path / "out"
    arguments = KINDS[name].arguments(dataset, codes, out)
    runs.finish(*arguments)
    whole = contents(out)
    shutil.rmtree(out)
    ended = runs.at_once(3, *arguments)
    assert 0 in [status for status, _ in ended]
    for status, said in ended:
        # One that begins when another has just ended finds all done.
        assert status == 0 or "is writing to it" in " ".join(said.split()), said
    assert contents(out) == whole


def test_two_exports_at_once_share_a_folder_of_images(
    dataset: Path, tmp_path: Path, runs: Runs
) -> None:
    images = tmp_path / "images"

    def arguments(trainer: str, images: Path) -> list[object]:
        to = tmp_path / trainer
        kind = ["--format", "images"] if trainer == "dimoo" else []
        return ["export", trainer, dataset, *kind, "--out", to, "--images", images]

    alone = tmp_path / "alone"
    for trainer in ("dimoo", "omnigen2"):
        runs.finish(*arguments(trainer, alone))
        shutil.rmtree(tmp_path / trainer)
    go = tmp_path / "go"
    both = [
        runs.start(trainer, *arguments(trainer, images), begin=str(go))
        for trainer in ("dimoo", "omnigen2")
    ]
    go.touch()
    for trainer, process in zip(("dimoo", "omnigen2"), both, strict=True):
        process.join()
        assert process.exitcode == 0, runs.said(trainer)
    assert contents(images) == contents(alone)
    assert not list(images.rglob("*.partial"))


def in_place(folder: Path) -> None:
    job = ExportJob.prepare(open_dataset(folder), TRAINERS["bagel"], None, ExportOptions())
    run_export(job)


def plots(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    opened = open_dataset(folder)
    write_assets(opened, make_statistics(opened.index()))


WRITERS: dict[str, Callable[[Path], object]] = {
    "card": lambda folder: write_card(DatasetFolder(folder), License("mit")),
    "plots": plots,
    "codes": lambda folder: add_codes(DatasetFolder(folder)),
    "export in place": in_place,
    "relocate": lambda folder: relocate(folder / "bagel", TRAINERS["bagel"]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_writes_into_a_dataset_folder_waits_for_no_build_and_spoils_none(
    dataset: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(dataset, tmp_path / "mico-150k"))
    in_place(folder)
    make_codes(DatasetFolder(folder))
    before = everything(folder)
    with hold(folder, work=layout.WORK, who="`mico build`"):
        with pytest.raises(OutputRefused, match="is writing to it"):
            WRITERS[name](folder)
        shutil.rmtree(folder / layout.WORK)
        assert everything(folder) == before
    WRITERS[name](folder)
    assert not [found for found in check_dataset(DatasetFolder(folder)) if found.fault]


def test_an_export_that_is_relocated_is_not_exported_into_meanwhile(
    dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    job = ExportJob.prepare(open_dataset(dataset), TRAINERS["dimoo"], out, ExportOptions())
    run_export(job)
    with hold(out):
        for write in (
            lambda: run_export(job),
            lambda: run_export(job, overwrite=True),
            lambda: relocate(out, TRAINERS["dimoo"]),
        ):
            with pytest.raises(OutputRefused, match="another run is writing to it"):
                write()


def test_a_finished_build_that_is_run_again_removes_what_something_else_has_left(
    dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refine(dataset, out, sample=9)
    whole = everything(out)
    for path in (
        out / layout.CARD,
        out / "assets" / "plots.png",
        out / "bagel" / "train-1.parquet",
    ):
        path.parent.mkdir(exist_ok=True)
        partial(path, "elsewhere-12-abcdef01").write_bytes(b"half")
    (out / layout.WORK / "records").mkdir(parents=True)
    assert [found for found in check_dataset(DatasetFolder(out)) if found.fault]
    refine(dataset, out, sample=9)
    assert everything(out) == whole
    assert not (out / layout.WORK).exists()


def test_a_refinement_that_is_refused_leaves_the_other_dataset_as_it_was(
    dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refine(dataset, out, sample=9)
    before = sorted(out.rglob("*"))
    with pytest.raises(OutputRefused, match="holds another build"):
        refine(dataset, out, sample=8)
    assert sorted(out.rglob("*")) == before


def test_a_refinement_for_which_there_is_no_room_claims_nothing(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.refine.refinement.free_space", lambda _: 10)
    with pytest.raises(DiskTooSmall):
        refine(dataset, tmp_path / "out", sample=9)
    monkeypatch.undo()
    refine(dataset, tmp_path / "out", sample=8)


@pytest.mark.parametrize("what", ["index", "card", "shard"])
def test_a_disk_that_is_full_in_the_midst_leaves_nothing_half_written(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    targets = {
        "index": "mico_150k.dataset.index._regrouped",
        "card": "mico_150k.io.files._bring_to_disk",
        "shard": "mico_150k.dataset.config_file.settle",
    }
    monkeypatch.setattr(targets[what], full)
    out = tmp_path / "out"
    planned = Refinement.prepare(dataset, out, RefineOptions(validation=6, max_loss=0.5))
    with pytest.raises((DiskTooSmall, OSError)):
        planned.run()
    monkeypatch.undo()
    assert not list(out.rglob("*.partial"))
    planned.run()
    assert not [found for found in check_dataset(DatasetFolder(out)) if found.fault]


def test_two_processes_never_write_one_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "train-00000.parquet"
    (tmp_path / f"{path.name}.partial").write_bytes(b"another's")
    here = partial(path)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert partial(path) != here
    write_index([], path)
    assert (tmp_path / f"{path.name}.partial").read_bytes() == b"another's"


def test_below_a_folder_that_is_held_links_to_others_are_left_alone(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / "bagel").symlink_to(elsewhere)
    mine = partial(elsewhere / "a", "host-1-abcdef01")
    mine.touch()
    notes = folder / "notes.partial"
    notes.write_text("not a run's")
    with hold(folder, ("bagel",)):
        pass
    assert mine.exists()
    assert notes.exists()
    (tmp_path / "link").symlink_to(folder)
    partial(folder / "a", "host-1-abcdef01").touch()
    (folder / "train-00000.parquet.partial").touch()  # of a version that knew no marks
    with hold(tmp_path / "link"):
        assert sorted(path.name for path in folder.iterdir()) == ["bagel", "notes.partial"]
