"""The command line: data on stdout, talk on stderr, and exit codes that a script can rely on."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from mico_150k import cli
from mico_150k.cli import _spread

from ..commands import DONE, FAILED, WRONG_USAGE
from ..factories import cases, write_release
from ..folders import contents


def mico(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mico_150k", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_DATASETS_CACHE": str(folder / ".cache")},
    )


@pytest.mark.slow
def test_build_without_a_source_builds_the_demo_and_shows_a_row_of_each_configuration(
    tmp_path: Path,
) -> None:
    done = mico("build", "--show-rows", folder=tmp_path)
    assert done.returncode == DONE, done.stderr
    for config in ("default", "bagel", "blip3o", "dimoo", "omnigen2", "sample", "index"):
        assert config in done.stdout
    assert "image_list: [PNG 384×384, WEBP 768×576, PNG 768×576]" in done.stdout
    assert 'actions: ["", "", ""]' in done.stdout
    assert "\ndone: 40 rows read, 40 written, 0 skipped; 10 files" in done.stderr
    again = mico("build", folder=tmp_path)
    assert not again.stdout
    checked = mico("check", "mico-demo", folder=tmp_path)
    assert checked.returncode == DONE
    assert checked.stderr.splitlines()[-1] == "mico-demo: all is well"


@pytest.mark.slow
def test_out_is_by_default_named_for_the_source(release: Path, tmp_path: Path) -> None:
    for source, out in ((), "mico-demo"), (("demo",), "mico-demo"), ((release,), "mico-150k"):
        (tmp_path / out).mkdir(exist_ok=True)
        (tmp_path / out / "mine.txt").touch()
        done = mico("build", *source, folder=tmp_path)
        assert done.returncode == WRONG_USAGE
        assert f"{out} is not empty, and not a folder that `mico build` has begun" in done.stderr
    (tmp_path / "demo").mkdir()
    done = mico("build", "demo", folder=tmp_path)
    assert "demo: no .parquet" in done.stderr


@pytest.mark.slow
def test_a_folder_of_any_name_is_shown_by_it(release: Path, tmp_path: Path) -> None:
    name = "a {name} ö b]"
    done = mico("build", release, "--out", name, "--config", "bagel", folder=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert f"MB in {name}, " in done.stderr


def test_a_folder_that_datasets_would_not_find_is_refused(release: Path, tmp_path: Path) -> None:
    done = mico("build", release, "--out", "a [1]", folder=tmp_path)
    assert done.returncode == WRONG_USAGE
    assert "a [1]: `load_dataset` reads *, ? and [" in done.stderr
    assert not (tmp_path / "a [1]").exists()


@pytest.mark.slow
def test_the_home_folder_and_the_working_directory_are_what_they_are_to_a_shell(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    for out, folder in (("--out=.", tmp_path / "here"), ("--out=~/x", tmp_path / "home" / "x")):
        options = ("--config", "bagel", "--show-rows", out)
        done = mico("build", release, *options, folder=tmp_path / "here")
        assert done.returncode == DONE, done.stderr
        assert "image_list: [" in done.stdout
        assert (folder / "bagel").is_dir()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/x/y"),
         "mico: PermissionError: [Errno 13] Permission denied: '/x/y'"),
        (pa.ArrowInvalid("Not aligned\nat some place"), "mico: ArrowInvalid: Not aligned"),
    ],
)  # fmt: skip
def test_what_the_machine_does_is_said_in_a_line_and_a_bug_is_not_hidden(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: list[str]) -> None:
        assert args == ["inspect"]
        raise error

    monkeypatch.setattr(sys, "argv", ["mico", "inspect"])
    monkeypatch.setattr("mico_150k.cli.app.app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == FAILED
    assert capsys.readouterr().err == f"{said}\n"
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main()


@pytest.mark.slow
def test_json_is_all_that_stdout_holds(release: Path, tmp_path: Path) -> None:
    found = mico("inspect", release, "--images", "--json", folder=tmp_path)
    assert json.loads(found.stdout)["images"]["rows"] == 24
    built = mico("build", release, "--out", "out", "--config", "bagel", "--json", folder=tmp_path)
    assert json.loads(built.stdout)["report"]["rows"] == 24
    checked = mico("check", "out", "--json", folder=tmp_path)
    assert json.loads(checked.stdout)["faults"] == 0


@pytest.mark.slow
def test_workers_and_shares_end_with_the_same_folder(release: Path, tmp_path: Path) -> None:
    options = ("--config", "bagel", "--shard-mb", "1")
    done = mico("build", release, *options, "--out", "one", "--workers", "2", folder=tmp_path)
    assert done.returncode == DONE, done.stderr
    for share in ("1/2", "2/2"):
        done = mico(
            "build", release, *options, "--out", "two", "--partition", share, folder=tmp_path
        )
        assert done.stderr.splitlines()[-1].startswith(f"done: partition {share}, ")
    done = mico("build", release, *options, "--out", "two", "--finish", folder=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_a_build_to_a_url_ends_with_the_same_folder(release: Path, tmp_path: Path) -> None:
    options = ("--config", "bagel", "--shard-mb", "1")
    assert mico("build", release, *options, "--out", "here", folder=tmp_path).returncode == DONE
    url = f"file://{tmp_path / 'there'}"
    done = mico("build", release, *options, "--out", url, "--workers", 2, folder=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert f" in {url}, " in next(x for x in done.stderr.splitlines() if x.startswith("done"))
    again = mico("build", release, *options, "--out", url, "--json", folder=tmp_path)
    assert json.loads(again.stdout)["location"] == url


@pytest.mark.parametrize(
    "option",
    [["--overwrite"], ["--recheck"]],
    ids=" ".join,
)
def test_what_needs_a_folder_of_this_machine_is_refused_with_a_url(
    release: Path, tmp_path: Path, option: list[str]
) -> None:
    done = mico("build", release, "--out", f"file://{tmp_path}/x", *option, folder=tmp_path)
    assert done.returncode == WRONG_USAGE
    assert "a folder on this machine" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_what_cannot_be_is_refused_before_anything_is_written(
    release: Path, tmp_path: Path
) -> None:
    for wrong, code, said in (
        (("--max-memory", "50MB"), FAILED, "--max-memory allows 50 MB"),
        (("--max-memory", "much"), WRONG_USAGE, "12GB"),
        (("--partition", "3"), WRONG_USAGE, "3/8"),
        (
            ("--out", "hf://datasets/a/b", "--partition", "1/2"),
            WRONG_USAGE,
            "--partition is for a build into a folder",
        ),
        (
            ("--partition", "1/2", "--overwrite"),
            WRONG_USAGE,
            "--overwrite is for a build without --partition",
        ),
        (("--finish",), FAILED, "missing"),
        (("--ray-address", "auto"), WRONG_USAGE, "--executor ray"),
    ):
        done = mico("build", release, "--out", "out", *wrong, folder=tmp_path)
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert not (tmp_path / "out").exists()


def test_inspect_says_tasks_shapes_memory_and_disk(release: Path, tmp_path: Path) -> None:
    found = mico("inspect", release, folder=tmp_path)
    assert found.returncode == DONE
    for part in (
        "human_centric",
        "inputs: input_images",
        "row groups",
        "on disk",
        "memory",
        "1 s of one",
    ):
        assert part in found.stdout


def test_inspect_fails_where_a_build_would(tmp_path: Path) -> None:
    source = write_release(tmp_path / "r", cases(1))
    (source / "x.parquet").write_bytes(b"")
    found = mico("inspect", source, folder=tmp_path)
    assert found.returncode == FAILED
    assert "x.parquet: not a Parquet file" in found.stderr
    assert "human_centric" in found.stdout


def test_inspect_says_of_all_images_what_a_build_would_and_fails_where_it_would(
    tmp_path: Path,
) -> None:
    samples = cases(2)
    write_release(tmp_path / "r", [replace(samples[0], output=b"no image"), *samples[1:]])
    found = mico("inspect", "r", "--images", folder=tmp_path)
    assert found.returncode == FAILED
    assert "8 rows read, 1 would be skipped, 1 unknown-format" in found.stdout
    assert re.search(r"\d+ images, \d+ of them different, \d+ used more than once", found.stdout)
    assert "1 of 8 rows so far cannot be used, more than the allowed 1.00% of" in found.stderr


@pytest.mark.slow
def test_the_tolerance_that_is_advised_is_one_that_can_be_given(tmp_path: Path) -> None:
    samples = [replace(case, output=b"no image") for case in cases(2)]
    write_release(tmp_path / "r", samples)
    done = mico("build", "r", folder=tmp_path)
    advised = done.stderr.split("--tolerance ")[1].split()[0]
    assert float(advised) == 1
    assert "--tolerance" not in mico("build", "r", "--tolerance", advised, folder=tmp_path).stderr


@pytest.mark.parametrize("part", ["index", "bagel", "bagel/train-00000.parquet"])
def test_inspect_of_a_part_of_a_dataset_names_the_whole(dataset: Path, part: str) -> None:
    done = mico("inspect", f"mico-150k/{part}", folder=dataset.parent)
    assert done.returncode == WRONG_USAGE
    said = " ".join(done.stderr.split())
    assert f"is part of the dataset folder {dataset}, not a source" in said
    assert f"`mico inspect {dataset}`" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("build", "nowhere"), FAILED, "nowhere: no such file or folder"),
        (("inspect", "nowhere"), FAILED, "nowhere: no such file or folder"),
        (("check", "nowhere"), FAILED, "nowhere: there is no such folder"),
        (("preview", "nowhere"), FAILED, "nowhere: there is no such folder"),
        (("preview", "nowhere", "--rows", "0"), WRONG_USAGE, "--rows"),
        (("inspect", "nowhere", "--plots"), WRONG_USAGE, "--plots is for a finished dataset"),
        (("build", "--config", "flux"), WRONG_USAGE, "omnigen2, sample."),
        (("build", "--map", "pictures=a"), WRONG_USAGE, "PART=COLUMN"),
        (("build", "--task-map", "a=b"), WRONG_USAGE, "FOLDER=TASK"),
        (("build", "--verify", "hard"), WRONG_USAGE, "--verify"),
        (("build", "--tolerance", "2"), WRONG_USAGE, "--tolerance"),
        (("build", "--nothing"), WRONG_USAGE, "--nothing"),
        (("build", "--out", "."), WRONG_USAGE, "not a folder that `mico build` has begun"),
        (("build", "--out", ""), WRONG_USAGE, "is not a folder"),
        (("build", "--out", "mine.txt"), WRONG_USAGE, "mine.txt is a file"),
        (("build", "--out", "mine.txt/x"), WRONG_USAGE, "mine.txt is a file"),
        (("build", "--map", "id=a", "id=b"), WRONG_USAGE, "id is already 'a'"),
        (("build", ""), FAILED, "no such file or folder"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = mico(*arguments, folder=tmp_path)
    assert done.returncode == status
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_inspect_of_a_dataset_says_what_is_in_it_and_what_trainers_leave_out(
    dataset: Path, tmp_path: Path
) -> None:
    found = mico("inspect", dataset, folder=tmp_path)
    assert found.returncode == DONE, found.stderr
    for part in (
        "human_centric",
        "5 in",
        "megapixels",
        "BLIP3o-Next",
        "more than 4 inputs",
        "reuse:",
    ):
        assert part in found.stdout
    assert found.stderr.splitlines()[-1].endswith("24 rows, 108 images")
    as_json = json.loads(mico("inspect", dataset, "--json", folder=tmp_path).stdout)
    assert as_json["statistics"]["rows"] == 24
    assert as_json["configs"]["bagel"]["rows"] == 24


def test_preview_writes_a_page_and_says_so(dataset: Path, tmp_path: Path) -> None:
    done = mico("preview", dataset, "--rows", 3, "--where", "task = 'hoi'", folder=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert not done.stdout
    assert done.stderr.splitlines()[-1].startswith("done: 3 of 24 rows in preview.html")
    assert (tmp_path / "preview.html").read_text().count("<article") == 3


@pytest.mark.slow
def test_check_fails_on_a_damaged_folder(tmp_path: Path, release: Path) -> None:
    mico("build", release, "--out", "out", "--config", "bagel", "--json", folder=tmp_path)
    (tmp_path / "out" / "bagel" / "train-00000.parquet").unlink()
    checked = mico("check", "out", folder=tmp_path)
    assert checked.returncode == FAILED
    assert "bagel/train-00000.parquet: is missing" in checked.stdout


def test_a_build_that_loses_too_much_fails_and_names_the_reason(tmp_path: Path) -> None:
    samples = [replace(case, output=b"no image") for case in cases(1)]
    write_release(tmp_path / "r", samples)
    done = mico("build", "r", "--out", "out", folder=tmp_path)
    assert done.returncode == FAILED
    assert "unknown-format (bytes that are not an image)" in done.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["x", "--map", "a=b"], ["x", "--map", "a=b"]),
        (["--map", "a=b", "c=d", "x"], ["--map", "a=b", "--map", "c=d", "x"]),
        (["--map", "a=b", "--task-map", "c=d", "e=f"],
         ["--map", "a=b", "--task-map", "c=d", "--task-map", "e=f"]),
        (["--out", "a=b", "c=d"], ["--out", "a=b", "c=d"]),
        (["--map=a=b", "c=d e", "x"], ["--map=a=b", "--map", "c=d e", "x"]),
        (["--out=x", "c=d"], ["--out=x", "c=d"]),
        ([], []),
    ],
)  # fmt: skip
def test_map_takes_several_words(given: list[str], expected: list[str]) -> None:
    assert _spread(given) == expected


def test_where_the_command_line_lacks_a_package_it_says_so_in_a_line() -> None:
    code = "import sys; sys.modules['typer'] = None; from mico_150k.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == FAILED
    assert "typer" in done.stderr
    assert "run `mico` where mico-150k is installed with its dependencies" in done.stderr
    assert len(done.stderr.splitlines()) == 1
