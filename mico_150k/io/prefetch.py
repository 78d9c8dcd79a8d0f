"""One thing beside another: the next batch is read, and the last shard hashed, meanwhile.

pyarrow and hashlib let go of the interpreter while they work, so that threads are enough.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_END = object()


def prefetch(items: Iterator[T], ahead: int = 1) -> Generator[T, None, None]:
    """The same items, so many fetched by a thread while the one before them is used.

    Whoever stops early must close it: left to the garbage collector, it may be finalised inside
    another thread's start, and then waits for ever.
    """
    pool = ThreadPoolExecutor(1)
    try:
        waiting = deque(pool.submit(next, items, _END) for _ in range(ahead))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, items, _END))
            yield item  # type: ignore[misc] # whatever is not _END is a T
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_ordered(calls: Iterable[Callable[[], T]], ahead: int) -> Generator[T, None, None]:
    """What the calls return, in their order, with that many of them under way at once.

    Whoever stops early must close it, as above.
    """
    with ThreadPoolExecutor(ahead) as pool:
        waiting: deque[Future[T]] = deque()
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def one_at_a_time(call: Callable[[T], None]) -> Callable[[T], None]:
    """The same call, which another thread waits for while one is in it."""
    lock = threading.Lock()

    def locked(argument: T) -> None:
        with lock:
            call(argument)

    return locked


class BackgroundTask(Generic[T]):
    """Runs calls in order beside the caller, or at once where there is no core to spare."""

    def __init__(self, *, threaded: bool) -> None:
        """`threaded` is whether anything runs beside the caller at all."""
        self._pool = ThreadPoolExecutor(1) if threaded else None
        self._waiting: Future[T] | None = None
        self._offered: Future[None] | None = None

    def offer(self, call: Callable[[], None]) -> None:
        """Run a call that may as well not be run, where nothing else is waiting to be."""
        if self._pool and (self._offered is None or self._offered.done()):
            if self._offered:
                self._offered.result()
            self._offered = self._pool.submit(call)

    def run(self, call: Callable[[], T]) -> Iterator[T]:
        """Start a call; yields what the one before it returned, or raises what it raised."""
        if self._pool is None:
            yield call()
            return
        yield from self.wait()
        self._waiting = self._pool.submit(call)

    def wait(self) -> Iterator[T]:
        """What the last call returned, once it is done."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            yield waiting.result()

    def __enter__(self) -> "BackgroundTask[T]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What was started is brought to its end: a finished shard is not to be lost.
        if self._pool is not None:
            self._pool.shutdown(wait=True)
