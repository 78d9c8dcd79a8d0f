"""Workers: every task is done once, and no end of one goes unheard."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest

from mico_150k.core.errors import BrokenFile, WorkerLost
from mico_150k.io.worker_pool import Work, Worker, run_workers

Tell = Callable[[int], None]


def _double(task: int, tell: Tell) -> None:
    tell(task)
    tell(2 * task)


def _fail(error: Exception, task: int, tell: Tell) -> None:
    tell(task)
    raise error


def _die(task: int, tell: Tell) -> None:
    tell(task)
    os.kill(os.getpid(), signal.SIGKILL)


def _start(work: Work[int, int]) -> Work[int, int]:
    return work


def _cannot_start() -> Work[int, int]:
    msg = "no checkpoint"
    raise BrokenFile(msg)


def run(start: Callable[[], Work[int, int]], tasks: int, workers: int = 2) -> list[int]:
    waiting = iter(range(tasks))
    crew = [Worker(f"worker {number}", start, waiting) for number in range(workers)]
    with closing(run_workers(crew, seconds_to_end=5, when_lost="Run it again.")) as results:
        return list(results)


@pytest.fixture(autouse=True)
def a_child_can_import_this_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository itself cannot be on the path: it would hide the installed package."""
    (tmp_path / "tests").symlink_to(Path(__file__).parents[1])
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    yield
    assert not active_children()


@pytest.mark.parametrize(("tasks", "workers"), [(0, 1), (1, 3), (9, 2)])
def test_every_task_is_done_once(tasks: int, workers: int) -> None:
    found = run(partial(_start, _double), tasks, workers)
    assert sorted(found) == sorted([*range(tasks), *range(0, 2 * tasks, 2)])


def test_an_error_of_ours_is_raised_as_it_is_with_its_traceback() -> None:
    with pytest.raises(BrokenFile, match="row 3") as raised:
        run(partial(_start, partial(_fail, BrokenFile("row 3"))), 4)
    assert "in _fail" in str(raised.value.__cause__)


def test_any_other_error_is_told_in_words() -> None:
    with pytest.raises(RuntimeError, match="ConnectionResetError: by peer"):
        run(partial(_start, partial(_fail, ConnectionResetError("by peer"))), 4)


def test_an_error_at_the_start_is_raised() -> None:
    with pytest.raises(BrokenFile, match="no checkpoint"):
        run(_cannot_start, 4)


def test_a_worker_that_dies_is_named_and_what_to_do_is_said() -> None:
    with pytest.raises(WorkerLost, match=r"worker \d died .*signal 9.*\nRun it again"):
        run(partial(_start, _die), 4)


def test_who_stops_early_leaves_no_process() -> None:
    waiting = iter(range(100))
    crew = [Worker("one", partial(_start, _double), waiting) for _ in range(2)]
    with closing(run_workers(crew, seconds_to_end=5, when_lost="")) as results:
        next(results)
    assert next(waiting) < 5


def _mark(folder: Path, task: int, tell: Tell) -> None:
    for step in range(3):
        tell(task)
        (folder / str(step)).touch()


def test_a_worker_in_step_waits_until_its_result_is_taken(tmp_path: Path) -> None:
    crew = [Worker("one", partial(_start, partial(_mark, tmp_path)), iter([7]))]
    results = run_workers(crew, seconds_to_end=5, when_lost="", in_step=True)
    with closing(results):
        for taken in range(3):
            assert next(results) == 7
            time.sleep(0.3)
            assert len(list(tmp_path.glob("?"))) == taken
        assert list(results) == []
    assert len(list(tmp_path.glob("?"))) == 3


def test_a_worker_in_step_that_nobody_listens_to_any_more_ends(tmp_path: Path) -> None:
    crew = [Worker("one", partial(_start, partial(_mark, tmp_path)), iter([7]))]
    with closing(run_workers(crew, seconds_to_end=60, when_lost="", in_step=True)) as results:
        next(results)
        started = time.monotonic()
    assert time.monotonic() - started < 30
    assert not list(tmp_path.glob("?"))
