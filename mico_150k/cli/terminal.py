"""What a person sees: talk and progress on stderr, so that stdout holds data alone."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, zip_longest
from math import ceil
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mico_150k.cli.streams import Data, Talk
from mico_150k.core.excerpt import excerpt
from mico_150k.core.progress import Progress as Done
from mico_150k.io.machine import gigabytes

PLAIN_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""

PASTED_WIDTH = 140
"""Columns of a table that goes to a file or a message."""

MOST_LINES, MOST_CHARACTERS = 40, 1000
"""Of one text that is shown, and of each of its lines: what is foreign in it may be of any size."""

_MINUTE, _HOUR = 60, 3600

_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
}


class _Plain(Console):
    """Shows every text as it is, wherever it stands: no data is markup or an emoji's name."""

    def render_str(self, text: str, **how: Any) -> Text:  # noqa: ANN401 - rich's
        return super().render_str(visible(text), **how)


_stdout = Data()
_talk = Console(file=cast("IO[str]", Talk()), highlight=False)


def visible(text: str) -> str:
    """The text, cut, with names for what would command a terminal, or cannot be written."""
    lines = text.encode("utf-8", "backslashreplace").decode().translate(_CONTROLS).split("\n")
    shown = [
        excerpt(line, MOST_CHARACTERS) if len(line) > MOST_CHARACTERS else line for line in lines
    ]
    if len(shown) > MOST_LINES:
        shown[MOST_LINES:] = [f"… and {len(lines) - MOST_LINES} more lines"]
    return "\n".join(shown)


def say(text: str, *values: object) -> None:
    """A line of talk; `text` may have markup, the values in its `{}` are shown as they are."""
    pieces = (Text.from_markup(piece, emoji=False) for piece in text.split("{}"))
    shown = (visible(str(value)) for value in values)
    line = Text.assemble(*chain.from_iterable(zip_longest(pieces, shown, fillvalue="")))
    _talk.print(line, soft_wrap=True)


def show(renderable: Any) -> None:  # noqa: ANN401 - whatever rich can show
    """Data for a person, on stdout: none of its texts is taken for markup."""
    width = None if _stdout.isatty() else PASTED_WIDTH
    file = cast("IO[str]", _stdout)
    _Plain(file=file, highlight=False, markup=False, emoji=False, width=width).print(renderable)


def show_bytes(data: bytes) -> None:
    """Data as it is, on stdout."""
    _stdout.write_bytes(data)


@contextmanager
def showing() -> Iterator[None]:
    """Show what is whole already: whatever is in the way of that is said, and changes nothing."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the work is done, and no look at it undoes that
        say("[yellow]note[/yellow]: what was made cannot be shown: {}", told(error))


def told(error: BaseException) -> str:
    """What an error says, in one line."""
    first, _, _ = str(error).partition("\n")
    return f"{type(error).__name__}: {first}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < _MINUTE * 2:
        return f"{ceil(seconds)} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < _HOUR * 2 else f"{seconds / _HOUR:.1f} h"


def show_json(plain: Any) -> None:  # noqa: ANN401 - any JSON value
    """Data for a program, on stdout."""
    text = json.dumps(plain, indent=2, ensure_ascii=not _stdout.is_unicode)
    _stdout.write(f"{text}\n")
    _stdout.flush()  # what cannot be written is known here, and not at the end of Python


def make_table(*columns: str) -> Table:
    """An empty table: words in its first column, numbers in the others."""
    table = Table(caption_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table


@contextmanager
def progress(title: str) -> Iterator[Callable[[Done], None]]:
    """A bar on a terminal, a line now and then elsewhere; yields what takes the state."""
    with _bar(title, TimeRemainingColumn()) as update:
        yield lambda done: update(done.rows, done.total_rows, _state(done), "")


def _state(done: Done) -> str:
    left_out = f", {done.left_out} left out" if done.left_out else ""
    return f"{done.rows}/{done.total_rows} rows, {gigabytes(done.written)} of images{left_out}"


@contextmanager
def tally(title: str, things: str) -> Iterator[Callable[[int, int], None]]:
    """The same where things are counted, with their rate; yields what takes done and total."""
    rate = _Rate(things)
    with _bar(title) as update:
        yield lambda done, total: update(
            done, total, rate.state(done, total), rate.left(done, total)
        )


@contextmanager
def _bar(title: str, *columns: ProgressColumn) -> Iterator[Callable[[int, int, str, str], None]]:
    """Yields what takes done, total, the state in words, and what is left of the time."""
    last = time.monotonic()

    def line(_done: int, _total: int, state: str, left: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            say("{}: {}{}", title, state, left)

    if not _talk.is_terminal or _talk.is_dumb_terminal:
        yield line
        return
    state = TextColumn("{task.fields[state]}")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), state, *columns, console=_talk
    ) as bar:
        task = bar.add_task(title, total=None, state="")

        def update(done: int, total: int, state: str, left: str) -> None:
            bar.update(task, completed=done, total=total, state=state + left)

        yield update


class _Rate:
    """How fast it goes, of what is done since the first call: the rest was there before."""

    def __init__(self, things: str) -> None:
        """`things` are what is counted."""
        self._things = things
        self._first: int | None = None
        self._start = 0.0

    def state(self, done: int, total: int) -> str:
        """`1200/48000 pictures, 310.2/s`."""
        return f"{done}/{total} {self._things}, {self._per_second(done):.1f}/s"

    def left(self, done: int, total: int) -> str:
        """`, 0:02:31 left`; empty until there is a rate."""
        rate = self._per_second(done)
        return f", {timedelta(seconds=round((total - done) / rate))} left" if rate else ""

    def _per_second(self, done: int) -> float:
        if self._first is None:
            self._first, self._start = done, time.monotonic()
        return (done - self._first) / max(1e-9, time.monotonic() - self._start)
