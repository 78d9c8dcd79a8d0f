"""Reads a manifest's rows: an array of objects or one object per line, possibly gzipped.

The text is read in bounded pieces, since a file may exceed memory, or be a gzip bomb of blanks: at
most one row is in memory besides those that are kept.
"""

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeAlias

import xxhash

from mico_150k.core.errors import BrokenFile, EmptySource, MemoryTooSmall
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out
from mico_150k.core.recognize import HEAD_BYTES, JSON, describe_file
from mico_150k.core.sample import MAX_INPUTS
from mico_150k.io.json_lines import LINE_BYTES
from mico_150k.io.machine import free_memory

_GZIP = b"\x1f\x8b"
_MOST_RATIO = 200
"""The largest ratio of gzipped text to its file; rows that repeat paths reach 30."""
_FREE_BYTES = 4 << 20
"""The bytes of decompressed text before the ratio is checked."""
_BUFFER = 1 << 20
_PIECE = 1 << 20
"""The characters of an array that are first searched for the end of a value."""
_MOST_BLANK_LINES = 100_000
_MEMORY_SHARE = 0.5
_EMPTY_TEXT, _LIST_SLOT = 60, 8
"""The bytes that Python needs for a text besides its characters, and for a list slot."""

NO_VALUE = ...
"""Replaces a value that a manifest does not use."""

Row = dict[str, Any]
Text: TypeAlias = "io.BufferedReader[Any]"


class ManifestText:
    """The text of one manifest, read once."""

    def __init__(self, name: str, handle: BinaryIO) -> None:
        """Read from `handle`, which is open at the start of the file called `name`."""
        self._name = name
        self._bytes = _Counted(handle.read)
        self._digest = xxhash.xxh3_128()
        self._head = b""
        self._held = 0
        self._most_held = int(free_memory() * _MEMORY_SHARE)

    @property
    def digest(self) -> str:
        """Return the digest of the stored text, after its rows are read."""
        return self._digest.hexdigest()

    def rows(self) -> list[Row]:
        """Return all rows, without the values that no manifest uses.

        Raises `BrokenFile` with the row or line, `EmptySource`, and `MemoryTooSmall`.
        """
        rows = []
        with self._damage():
            for place, value in self._values():
                if not isinstance(value, dict):
                    kind = type(value).__name__
                    msg = f"{self._name}, {place}: {kind} instead of a JSON object."
                    raise BrokenFile(msg)
                row = {key: _kept(item) for key, item in value.items()}
                self._hold(row)
                rows.append(row)
        if not rows:
            msg = f"{self._name}: the manifest has no rows. {leave_out(self._name)}"
            raise EmptySource(msg)
        return rows

    def _values(self) -> Iterator[tuple[str, Any]]:
        """Yield each value and its location."""
        text: Text = io.BufferedReader(self._bytes, _BUFFER)
        self._head = text.peek(HEAD_BYTES)[:HEAD_BYTES]
        if text.peek(2)[:2] == _GZIP:
            text = io.BufferedReader(_Unzipped(self._name, text, self._bytes), _BUFFER)
        start = text.peek(_BUFFER)[:_BUFFER].removeprefix(codecs.BOM_UTF8).lstrip()
        yield from self._array(text) if start[:1] == b"[" else self._lines(text)

    def _lines(self, text: Text) -> Iterator[tuple[str, Any]]:
        number = blank = 0
        while line := text.readline(LINE_BYTES + 1):  # other line separators may be within a text
            number += 1
            self._digest.update(line)
            if len(line) > LINE_BYTES:
                raise self._broken(number, f"longer than {LINE_BYTES >> 20} MiB")
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if not line.strip():
                blank += 1
                if blank > _MOST_BLANK_LINES:
                    raise self._broken(number, f"more than {_MOST_BLANK_LINES} empty lines")
            else:
                try:
                    value = _DECODER.decode(line.decode())
                except (ValueError, RecursionError) as error:
                    raise self._broken(number, *_said(error)) from error
                yield f"line {number}", value

    def _array(self, text: Text) -> Iterator[tuple[str, Any]]:
        """Yield the values of an array, each decoded as soon as it is complete."""
        pieces = _Pieces(self, text)
        pieces.expect("[")
        row = 0
        while pieces.next_character() != "]":
            if row:
                pieces.expect(",")
            yield f"row {row}", pieces.value()
            row += 1
        pieces.expect("]")
        if pieces.next_character():
            msg = "something after the end of the array"
            raise pieces.broken(msg)

    def _hold(self, row: Row) -> None:
        """Count the memory of a row that is kept. Raises `MemoryTooSmall`."""
        self._held += 300 + sum(map(_size, row.values()))
        if self._held > self._most_held:
            msg = (
                f"{self._name}: its rows need more than {self._most_held >> 20} MiB, half of the "
                "free memory: a manifest is read into memory.\n"
                "Build on a larger machine, split the manifest, or convert it to Parquet."
            )
            raise MemoryTooSmall(msg)

    def _broken(self, line: int, what: str, more_lines: int = 0) -> BrokenFile:
        what = describe_file(self._head, JSON) or what
        return BrokenFile(
            f"{self._name}, line {line + more_lines}: neither a JSON array of objects nor JSON "
            f"lines: {what}.\n"
            f"{leave_out(self._name)}"
        )

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            msg = f"{self._name}: not a complete gzip file: {error}.\n{leave_out(self._name)}"
            raise BrokenFile(msg) from error


