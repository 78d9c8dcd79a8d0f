"""Several workers: the same bytes as one, and no failure of one that others do not hear of."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.processes import Processes
from mico_150k.core.errors import BrokenFile, TooManySkipped, WorkerLost
from mico_150k.core.progress import Progress
from mico_150k.sources import open_source

from ..factories import Case, cases, write_release
from ..folders import contents

OPTIONS = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one worker makes of it."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    prepare(source, folder).run()
    return folder


def prepare(source: Path, out: Path) -> Build:
    return Build.prepare(open_source(str(source)), out, OPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 5])
def test_the_bytes_do_not_depend_on_the_number_of_workers(
    source: Path, whole: Path, tmp_path: Path, workers: int
) -> None:
    seen: list[Progress] = []
    result = prepare(source, tmp_path / "out").run(
        executor=Processes(workers), on_progress=seen.append
    )
    assert result.report.rows == 32
    assert contents(tmp_path / "out") == contents(whole)
    assert [done.rows for done in seen] == sorted(done.rows for done in seen)
    assert seen[-1].rows == seen[-1].total_rows == 32


@pytest.mark.slow
def test_a_worker_that_is_killed_is_an_error_and_finished_shards_are_kept(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(done: Progress) -> None:
        if done.rows > 8 and not killed:
            killed.append(children()[0])
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(WorkerLost, match="signal 9.*\n.*--max-memory.*\nFinished shards are kept"):
        prepare(source, tmp_path / "out").run(executor=Processes(2), on_progress=kill_one)
    assert not children()
    result = prepare(source, tmp_path / "out").run(executor=Processes(2))
    assert result.resumed > 0
    assert contents(tmp_path / "out") == contents(whole)


def test_losing_too_many_rows_stops_all_workers(tmp_path: Path) -> None:
    broken = [
        Case(case.task, case.id, case.instruction, case.inputs, case.output[:-20])
        for case in cases(8)
    ]
    source = write_release(tmp_path / "r", broken, rows_per_file=4)
    with pytest.raises(TooManySkipped, match="truncated"):
        prepare(source, tmp_path / "out").run(executor=Processes(2), tolerance=0.3)
    assert not children()
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_what_a_worker_raises_is_raised_here_with_its_traceback(tmp_path: Path) -> None:
    copy = write_release(tmp_path / "r", cases(8), rows_per_file=4)
    prepared = prepare(copy, tmp_path / "out")
    for path in copy.rglob("*.parquet"):
        data, times = path.read_bytes(), path.stat()
        path.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
        # A disk's fault, and no other file: that would be told by its time.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(BrokenFile, match="cannot be read") as raised:
        prepared.run(executor=Processes(2))
    assert "in _batches" in str(raised.value.__cause__)
    assert not children()


@pytest.mark.parametrize("at_row", [0, 8, 12, 16, 20, 24])
def test_ctrl_c_ends_the_workers_and_removes_what_is_half_written(
    source: Path, whole: Path, tmp_path: Path, at_row: int
) -> None:
    def interrupt(done: Progress) -> None:
        if done.rows > at_row:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out").run(executor=Processes(2), on_progress=interrupt)
    assert not children()
    assert threading.active_count() == before
    assert not list((tmp_path / "out").rglob("*.partial"))
    prepare(source, tmp_path / "out").run()
    assert contents(tmp_path / "out") == contents(whole)


KILLED = """
import sys
from pathlib import Path
from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.processes import Processes
from mico_150k.sources import open_source
def tell(done):
    if done.rows:  # workers are there
        print(done.rows, flush=True)
if __name__ == "__main__":
    options = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)
    build = Build.prepare(open_source(sys.argv[1]), Path(sys.argv[2]), options)
    build.run(executor=Processes(2), on_progress=tell)
"""


@pytest.mark.slow
@pytest.mark.parametrize("everything", [True, False], ids=["all", "the parent alone"])
@pytest.mark.parametrize("at_row", [0, 5, 20])
def test_killed_at_any_moment_a_build_goes_on(
    source: Path, whole: Path, tmp_path: Path, at_row: int, everything: bool
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(source), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= at_row:
            break
    workers = children(process.pid)
    assert workers
    if everything:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    process.stdout.close()
    wait_until_gone(workers)
    prepare(source, tmp_path / "out").run(executor=Processes(2))
    assert contents(tmp_path / "out") == contents(whole)


def wait_until_gone(processes: list[int]) -> None:
    """A worker whose parent is killed ends by itself."""
    end = time.monotonic() + 20
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < end
        time.sleep(0.02)


def children(process: int | None = None) -> list[int]:
    return sorted(_children(process or os.getpid()))


def _children(process: int) -> Iterator[int]:
    """Those that do a build's work; Python's resource tracker stays."""
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                yield child
