"""Output for people: messages and progress go to stderr, so that stdout holds only data."""

import json
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager as ContextManager
from contextlib import contextmanager
from itertools import chain, zip_longest
from math import ceil
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mico_150k.api.progress_bar import OnCount, OnProgress, count_bar, row_bar
from mico_150k.cli.streams import Data, Talk
from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted

PLAIN_SECONDS = 10.0
"""The seconds between two progress lines without a terminal."""

PASTED_WIDTH = 140
"""The width of a table that goes to a file or a message."""

MOST_LINES, MOST_CHARACTERS = 40, 1000
"""The most characters of a shown text, and of each line: foreign text may be of any size."""

_MINUTE, _HOUR = 60, 3600

_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
}


class _Plain(Console):
    """Shows every text literally: data is never markup or an emoji's name."""

    def render_str(self, text: str, **how: Any) -> Text:  # noqa: ANN401 - rich's
        return super().render_str(visible(text), **how)


_stdout = Data()
_talk = Console(file=cast("IO[str]", Talk()), highlight=False)


def visible(text: str) -> str:
    """Return the text, cut, with control and unencodable characters replaced by names."""
    lines = text.encode("utf-8", "backslashreplace").decode().translate(_CONTROLS).split("\n")
    shown = [
        excerpt(line, MOST_CHARACTERS) if len(line) > MOST_CHARACTERS else line for line in lines
    ]
    if len(shown) > MOST_LINES:
        shown[MOST_LINES:] = [f"… and {counted(len(lines) - MOST_LINES, 'more line')}"]
    return "\n".join(shown)


def say(text: str, *values: object) -> None:
    """Print a message; `text` may have markup, and the values in its `{}` are shown literally."""
    _talk.print(_line(text, values), soft_wrap=True)


def _line(text: str, values: Iterable[object]) -> Text:
    pieces = (Text.from_markup(piece, emoji=False) for piece in text.split("{}"))
    shown = (visible(str(value)) for value in values)
    return Text.assemble(*chain.from_iterable(zip_longest(pieces, shown, fillvalue="")))


def show_line(text: str, *values: object) -> None:
    """Print a line for people on stdout; `text` may have markup, as for `say`."""
    width = None if _stdout.isatty() else PASTED_WIDTH
    console = Console(file=cast("IO[str]", _stdout), highlight=False, width=width)
    console.print(_line(text, values), soft_wrap=True)


def show(renderable: Any) -> None:  # noqa: ANN401 - whatever rich can show
    """Print data for people on stdout, without interpreting markup."""
    width = None if _stdout.isatty() else PASTED_WIDTH
    file = cast("IO[str]", _stdout)
    _Plain(file=file, highlight=False, markup=False, emoji=False, width=width).print(renderable)


def show_text(line: str) -> None:
    """Print a line of data unchanged on stdout."""
    _stdout.write(f"{line}\n")
    _stdout.flush()


def show_bytes(data: bytes) -> None:
    """Write bytes unchanged to stdout."""
    _stdout.write_bytes(data)


@contextmanager
def showing() -> Iterator[None]:
    """Show finished work: an error in showing it is only reported."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the work is done; a failed display is harmless
        say("[yellow]note[/yellow]: what was made cannot be shown: {}", told(error))


def told(error: BaseException) -> str:
    """Return an error's message in one line."""
    first, _, _ = str(error).partition("\n")
    return f"{type(error).__name__}: {first}"


def duration(seconds: float) -> str:
    """Return a duration such as `40 s`, `12 min` or `3.5 h`."""
    if seconds < _MINUTE * 2:
        return f"{ceil(seconds)} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < _HOUR * 2 else f"{seconds / _HOUR:.1f} h"


def show_json(plain: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print data for a program on stdout."""
    text = json.dumps(plain, indent=2, ensure_ascii=not _stdout.is_unicode)
    _stdout.write(f"{text}\n")
    _stdout.flush()  # a write error is reported here, not at Python's exit


def make_table(*columns: str, text: Collection[str] = ()) -> Table:
    """Return an empty table.

    Args:
        columns: The headers, each different.
        text: Those of columns that hold text, besides the first; the others hold numbers.
    """
    table = Table(caption_justify="left")
    for place, column in enumerate(columns):
        is_text = place == 0 or column in text
        table.add_column(column, justify="left" if is_text else "right")
    return table


def progress(title: str) -> ContextManager[OnProgress]:
    """Show a bar on a terminal, occasional lines elsewhere; yields the progress callback."""
    return row_bar(title, _talk, _Lines())


def tally(title: str, things: str) -> ContextManager[OnCount]:
    """Show progress with counts and a rate; yields a callback for done and total."""
    return count_bar(title, things, _talk, _Lines())


class _Lines:
    """Shows progress in occasional lines, for where no bar can be drawn."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, title: str, state: str, left: str) -> None:
        """Print the progress, unless the last line was a moment ago."""
        if time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            say("{}: {}{}", title, state, left)