class _Pieces:
    """An array's text; only as much is held as its longest value needs."""

    def __init__(self, manifest: ManifestText, text: Text) -> None:
        self._manifest = manifest
        self._text = text
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._held = ""
        self._place = 0
        self._line = 1
        self._dropped = 0  # characters of this line that are no longer held
        self._is_whole = False

    def next_character(self) -> str:
        """Return the next character that is not blank; "" at the end."""
        while True:
            end = _blanks(self._held, self._place)
            self._pass(end)
            if end < len(self._held):
                return self._held[end]
            if not self._more():
                return ""

    def expect(self, character: str) -> None:
        """Skip this character. Raises `BrokenFile` if there is another."""
        if self.next_character() != character:
            raise self.broken(f"column {self._column()}: Expecting {character!r}")
        self._pass(self._place + 1)

    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the next value. Raises `BrokenFile`."""
        self.next_character()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._place)
            except (ValueError, RecursionError) as error:
                too_long = len(self._held) - self._place > LINE_BYTES
                lasting = isinstance(error, RecursionError | _DoubledError)
                if not lasting and not too_long and self._more():
                    continue
                what = f"longer than {LINE_BYTES >> 20} MiB, or " if too_long else ""
                if isinstance(error, json.JSONDecodeError):
                    self._pass(error.pos)
                    what += f"column {self._column()}: {error.msg}"
                else:
                    what += _said(error)[0]
                raise self.broken(what) from error
            self._pass(end)
            return value

    def broken(self, what: str) -> BrokenFile:
        """Return the error for this location."""
        return self._manifest._broken(self._line, what)  # noqa: SLF001 - two halves of one reader

    def _column(self) -> int:
        line = self._held.rfind("\n", 0, self._place)
        return self._place - line + (self._dropped if line < 0 else 0)

    def _pass(self, end: int) -> None:
        self._line += self._held.count("\n", self._place, end)
        self._place = end

    def _more(self) -> bool:
        """Read more, twice as much each time a value is incomplete. Returns False at the end."""
        if self._is_whole:
            return False
        size = max(_PIECE, len(self._held) - self._place)
        data = self._text.read(size)
        self._manifest._digest.update(data)  # noqa: SLF001
        self._is_whole = len(data) < size
        try:
            text = self._decoder.decode(data, self._is_whole)
        except UnicodeDecodeError as error:
            before = self._held.count("\n", self._place) + error.object.count(b"\n", 0, error.start)
            self._line += before
            msg = "no UTF-8"
            raise self.broken(msg) from error
        self._dropped = self._column() - 1
        self._held = self._held[self._place :] + text
        self._place = 0
        return True


class _Counted(io.RawIOBase):
    """Reads bytes and counts them."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - anything that can be written to
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Unzipped(_Counted):
    """Decompresses a gzip file; refuses it if it expands far more than any manifest does."""

    def __init__(self, name: str, text: Text, zipped: _Counted) -> None:
        super().__init__(gzip.GzipFile(fileobj=text).read1)
        self._name = name
        self._zipped = zipped

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - anything that can be written to
        size = super().readinto(buffer)
        if self.count > max(_FREE_BYTES, _MOST_RATIO * self._zipped.count):
            msg = (
                f"{self._name}: decompresses to more than {_MOST_RATIO} times its size, too much "
                "for a manifest.\n"
                f"{leave_out(self._name)}"
            )
            raise BrokenFile(msg)
        return size


class _DoubledError(ValueError):
    """An object has a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> Row:
    """Return a JSON object. Raises `_DoubledError`, since one of two values would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        msg = f"the key {excerpt(next(key for key in keys if keys.count(key) > 1))} appears twice"
        raise _DoubledError(msg)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _blanks(text: str, start: int) -> int:
    """Return where the blanks that start here end."""
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _said(error: Exception) -> tuple[str, int]:
    """Return what is wrong, and how many lines below the start of the text."""
    if isinstance(error, json.JSONDecodeError):
        return f"column {error.colno}: {error.msg}", error.lineno - 1
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8", 0
    if isinstance(error, RecursionError):
        return "nested too deeply", 0
    return excerpt(error), 0


def _kept(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a manifest uses: a text, a number, or texts; only the first of very many."""
    if isinstance(value, list):
        if not all(isinstance(item, str | None) for item in value):
            return NO_VALUE
        return value[: MAX_INPUTS + 1]
    return NO_VALUE if isinstance(value, dict) else value


def _size(value: Any) -> int:  # noqa: ANN401 - any value that is kept
    """Return the approximate bytes that a value takes in memory."""
    if isinstance(value, str):
        return _EMPTY_TEXT + len(value)
    if isinstance(value, list):
        return _EMPTY_TEXT + sum(_LIST_SLOT + _size(item) for item in value)
    return _LIST_SLOT
