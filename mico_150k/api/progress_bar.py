"""A bar for a long run: drawn on a terminal and in a notebook."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager as ContextManager
from contextlib import contextmanager, nullcontext
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from mico_150k.core.plural import counted
from mico_150k.core.progress import Progress as RowProgress
from mico_150k.io.machine import gigabytes

_WIDE = 120
"""Columns of a terminal that has room for a long bar."""
OnProgress = Callable[[RowProgress], None]
OnCount = Callable[[int, int], None]
"""Called with what is done, and the total."""
OnLine = Callable[[str, str, str], None]
"""Called with the title, the state and the time left, where no bar can be drawn."""


def can_draw(console: Console) -> bool:
    """Whether a person watches: on a terminal that moves its cursor, or in a notebook."""
    return console.is_jupyter or (console.is_terminal and not console.is_dumb_terminal)


@contextmanager
def row_bar(
    title: str, console: Console | None = None, on_line: OnLine | None = None
) -> Iterator[OnProgress]:
    """Yield what takes a run's progress in rows."""
    speed = _Speed()
    with _bar(title, console, on_line, TimeElapsedColumn()) as update:
        yield lambda done: update(done.rows, done.total_rows, _row_state(done), speed.state(done))


@contextmanager
def count_bar(
    title: str, things: str, console: Console | None = None, on_line: OnLine | None = None
) -> Iterator[OnCount]:
    """Yield what takes a count of `things`; the bar shows their rate as well."""
    rate = _Rate(things)
    with _bar(title, console, on_line) as update:
        yield lambda done, total: update(
            done, total, rate.state(done, total), rate.left(done, total)
        )


def default_row_bar(title: str, on_progress: OnProgress | None) -> ContextManager[OnProgress]:
    """The caller's own callback, or a bar where it has none."""
    return nullcontext(on_progress) if on_progress else row_bar(title)


def _row_state(done: RowProgress) -> str:
    skipped = f", {done.skipped} skipped" if done.skipped else ""
    images = f"{gigabytes(done.written)} of images"
    if done.read:
        images = f"{gigabytes(done.read)} of {gigabytes(done.total_bytes)} read"
    return f"{done.rows}/{counted(done.total_rows, 'row')}, {images}{skipped}"


@contextmanager
def _bar(
    title: str, console: Console | None, on_line: OnLine | None, *columns: ProgressColumn
) -> Iterator[Callable[[int, int, str, str], None]]:
    """Yield what takes done, total, the state in words, and the time left."""
    console = console or Console(stderr=True)
    if not can_draw(console):
        say = on_line or (lambda *_: None)
        yield lambda _done, _total, state, left: say(title, state, left)
        return
    state = TextColumn("{task.fields[state]}")
    bar_width = 40 if console.width >= _WIDE else 10  # or the words beside it take a second line
    shown = (TextColumn("{task.description}"), BarColumn(bar_width), *columns, state)
    bar = Progress(*shown, console=console)
    tasks: list[TaskID] = []

    def update(done: int, total: int, state: str, left: str) -> None:
        if not tasks:  # not before: another bar, or talk, may come first
            bar.start()
            tasks.append(bar.add_task(title, total=None, state=""))
        bar.update(tasks[0], completed=done, total=total, state=state + left)

    try:
        yield update
    finally:
        if tasks:
            bar.stop()


class _Speed:
    """How fast a run is since its first word, and how long the rest takes at that speed."""

    def __init__(self) -> None:
        self._first: RowProgress | None = None
        self._start = 0.0

    def state(self, done: RowProgress) -> str:
        """`, 310 MB/s, 0:02:31 left`; empty until there is a speed."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._start = done, now
        seconds = now - self._start
        if not seconds:
            return ""
        rows = done.total_rows - done.rows
        if not (done.read and done.total_bytes):
            return _left(rows, (done.rows - self._first.rows) / seconds)
        rate = (done.read - self._first.read) / seconds
        # Rows that an earlier run has written are not read again.
        ahead = done.read - done.written
        left = max(0.0, done.total_bytes * rows / (done.total_rows or 1) - ahead)
        return f", {gigabytes(rate)}/s{_left(left, rate)}"


def _left(amount: float, rate: float) -> str:
    """`, 0:02:31 left` at so much a second; empty where nothing moves."""
    return f", {timedelta(seconds=round(amount / rate))} left" if rate > 0 else ""


class _Rate:
    """The rate since the first call: what was done before that took no time of this run."""

    def __init__(self, things: str) -> None:
        """`things` are what is counted."""
        self._things = things
        self._first: int | None = None
        self._start = 0.0

    def state(self, done: int, total: int) -> str:
        """`1200/48000 images, 310.2/s`."""
        return f"{done}/{total} {self._things}, {self._per_second(done):.1f}/s"

    def left(self, done: int, total: int) -> str:
        """`, 0:02:31 left`; empty until there is a rate."""
        return _left(total - done, self._per_second(done))

    def _per_second(self, done: int) -> float:
        if self._first is None:
            self._first, self._start = done, time.monotonic()
        return (done - self._first) / max(1e-9, time.monotonic() - self._start)
