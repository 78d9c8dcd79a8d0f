"""What runs beside the caller: in order, with its errors, and gone when it is closed."""

import errno
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from mico_150k.io.prefetch import BackgroundTask, prefetch


def test_items_come_in_order_and_one_is_fetched_ahead() -> None:
    fetched: list[int] = []

    def fetch(item: int) -> int:
        fetched.append(item)
        return item

    def items() -> Iterator[int]:
        yield from map(fetch, range(5))

    with closing(prefetch(items())) as ready:
        assert next(ready) == 0
        assert list(ready) == [1, 2, 3, 4]
    assert fetched == [0, 1, 2, 3, 4]


def test_as_many_are_fetched_ahead_as_asked_for() -> None:
    third = threading.Event()

    def items() -> Iterator[int]:
        yield from range(3)
        third.set()
        yield from range(3, 100)

    with closing(prefetch(items(), 3)) as ready:
        assert next(ready) == 0
        assert third.wait(10), "three more are fetched while nobody asks for them"


def test_what_is_not_begun_when_it_is_closed_is_not_fetched() -> None:
    fetched: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        for item in range(100):
            fetched.append(item)
            if item == 1:
                begun.set()
                go_on.wait(10)
            yield item

    with closing(prefetch(items(), 3)) as ready:
        assert next(ready) == 0
        assert begun.wait(10)
        threading.Timer(0.2, go_on.set).start()
    assert fetched == [0, 1]


def test_an_error_of_the_source_reaches_the_reader() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError(errno.EIO, "the disk is gone")

    ready = prefetch(items())
    assert next(ready) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(ready)


def test_a_reader_that_is_closed_early_leaves_no_thread() -> None:
    before = threading.active_count()
    with closing(prefetch(iter(range(100)))) as ready:
        next(ready)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


@pytest.mark.parametrize("threaded", [True, False])
def test_calls_run_one_after_the_other_and_each_result_comes_once(threaded: bool) -> None:
    results: list[int] = []
    with BackgroundTask[int](threaded=threaded) as aside:
        for number in range(4):
            results += aside.run(lambda number=number: number)
        results += aside.wait()
        results += aside.wait()
    assert results == [0, 1, 2, 3]


def test_an_error_beside_the_caller_is_raised_when_it_is_waited_for() -> None:
    def fail() -> int:
        raise OSError(errno.EIO, "the disk is gone")

    with BackgroundTask[int](threaded=True) as aside:
        assert list(aside.run(fail)) == []
        with pytest.raises(OSError, match="the disk is gone"):
            list(aside.wait())


def test_an_offer_is_left_out_while_another_waits_and_its_error_comes_out_with_the_next() -> None:
    go, ran = threading.Event(), []

    def wait() -> None:
        go.wait()
        ran.append("first")

    def fail() -> None:
        raise OSError(errno.EIO, "the disk is gone")

    with BackgroundTask[int](threaded=True) as aside:
        aside.offer(wait)
        aside.offer(lambda: ran.append("second"))
        go.set()
        assert list(aside.run(lambda: 1)) == []
        assert list(aside.wait()) == [1]
        assert ran == ["first"]
        aside.offer(fail)
        assert list(aside.run(lambda: 2)) == []
        assert list(aside.wait()) == [2]
        with pytest.raises(OSError, match="the disk is gone"):
            aside.offer(wait)


def test_without_a_thread_an_offer_is_left_out() -> None:
    with BackgroundTask[int](threaded=False) as aside:
        aside.offer(lambda: pytest.fail("ran"))
