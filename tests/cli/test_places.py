"""A folder that a reader would take for a pattern is refused before anything is made in it."""

import os
from pathlib import Path

import pytest
from mico_150k.builders import TRAINERS

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.output import refuse_source
from mico_150k.core.errors import OutputRefused
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.sources import open_source

from ..commands import DONE, FAILED, WRONG_USAGE, Mico, runner

ODD = ["run [2]", "what?", "all*", "a::b"]


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    return runner(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("odd", ODD)
def test_a_build_looks_at_the_folder_and_not_at_how_it_is_named(
    mico: Mico, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    (tmp_path / odd).mkdir()
    (tmp_path / "plain").symlink_to(odd)
    monkeypatch.chdir(tmp_path / odd)
    for out in ("mico-150k", "../plain/x", tmp_path / odd / "x"):
        done = mico("build", release, "--out", out)
        assert done.returncode == WRONG_USAGE, done.stderr
        assert "`load_dataset` reads" in done.stderr
    assert not list((tmp_path / odd).iterdir())
    with pytest.raises(OutputRefused):
        Build.prepare(open_source(str(release)), Path("x"), BuildOptions())


def test_a_link_with_an_odd_name_to_a_plain_folder_is_fine(
    mico: Mico, release: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "[1]").symlink_to("there")
    done = mico("build", release, "--out", tmp_path / "[1]" / "x", "--config", "bagel")
    assert done.returncode == DONE, done.stderr


@pytest.mark.parametrize("odd", ODD)
def test_a_refinement_is_refused_there_before_it_decides(
    dataset: Path, tmp_path: Path, odd: str
) -> None:
    (tmp_path / odd).mkdir()
    options = RefineOptions(selection=Selection(sample=2))
    with pytest.raises(OutputRefused, match="load_dataset"):
        Refinement.prepare(str(dataset), tmp_path / odd / "out", options)


@pytest.mark.parametrize("odd", ODD)
def test_check_says_that_such_a_folder_would_not_be_found(
    mico: Mico, dataset: Path, tmp_path: Path, odd: str
) -> None:
    folder = tmp_path / odd / "mico-150k"
    folder.parent.mkdir()
    for path in (path for path in dataset.rglob("*") if path.is_file()):
        target = folder / path.relative_to(dataset)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    done = mico("check", folder)
    assert done.returncode == FAILED
    assert "rename the folder" in done.stdout.replace("\n", " ")
    assert "1 fault\n" in done.stderr


TAKEN = {(name, odd) for name in ("musubi", "musubi-flux2") for odd in ODD[:3]}
TAKEN |= {("omnigen2", odd) for odd in ODD}
"""The trainers that look for a path by a pattern, or through `datasets`."""


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", TRAINERS)
def test_an_export_is_refused_where_its_trainer_would_look_elsewhere_and_nowhere_else(
    dataset: Path, tmp_path: Path, name: str, odd: str
) -> None:
    def prepare() -> ExportJob:
        return ExportJob.prepare(
            open_dataset(dataset), TRAINERS[name], tmp_path / odd / "out", ExportOptions()
        )

    if (name, odd) in TAKEN:
        with pytest.raises(OutputRefused, match="would not find these files"):
            prepare()
    else:
        assert prepare().to == tmp_path / odd / "out"
    assert not (tmp_path / odd).exists()


def test_a_name_that_is_not_utf_8_is_refused(dataset: Path, release: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9"))
    with pytest.raises(OutputRefused, match="UTF-8") as error:
        Build.prepare(open_source(str(release)), folder, BuildOptions())
    str(error.value).encode()
    for trainer in TRAINERS.values():
        with pytest.raises(OutputRefused, match="UTF-8"):
            ExportJob.prepare(open_dataset(dataset), trainer, folder, ExportOptions())


def test_a_source_with_colons_in_its_path_is_not_overwritten(release: Path, tmp_path: Path) -> None:
    (tmp_path / "x::y").mkdir()
    source = tmp_path / "x::y" / "release"
    source.symlink_to(release)
    with pytest.raises(OutputRefused, match="the source itself"):
        refuse_source(source, open_source(str(source)))


@pytest.mark.parametrize("file", ["", "HumanObjectInteraction/part-0.parquet"])
def test_check_of_a_release_says_that_it_is_a_source(mico: Mico, release: Path, file: str) -> None:
    done = mico("check", release / file)
    assert done.returncode == FAILED
    said = done.stderr.replace("\n", " ")
    assert "is a source and not a dataset" in said
    assert "`mico build " in said
