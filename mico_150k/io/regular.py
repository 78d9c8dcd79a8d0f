"""The one rule for what is read: a regular file, inside the folder that it belongs to.

What is read comes from strangers. A FIFO in place of a file would hang whoever opens it, and a link
may lead to a file that was never meant to be published.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mico_150k.core.errors import NotRegular, OutsideRoot
from mico_150k.core.excerpt import excerpt

SMALL_FILE_BYTES = 64 << 20
"""The largest manifest, report, card or list that is read whole: a terabyte's take a tenth."""

_HUB_SNAPSHOT = re.compile(r"(?P<repository>.*/datasets--[^/]+)/snapshots/[^/]+(/.*)?")

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass(frozen=True, slots=True)
class Root:
    """A folder of this machine that files may not lead out of, by `..` or by links.

    A snapshot in the Hub's cache is made of links into the `blobs/` of its own repository: these
    count as inside where the folder was given as that snapshot.
    """

    path: str
    real: str
    blobs: str = ""

    @classmethod
    def at(cls, path: str | Path) -> "Root":
        """The root at a folder, which need not exist."""
        given = os.path.abspath(path)
        snapshot = _HUB_SNAPSHOT.fullmatch(given)
        blobs = f"{os.path.realpath(snapshot['repository'])}/blobs" if snapshot else ""
        return cls(given, os.path.realpath(given), blobs)

    def holds(self, path: str | Path) -> bool:
        """Whether a path, its links followed, lies inside; relative ones are below the root."""
        target = os.path.realpath(os.path.join(self.path, path))
        within = [folder for folder in (self.real, self.blobs) if folder]
        return any(f"{target}/".startswith(f"{folder.rstrip('/')}/") for folder in within)

    def file(self, path: str | Path) -> Path:
        """The path of a regular file inside.

        Raises `OutsideRoot`, `NotRegular`, and OSError where there is none.
        """
        full = Path(self.path, path)
        if not self.holds(full):
            msg = (
                f"{excerpt(full)} leads out of {excerpt(self.path)}, to "
                f"{excerpt(os.path.realpath(full))}.\n"
                "Replace it with a copy of the file, or remove it."
            )
            raise OutsideRoot(msg)
        require_regular(full)
        return full


def require_regular(path: str | Path) -> os.stat_result:
    """What `os.stat` says of a regular file. Raises `NotRegular`, and OSError where none is."""
    status = os.stat(path)
    _check(path, status.st_mode)
    return status


def is_regular(path: str | Path) -> bool:
    """Whether a regular file, or a link to one, is there."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file for reading that is a regular one: nothing else is even waited for.

    Raises `NotRegular`, and OSError where there is none.
    """
    require_regular(path)  # a device may act on being opened
    # Whatever has been put in its place since does not block.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_small(path: str | Path, most: int = SMALL_FILE_BYTES) -> bytes:
    """The bytes of a regular file that is small by its nature.

    Raises `NotRegular` for anything else or for more than `most` bytes, and OSError where there
    is none.
    """
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        msg = f"{excerpt(path)} is larger than {most >> 20} MiB, too large for a file of this kind."
        raise NotRegular(msg)
    return data


def _check(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        msg = f"{excerpt(path)} is {kind}, not a regular file. Remove it."
        raise NotRegular(msg)
