"""What a person sees is what the data says, whatever it says."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest
from rich.table import Table

from mico_150k.cli.streams import prepare_streams
from mico_150k.cli.terminal import duration, say, show, show_json, showing

HOSTILE = [
    "[/b]", "[red]x[/red]", "[@click=x]", ":smile:", "\\", "a\\\\", "\\[b]", "{}", "{0}", "{x!r}",
    "x[/b]\\", "'1' 2.5 None",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_shown_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say("[red]mico:[/red] {}, {}", text, text)
    assert capsys.readouterr().err == f"mico: {text}, {text}\n"
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    show(table)
    show(text)
    out = capsys.readouterr().out
    assert out.count(text) == 4


def test_a_duration_is_as_long_as_it_matters() -> None:
    assert [duration(seconds) for seconds in (0.1, 40, 720, 12_600)] == [
        "1 s", "40 s", "12 min", "3.5 h",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["x" * 3_000_000, "line\n" * 700_000, "a\x1b[31m" * 90_000])
def test_a_text_of_any_length_is_cut(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say("[red]mico:[/red] {} is wrong", text)
    table = Table("column")
    table.add_row(text)
    show(table)
    show(text)
    shown = capsys.readouterr()
    assert len(shown.err) < 50_000
    assert len(shown.out) < 100_000
    assert shown.err.rstrip().endswith("is wrong")
    assert "\x1b" not in shown.err + shown.out


class Pipe(io.RawIOBase):
    """What is written to nobody."""

    def __init__(self, error: OSError | None = None) -> None:
        self.written = b""
        self._error = error

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._error:
            raise self._error
        self.written += bytes(data)
        return len(data)


def stream(monkeypatch: pytest.MonkeyPatch, name: str, encoding: str, pipe: Pipe) -> None:
    wrapper = io.TextIOWrapper(io.BufferedWriter(pipe), encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, name, wrapper)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "a->b x \\xe9 \\u65e5 ..."), ("latin-1", "a->b \xd7 \xe9 \\u65e5 ..."),
     ("cp1252", "a->b \xd7 \xe9 \\u65e5 \x85"), ("utf-8", "a→b × é 日 …")],
)  # fmt: skip
def test_every_encoding_shows_what_it_can(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, talk = Pipe(), Pipe()
    stream(monkeypatch, "stdout", encoding, out)
    stream(monkeypatch, "stderr", encoding, talk)
    prepare_streams()
    say("{}", "a→b × é 日 …")
    show("a→b × é 日 …")
    expected = shown.encode("utf-8" if encoding == "utf-8" else "latin-1")
    assert talk.written.rstrip() == expected
    assert out.written.rstrip() == expected


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_json_is_valid_and_whole_in_every_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {"é": "→ × 😀 \ud83d \x85", "long": "x" * 200_000}
    out = Pipe()
    stream(monkeypatch, "stdout", encoding, out)
    prepare_streams()
    show_json(plain)
    assert json.loads(out.written.decode(encoding)) == plain


BAR = """
import sys
from mico_150k.cli.terminal import progress, tally
from mico_150k.core.progress import Progress
with progress("building") as on_progress:
    print("said by a library", file=sys.stderr)
    on_progress(Progress(1, 2, 3_000_000, 4, 0))
with tally("encoding", "images") as on_images:
    on_images(7, 9)
"""


def test_a_bar_on_a_terminal_is_drawn_once_for_each_state_and_ends() -> None:
    here, there = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", BAR], stderr=there,  # which holds more than is said here
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        timeout=60, check=False,
    )  # fmt: skip
    shown = os.read(here, 1 << 20).decode()
    os.close(here)
    os.close(there)
    assert done.returncode == 0
    assert shown.count("said by a library") == 1
    assert "1/2 rows, 3 MB of images" in shown
    assert "7/9 images" in shown


# From Python 3.13 on, a stream that cannot be flushed is told of when it is collected as well.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_who_stops_reading_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream(monkeypatch, "stdout", "utf-8", Pipe(BrokenPipeError(32, "Broken pipe")))
    stream(monkeypatch, "stderr", "utf-8", Pipe(OSError(5, "Input/output error")))
    for _ in range(3):
        say("{}", "talk")
        show("data")
        show_json({"data": 1})


# From Python 3.13 on, a stream that cannot be flushed is told of when it is collected as well.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_loses_no_data_in_silence_but_ends_nothing_that_is_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream(monkeypatch, "stdout", "utf-8", Pipe(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        show("data")
    with pytest.raises(OSError, match="No space left"):
        show_json({"data": 1})
    with showing():
        show("data")
    assert "note: what was made cannot be shown: OSError: [Errno 28]" in capsys.readouterr().err
