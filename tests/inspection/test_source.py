"""First contact: what is there, for kilobytes, and everything that a build would stop at."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mico_150k.images.header import Verify
from mico_150k.inspection.source import inspect_images, inspect_source
from mico_150k.sources import ReadOptions
from mico_150k.sources.demo import DEMO

from ..factories import cases, encode, picture, write_release
from ..hub import serve


def test_rows_tasks_bytes_shapes_and_pages(release: Path) -> None:
    inspection, _, plan = inspect_source(str(release), ReadOptions())
    assert plan is not None
    assert inspection.rows == 24
    assert {task: counts["rows"] for task, counts in inspection.tasks.items()} == {
        "de_re": 6, "hoi": 6, "human_centric": 6, "object_centric": 6,
    }  # fmt: skip
    assert not inspection.problems
    assert inspection.forecast is not None
    assert inspection.forecast.output > 5 * inspection.image_bytes
    for file in inspection.files:
        assert file["row_groups"] == 1
        assert file["image_pages"] >= 2
        assert file["largest_page_bytes"] <= file["largest_row_group_bytes"] <= file["memory_bytes"]
        assert file["columns"]["input_images"].startswith("list<")


def test_what_a_build_would_stop_at_is_listed_and_the_rest_is_still_shown(tmp_path: Path) -> None:
    source = write_release(tmp_path / "r", cases(2))
    (source / "hoi.parquet").write_bytes(b"no parquet")
    inspection, _, plan = inspect_source(str(source), ReadOptions())
    assert len(inspection.files) == 4
    assert plan is not None
    (problem,) = inspection.problems
    assert problem.startswith("hoi.parquet: not a Parquet file")


def test_ids_that_come_twice_are_a_problem_too(tmp_path: Path) -> None:
    hoi = [case for case in cases(3) if case.task == "hoi"]
    source = write_release(tmp_path / "r", [*hoi, replace(hoi[0], output=hoi[1].output)])
    inspection, _, plan = inspect_source(str(source), ReadOptions())
    assert plan is None
    assert "'hoi/0' appears twice" in inspection.problems[0]
    assert inspection.rows == 4


def test_images_tells_what_a_build_would_do_and_writes_nothing(tmp_path: Path) -> None:
    hoi = [case for case in cases(4) if case.task == "hoi"]
    odd = [
        replace(hoi[0], output=encode(picture(1, mode="RGBA"))),
        replace(hoi[1], output=b"no image"),
    ]
    source = write_release(tmp_path / "r", [*odd, *hoi[2:]])
    before = sorted(tmp_path.rglob("*"))
    _, opened, plan = inspect_source(str(source), ReadOptions())
    assert plan is not None
    found = inspect_images(opened, plan, Verify.STRUCTURE, lambda _: None)
    assert found.rows == 4
    assert found.images["hoi"].re_encoded == {"alpha": 1}
    (left_out,) = found.skipped
    assert (left_out["row"], left_out["image"], left_out["reason"]) == (
        1, "output", "unknown-format",
    )  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == before


def test_the_demo_can_be_inspected() -> None:
    inspection, _, _ = inspect_source(DEMO, ReadOptions())
    assert inspection.rows == 40


def run_mico(*arguments: str, endpoint: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "mico_150k", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("large") / "release", cases(60))


@pytest.mark.slow
def test_over_the_network_headers_cost_kilobytes_and_a_build_reads_once(
    large: Path, tmp_path: Path
) -> None:
    size = sum(path.stat().st_size for path in large.rglob("*.parquet"))
    with serve(large) as hub:
        found = run_mico("inspect", "hf://datasets/user/release", endpoint=hub.endpoint)
        assert found.returncode == 0, found.stderr
        assert "240 rows" in found.stdout
        assert hub.sent < 600_000 < size / 5
        before = hub.sent
        built = run_mico(
            "build", "hf://datasets/user/release", "--out", str(tmp_path / "out"),
            "--config", "bagel", endpoint=hub.endpoint,
        )  # fmt: skip
        assert built.returncode == 0, built.stderr
        assert hub.sent - before < 1.2 * size


def test_a_repository_that_is_not_there_is_a_plain_error(large: Path) -> None:
    with serve(large) as hub:
        found = run_mico("inspect", "hf://datasets/user/nothing", endpoint=hub.endpoint)
    assert found.returncode == 1
    assert "hf://datasets/user/nothing" in found.stderr
    assert "Traceback" not in found.stderr
