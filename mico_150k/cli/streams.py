"""Standard streams that accept any text, and whose reader may close at any time.

What is shown must not decide how a command ends: an ASCII terminal gets other characters, and
what is said to a pipe that nobody reads any more is lost, with no other harm.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_PLAIN = str.maketrans({"→": "->", "×": "x", "…": "...", "–": "-", "—": "-", "’": "'"})
"""What stands for our own characters where an encoding lacks them."""
_ERRORS = "mico-plain"


def prepare_streams() -> None:
    """Open those that are closed on nothing, and let none refuse a character.

    For the very beginning: the next file that is opened gets the number of a closed stream, and
    what a library prints would go into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # noqa: PERF203 - three times
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def close_streams() -> None:
    """Write what waits: at its own end, Python would change the exit status where that fails.

    Raises OSError where data cannot be written.
    """
    for stream in (Data(), Talk()):
        stream.flush()


class Data(io.TextIOBase):
    """Standard output, whichever it is at the moment. Who stops reading has had enough."""

    _name = "stdout"
    _harmless: type[OSError] = BrokenPipeError

    def write(self, text: str) -> int:
        """Write it, or lose it. Raises OSError where a disk is full."""
        with self._giving_up():
            self._stream.write(text)
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """As `write`, with no encoding between."""
        with self._giving_up():
            self._stream.flush()
            self._stream.buffer.write(data)

    def flush(self) -> None:
        """As `write`."""
        with self._giving_up():
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person sees it; it may be closed, and there is none then."""
        stream: TextIO | None = getattr(sys, self._name)
        return stream is not None and stream.isatty()

    def fileno(self) -> int:
        """The stream's number."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override] # read-only here
        """The stream's encoding."""
        return self._stream.encoding

    @property
    def is_unicode(self) -> bool:
        """Whether it takes every character as it is."""
        return (self.encoding or "utf-8").lower().startswith("utf")

    @property
    def _stream(self) -> TextIO:
        # While a bar is drawn, rich puts a stream in this one's place that writes to us.
        stream: TextIO = getattr(sys, self._name)
        return getattr(stream, "rich_proxied_file", stream)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Where it cannot be written, let all that it still holds, and that follows, go nowhere."""
        try:
            yield
        except OSError as error:
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
            if not isinstance(error, self._harmless):
                raise


class Talk(Data):
    """Standard error: that something cannot be said ends no work."""

    _name = "stderr"
    _harmless = OSError


def _as_plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end].translate(_PLAIN)
    return part.encode(error.encoding, "backslashreplace").decode(error.encoding), error.end


codecs.register_error(_ERRORS, _as_plain)
