"""Opens only regular files that lie inside the folder that they belong to.

Datasets may come from strangers: a FIFO in place of a file would block the reader, and a link may
lead to a file that must not be published.
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
"""The largest manifest, report, card or list to read; those of a terabyte take a tenth of it."""

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
    """A local folder that no path may leave, by `..` or by links.

    A snapshot in the Hub's cache consists of links into its repository's `blobs/`: they count as
    inside if the folder is that snapshot.
    """

    path: str
    real: str
    blobs: str = ""

    @classmethod
    def at(cls, path: str | Path) -> "Root":
        """Return the root for a folder, which need not exist."""
        given = os.path.abspath(path)
        snapshot = _HUB_SNAPSHOT.fullmatch(given)
        blobs = f"{os.path.realpath(snapshot['repository'])}/blobs" if snapshot else ""
        return cls(given, os.path.realpath(given), blobs)

    def holds(self, path: str | Path) -> bool:
        """Whether a path, absolute or relative to the root, lies inside with links resolved."""
        target = os.path.realpath(os.path.join(self.path, path))
        within = [folder for folder in (self.real, self.blobs) if folder]
        return any(f"{target}/".startswith(f"{folder.rstrip('/')}/") for folder in within)

    def file(self, path: str | Path) -> Path:
        """Return the path of a regular file inside.

        Raises:
            OutsideRoot: The path leads out of the folder.
            NotRegular: It is a FIFO, socket, device or folder.
            OSError: There is no such file.
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
    """Return `os.stat` of a regular file.

    Raises:
        NotRegular: It is something else.
        OSError: There is no such file.
    """
    status = os.stat(path)
    _check(path, status.st_mode)
    return status


def is_regular(path: str | Path) -> bool:
    """Whether the path is a regular file or a link to one."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; anything else is refused without blocking.

    Raises:
        NotRegular: It is something else.
        OSError: There is no such file.
    """
    require_regular(path)  # a device may act on being opened
    # What replaced it in the meantime does not block.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_small(path: str | Path, most: int = SMALL_FILE_BYTES) -> bytes:
    """Return the bytes of a regular file that is expected to be small.

    Raises:
        NotRegular: It is something else, or larger than `most` bytes.
        OSError: There is no such file.
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
