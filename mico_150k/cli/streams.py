"""Standard streams that accept any text, and whose reader may close at any time.

Output must not affect a command's exit status: an ASCII terminal gets replacement characters, and
messages to a closed pipe are dropped.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_PLAIN = str.maketrans({"→": "->", "×": "x", "…": "...", "–": "-", "—": "-", "’": "'"})
"""Replacements for our own characters that an encoding lacks."""
_ERRORS = "mico-plain"


def prepare_streams() -> None:
    """Open closed streams on the null device, and let none refuse a character.

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
    """Flush the streams: at Python's own end, a failure would change the exit status.

    Raises OSError where data cannot be written.
    """
    for stream in (Data(), Talk()):
        stream.flush()


class Data(io.TextIOBase):
    """Standard output, even if it is replaced later. A closed pipe is not an error."""

    _name = "stdout"
    _harmless: type[OSError] = BrokenPipeError

    def write(self, text: str) -> int:
        """Write the text, or drop it if nobody reads. Raises OSError if a disk is full."""
        with self._giving_up():
            self._stream.write(text)
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as `write` does, without encoding."""
        with self._giving_up():
            self._stream.flush()
            self._stream.buffer.write(data)

    def flush(self) -> None:
        """Flush, with the errors of `write`."""
        with self._giving_up():
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether it is a terminal; False if it is closed."""
        stream: TextIO | None = getattr(sys, self._name)
        return stream is not None and stream.isatty()

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override] # read-only here
        """The stream's encoding."""
        return self._stream.encoding

    @property
    def is_unicode(self) -> bool:
        """Whether it can encode every character."""
        return (self.encoding or "utf-8").lower().startswith("utf")

    @property
    def _stream(self) -> TextIO:
        # While a bar is drawn, rich replaces this stream with one that writes to it.
        stream: TextIO = getattr(sys, self._name)
        return getattr(stream, "rich_proxied_file", stream)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """If writing fails, discard what is buffered and everything that follows."""
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
    """Standard error: a message that cannot be written stops nothing."""

    _name = "stderr"
    _harmless = OSError


def _as_plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end].translate(_PLAIN)
    return part.encode(error.encoding, "backslashreplace").decode(error.encoding), error.end


codecs.register_error(_ERRORS, _as_plain)
