"""What a person sees: talk and progress on stderr, so that stdout holds data alone."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mico_150k.forecast import gigabytes
from mico_150k.watch import Progress as Done

PLAIN_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""

PASTED_WIDTH = 140
"""Columns of a table that goes to a file or a message."""

_talk = Console(stderr=True, highlight=False)
_data = Console(highlight=False, width=None if sys.stdout.isatty() else PASTED_WIDTH)


def say(text: str, *values: object) -> None:
    """A line of talk; `text` may have markup, the values in its `{}` are shown as they are."""
    _talk.print(text.format(*(escape(str(value)) for value in values)), soft_wrap=True)


def show(renderable: Any) -> None:  # noqa: ANN401 - whatever rich can show
    """Data for a person, on stdout."""
    _data.print(renderable)


def show_json(plain: Any) -> None:  # noqa: ANN401 - any JSON value
    """Data for a program, on stdout."""
    json.dump(plain, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


@contextmanager
def progress(title: str) -> Iterator[Callable[[Done], None]]:
    """A bar on a terminal, a line now and then elsewhere; yields what takes the state."""
    if not _talk.is_terminal:
        yield _plain(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_talk) as bar:
        task = bar.add_task(title, total=None, state="")

        def update(done: Done) -> None:
            bar.update(task, completed=done.rows, total=done.total_rows, state=_state(done))

        yield update


def _plain(title: str) -> Callable[[Done], None]:
    last = time.monotonic()

    def update(done: Done) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            say("{}: {}", title, _state(done))

    return update


def _state(done: Done) -> str:
    left_out = f", {done.left_out} left out" if done.left_out else ""
    return f"{done.rows}/{done.total_rows} rows, {gigabytes(done.written)} of images{left_out}"
