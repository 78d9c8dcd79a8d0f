"""Every command has a twin in Python that does the same."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import mico_150k
from mico_150k.core.errors import MissingPackage, NotADataset, UsageError
from mico_150k.core.progress import Progress
from mico_150k.loaders.huggingface import Mico150k

from ..clones import write_clone
from ..commands import DONE, Mico, runner
from ..folders import contents


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    return runner(tmp_path, monkeypatch, capsys)


def stdout(mico: Mico, *arguments: object) -> Any:
    """What a command prints as JSON."""
    done = mico(*arguments, "--json")
    assert done.returncode == DONE, done.stderr
    return json.loads(done.stdout)


def plain(result: Any) -> Any:
    """A result as the command prints it."""
    from dataclasses import asdict

    return json.loads(json.dumps(asdict(result)))


def test_build_dataset(release: Path, tmp_path: Path, mico: Mico) -> None:
    options = ("--config", "bagel", "--shard-mb", 1, "--seed", 3, "--license", "mit")
    said = stdout(mico, "build", release, "--out", "said", *options)
    seen: list[Progress] = []
    made = mico_150k.build_dataset(
        release, tmp_path / "made", configs=("bagel",), shard_mb=1, seed=3, license="mit",
        on_progress=seen.append,
    )  # fmt: skip
    assert contents(tmp_path / "made") == contents(tmp_path / "said")
    assert {**plain(made), "seconds": 0, "location": "said"} == {**said, "seconds": 0}
    assert seen[-1].rows == seen[-1].total_rows == made.report.rows_read
    assert repr(made).startswith(f"<BuildResult {tmp_path / 'made'}: 24 of 24 rows in ")


def test_build_dataset_names_its_folder_for_its_source(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = mico_150k.build_dataset(configs=["dimoo"])
    assert repr(made).startswith("<BuildResult mico-demo: 40 of 40 rows")
    made = mico_150k.build_dataset(mico_150k.open_source(release), configs=["dimoo"])
    assert repr(made).startswith("<BuildResult mico-150k: 24 of 24 rows")


def test_build_dataset_of_an_open_source(release: Path, tmp_path: Path, mico: Mico) -> None:
    rules = ("--map", "id=@row", "--exclude", "HumanObjectInteraction/*")
    assert mico("build", release, "--out", "said", "--config", "dimoo", *rules).returncode == DONE
    source = mico_150k.open_source(
        release, columns={"id": "@row"}, exclude=["HumanObjectInteraction/*"]
    )
    mico_150k.build_dataset(source, tmp_path / "made", configs=["dimoo"])
    assert contents(tmp_path / "made") == contents(tmp_path / "said")


def test_build_dataset_in_partitions(release: Path, tmp_path: Path) -> None:
    mico_150k.build_dataset(release, tmp_path / "whole", configs=["bagel"], shard_mb=1)
    for part in ("1/2", "2/2"):
        mico_150k.build_dataset(
            release, tmp_path / "parts", configs=["bagel"], shard_mb=1, partition=part
        )
    mico_150k.build_dataset(release, tmp_path / "parts", configs=["bagel"], shard_mb=1, finish=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        ({"partition": "1/2", "finish": True}, "--finish is for a build without --partition"),
        ({"partition": "1/2", "overwrite": True}, "--overwrite is for a build without --partition"),
        ({"finish": True, "workers": 2}, "--workers is for a build without --finish"),
        ({"finish": True, "max_memory": "1GB"}, "--max-memory is for a build without --finish"),
        (
            {"finish": True, "ray_address": "local"},
            "--executor ray is for a build without --finish",
        ),
        ({"finish": True, "overwrite": True}, "--overwrite is for a build without --finish"),
        ({"overwrite": True, "recheck": True}, "--recheck is for a build without --overwrite"),
        ({"ray_address": "local", "workers": 2}, "--workers is for --executor local"),
        ({"ray_address": "local", "max_memory": "1GB"}, "--max-memory is for --executor local"),
    ],
)
def test_build_dataset_refuses_arguments_without_effect(
    arguments: dict[str, Any], unused: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=f"^{unused}"):
        mico_150k.build_dataset(out=tmp_path / "made", **arguments)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        ({"tolerance": 0.5}, "--tolerance is for --benchmark"),
        ({"seed": 3}, "--seed is for --sample and --validation"),
        ({"mark": True}, "--mark and --exact need --benchmark"),
        ({"max_loss": 0.5}, "--max-loss needs --validation"),
    ],
)
def test_refine_dataset_refuses_arguments_without_effect(
    dataset: Path, tmp_path: Path, arguments: dict[str, Any], unused: str
) -> None:
    with pytest.raises(UsageError, match=f"^{unused}"):
        mico_150k.refine_dataset(dataset, tmp_path / "made", where="task = 'hoi'", **arguments)


def test_refine_dataset(dataset: Path, tmp_path: Path, mico: Mico) -> None:
    said = stdout(mico, "refine", dataset, "--out", "said", "--sample", 9, "--seed", 2)
    made = mico_150k.refine_dataset(dataset, tmp_path / "made", sample=9, seed=2)
    assert contents(tmp_path / "made") == contents(tmp_path / "said")
    for key, value in plain(made).items():
        assert key in {"seconds", "location"} or said[key] == value


def test_refine_dataset_takes_an_open_one(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = mico_150k.open_dataset(dataset)
    monkeypatch.delattr("mico_150k.refine.refinement.open_dataset")  # it is not opened again
    made = mico_150k.refine_dataset(opened, tmp_path / "x", where="task = 'hoi'")
    assert made.report.rows == 6
    with pytest.raises(UsageError, match="needs a change"):
        mico_150k.refine_dataset(opened, tmp_path / "y")


def test_decoding_is_refused_before_work_where_its_package_is_missing(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    needed = r"--verify decode needs simplejpeg: pip install '\.\[decode\]'"
    with pytest.raises(MissingPackage, match=needed):
        mico_150k.build_dataset(release, tmp_path / "out", verify="decode")
    assert not (tmp_path / "out").exists()
    with pytest.raises(MissingPackage, match=needed):
        mico_150k.inspect_source(tmp_path / "gone", images=True, verify="decode")
    load = {"data_dir": str(release), "verify": "decode", "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(MissingPackage, match=needed):
        Mico150k(config_name="bagel", **load).download_and_prepare()


def test_inspect_dataset(dataset: Path, mico: Mico) -> None:
    inspection = mico_150k.inspect_dataset(dataset)
    assert repr(inspection).startswith(f"<DatasetInspection {dataset}: 24 rows; 6 ")
    assert plain(inspection) == stdout(mico, "inspect", dataset)


def test_inspect_dataset_draws_nothing_without_matplotlib(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.inspection.plots.find_spec", lambda _: None)
    with pytest.raises(MissingPackage, match="matplotlib"):
        mico_150k.inspect_dataset(dataset, plots=True)


def test_inspect_source(release: Path, mico: Mico) -> None:
    inspection = mico_150k.inspect_source(release, images=True)
    assert repr(inspection) == (
        f"<SourceInspection {release}: parquet, 4 files, 24 rows, 0 problems>"
    )
    found = plain(inspection)
    said = stdout(mico, "inspect", release, "--images")
    for of in (found, said):  # memory and disk that are free change meanwhile
        of["forecast"] = None
    assert found == said
    assert found["images"]["rows"] == 24


def test_check_dataset(dataset: Path, mico: Mico) -> None:
    findings = [plain(finding) for finding in mico_150k.check_dataset(dataset)]
    assert findings == stdout(mico, "check", dataset)["findings"]
    assert not [finding for finding in findings if finding["fault"]]


def test_preview_dataset(dataset: Path, tmp_path: Path, mico: Mico) -> None:
    assert mico("preview", dataset, "--out", "said.html", "--rows", 3).returncode == DONE
    made = mico_150k.preview_dataset(dataset, tmp_path / "made.html", rows=3)
    assert made.path.read_bytes() == (tmp_path / "said.html").read_bytes()


def test_write_card(release: Path, tmp_path: Path, mico: Mico) -> None:
    for name in ("said", "made"):
        mico_150k.build_dataset(release, tmp_path / name, configs=["dimoo"])
    assert mico("card", "said", "--license", "mit").returncode == DONE
    card = mico_150k.write_card(tmp_path / "made", license="mit")
    assert card.text == (tmp_path / "said" / "README.md").read_text()
    assert contents(tmp_path / "made") == contents(tmp_path / "said")


def test_patch_clone(tmp_path: Path, mico: Mico) -> None:
    for name in ("said", "made"):
        write_clone(tmp_path / name, "omnigen2")
    planned = mico_150k.patch_clone("omnigen2", tmp_path / "made", dry_run=True)
    assert mico("patch", "omnigen2", "said").returncode == DONE
    made = mico_150k.patch_clone("omnigen2", tmp_path / "made")
    assert [change.diff for change in made] == [change.diff for change in planned]
    assert contents(tmp_path / "made") == contents(tmp_path / "said")
    assert not mico_150k.patch_clone("omnigen2", tmp_path / "made")


def test_patch_clone_of_no_clone(tmp_path: Path, mico: Mico) -> None:
    with pytest.raises(UsageError) as raised:
        mico_150k.patch_clone("bagel", tmp_path / "none")
    assert str(raised.value) in mico("patch", "bagel", tmp_path / "none").stderr


@pytest.mark.parametrize(
    "function",
    [
        lambda place, out: mico_150k.open_dataset(place),
        lambda place, out: mico_150k.inspect_dataset(place),
        lambda place, out: list(mico_150k.check_dataset(place)),
        mico_150k.preview_dataset,
        lambda place, out: mico_150k.refine_dataset(place, out, sample=1),
        lambda place, out: mico_150k.pretokenize_dataset(place, "vq", device="cpu"),
        lambda place, out: mico_150k.write_card(place),
    ],
)
def test_what_is_no_dataset_is_an_error_of_ours(function: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotADataset, match="empty"):
        function(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()
