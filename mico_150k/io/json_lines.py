"""Foreign JSON, and files with one JSON value per line, in UTF-8.

Only a line feed ends a line: `str.splitlines` would also split at U+2028, which JSON allows in a
text.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mico_150k.core.errors import BrokenFile
from mico_150k.core.excerpt import excerpt
from mico_150k.io.regular import open_regular

LINE_BYTES = 16 << 20
"""The longest line that is read: a row of 100,000 paths has less."""


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text, which may begin with a byte order mark.

    Raises:
        ValueError: It is not valid JSON; no other type is raised.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def to_json_line(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return one line of JSON with its line feed; lone surrogates are escaped."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(value)
    return f"{line}\n"


def to_json_lines(values: Iterable[Any]) -> bytes:
    """Return the content of a file with these values, one per line."""
    return "".join(map(to_json_line, values)).encode()


def parse_json_lines(file: BinaryIO, name: str) -> Iterator[tuple[int, Any]]:
    """Yield the number, from 1, and the value of each line that is not empty.

    Args:
        file: The open file.
        name: The file's name in an error.

    Raises:
        BrokenFile: A line is not JSON; the message names the file and the line.
    """
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if not line.strip():
            continue
        try:
            if len(line) > LINE_BYTES:
                msg = f"longer than {LINE_BYTES >> 20} MiB"
                raise ValueError(msg)  # noqa: TRY301 - one message for all that a line can be
            yield number, parse_json(line)
        except ValueError as error:
            msg = f"{excerpt(name)}, line {number}: not valid JSON: {excerpt(error)}"
            raise BrokenFile(msg) from error


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each line of a local file, as `parse_json_lines` does.

    Raises:
        BrokenFile: A line is not JSON.
        NotRegular: The path is not a regular file.
        OSError: The file cannot be read.
    """
    with open_regular(path) as file:
        yield from parse_json_lines(file, str(path))
