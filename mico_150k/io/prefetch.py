"""Background threads: they read the next batch, or hash the last shard, beside the caller.

pyarrow and hashlib release the interpreter lock, so that threads are enough.
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
    """Yield the items, which a thread fetches up to `ahead` items in advance.

    A caller that stops early must close the generator: the garbage collector may finalize it
    inside another thread's start, where it would wait forever.
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
    """Yield what the calls return, in their order, running up to `ahead` of them at once.

    A caller that stops early must close the generator, as for `prefetch`.
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
    """Return a call that only one thread at a time runs; others wait."""
    lock = threading.Lock()

    def locked(argument: T) -> None:
        with lock:
            call(argument)

    return locked


class BackgroundTask(Generic[T]):
    """Runs calls in order in a background thread, or directly if there is no core to spare."""

    def __init__(self, *, threaded: bool) -> None:
        """Make a task runner; without `threaded`, each call runs in the caller."""
        self._pool = ThreadPoolExecutor(1) if threaded else None
        self._waiting: Future[T] | None = None
        self._offered: Future[None] | None = None

    def offer(self, call: Callable[[], None]) -> None:
        """Run an optional call, unless another is waiting."""
        if self._pool and (self._offered is None or self._offered.done()):
            if self._offered:
                self._offered.result()
            self._offered = self._pool.submit(call)

    def run(self, call: Callable[[], T]) -> Iterator[T]:
        """Start a call; yields what the previous call returned, or raises what it raised."""
        if self._pool is None:
            yield call()
            return
        yield from self.wait()
        self._waiting = self._pool.submit(call)

    def wait(self) -> Iterator[T]:
        """Wait for the last call, and yield what it returned."""
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
        # Wait for the call that was started, so that a finished shard is not lost.
        if self._pool is not None:
            self._pool.shutdown(wait=True)
