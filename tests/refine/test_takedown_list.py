"""A list of what is to be taken down is read from a regular file, a line at a time."""

import os
from pathlib import Path

import pytest

from mico_150k.core.errors import UsageError
from mico_150k.refine.takedown import Removal


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_ends_with_a_line_feed_and_nothing_else(tmp_path: Path, end: str) -> None:
    path = tmp_path / "list"
    entries = ["hoi/1", "hoi/a\u2028b", "hoi/c\x0cd", "# not this", "", "0" * 31 + "A"]
    path.write_bytes(("\ufeff" + end.join(entries)).encode())
    removal = Removal.read(path)
    assert removal.ids == {"hoi/1", "hoi/a\u2028b", "hoi/c\x0cd"}
    assert removal.digests == {"0" * 31 + "a"}


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_regular_file_is_no_list(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "list")
    with pytest.raises(UsageError, match="not a list of ids and digests"):
        Removal.read(tmp_path / "list")
