"""What 0.1.0 has written is refused: who wrote it, and how it is made again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mico_150k.dataset import layout

from ..commands import DONE, FAILED, WRONG_USAGE, Mico, runner

COMMANDS: dict[str, list[object]] = {
    "inspect": ["inspect", "old"],
    "check": ["check", "old"],
    "preview": ["preview", "old", "--out", "page.html"],
    "card": ["card", "old"],
    "export": ["export", "omnigen2", "old", "--out", "exported"],
    "in-place": ["export", "bagel", "old", "--in-place"],
    "refine": ["refine", "old", "--out", "refined", "--sample", "3"],
    "refined-there": ["refine", "old", "--out", "old", "--sample", "3"],
    "pretokenize": ["pretokenize", "old", "--vq", "vq"],
}
OLD_BUILD = {"source": "parquet", "plan": "ab", "options": {}, "versions": {"mico-150k": "0.1.0"}}


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    return runner(tmp_path, monkeypatch, capsys)


@pytest.fixture
def old(dataset: Path, tmp_path: Path) -> Path:
    """A dataset folder as 0.1.0 wrote it, as far as it was other."""
    folder = tmp_path / "old"
    shutil.copytree(dataset, folder, copy_function=shutil.copyfile)
    edit(folder, format="mico-150k/1", build=OLD_BUILD, left_out={})
    return folder


def edit(folder: Path, **values: Any) -> None:
    path = folder / layout.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_a_dataset_of_010_and_leaves_it_alone(
    command: str, old: Path, mico: Mico
) -> None:
    before = contents(old)
    done = mico(*COMMANDS[command])
    assert done.returncode in {FAILED, WRONG_USAGE}
    assert "was written by mico-150k 0.1.0, as mico-150k/1" in " ".join(done.stderr.split())
    assert "Rebuild it: `mico build SOURCE --out FOLDER`" in done.stderr
    assert contents(old) == before


def test_one_of_a_version_to_come_is_refused_as_well(old: Path, mico: Mico) -> None:
    edit(old, format="mico-150k/3", build={"versions": {"mico-150k": "9.0"}})
    assert "was written by mico-150k 9.0, as mico-150k/3" in mico("check", old).stderr
    edit(old, format="mico-150k/3", build=[])
    assert "was written by another mico-150k, as mico-150k/3" in mico("check", old).stderr


def test_a_torch_dataset_refuses_it(old: Path) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install '.[train]'")
    from mico_150k.core.errors import OtherFormat
    from mico_150k.loaders.torch import TrainingRows

    with pytest.raises(OtherFormat, match="Rebuild it"):
        TrainingRows(old)


@pytest.mark.usefixtures("old")
def test_a_build_does_not_go_on_in_it_and_overwrites_it(release: Path, mico: Mico) -> None:
    done = mico("build", release, "--out", "old", "--config", "bagel")
    assert done.returncode == WRONG_USAGE
    assert "holds a build of mico-150k 0.1.0, which this version cannot use" in done.stderr
    assert "Rebuild it: `mico build SOURCE --out FOLDER`" in done.stderr
    done = mico("build", release, "--out", "old", "--config", "bagel", "--overwrite")
    assert done.returncode == DONE, done.stderr
    assert mico("check", "old").returncode == DONE


def test_a_build_that_010_has_begun_does_not_go_on(
    release: Path, tmp_path: Path, mico: Mico
) -> None:
    work = tmp_path / "begun" / layout.WORK
    (work / "records").mkdir(parents=True)
    (work / layout.BUILD).write_text(json.dumps({"identity": OLD_BUILD, "stamps": {"a": "1-2"}}))
    done = mico("build", release, "--out", "begun", "--config", "bagel")
    assert done.returncode == WRONG_USAGE
    assert "begun holds a build of mico-150k 0.1.0, which this version cannot" in done.stderr
    done = mico("build", release, "--out", "begun", "--config", "bagel", "--overwrite")
    assert done.returncode == DONE, done.stderr


def test_it_is_no_part_of_a_source(old: Path, release: Path, tmp_path: Path, mico: Mico) -> None:
    source = tmp_path / "source"
    shutil.copytree(release, source)
    old.rename(source / "mico-150k")
    done = mico("build", source, "--out", "new", "--config", "bagel")
    assert done.returncode == DONE, done.stderr
    assert "24 rows read" in done.stderr


def test_an_export_of_010_is_made_again(dataset: Path, tmp_path: Path, mico: Mico) -> None:
    export = ("export", "omnigen2", dataset, "--out", "exported")
    assert mico(*export).returncode == DONE
    path = tmp_path / "exported" / "export.json"
    plain = json.loads(path.read_text())
    identity = {**plain["identity"], "version": "0.1.0"}
    del identity["versions"]
    path.write_text(json.dumps({**plain, "format": "mico-150k-export/1", "identity": identity}))
    done = mico("relocate", "exported")
    assert done.returncode == FAILED
    said = " ".join(done.stderr.split())
    assert "was written by mico-150k 0.1.0, as mico-150k-export/1" in said
    assert "Export it again" in said
    done = mico(*export)
    assert done.returncode == WRONG_USAGE
    assert "holds an export of mico-150k 0.1.0, which this version cannot use" in done.stderr
    assert mico(*export, "--overwrite").returncode == DONE
    assert json.loads(path.read_text())["format"] == "mico-150k-export/2"
