"""What this machine has for a build: cores, and memory that is free."""

import os
import re
import shutil
import sys
from pathlib import Path

from mico_150k.core.errors import DiskTooSmall, UsageError

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_KILO = 1000
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?|[kmg]i)b?", re.IGNORECASE)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Bytes that can be had without swapping, as far as the machine or its container tells.

    Where neither does, no limit is known.
    """
    free = _available()
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is not None and used is not None:
        free = min(free, max(0, limit - used))
    return free


def parse_size(text: str) -> int:
    """`12GB`, `800 MB`, `16GiB` or plain bytes. Raises `UsageError`.

    >>> parse_size("1.5GB")
    1500000000
    """
    found = _SIZE.fullmatch(text.strip())
    size = round(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    if not size:
        msg = f"--max-memory {text} is not a positive size, such as 12GB, 800MB or 16GiB."
        raise UsageError(msg)
    return size


def _available() -> int:
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return sys.maxsize


def _number(path: Path) -> int | None:
    """The number in a file; None where it is absent or says that there is no limit."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def gigabytes(size: float) -> str:
    """`1.2 GB`, `340 MB`, `12 bytes`: decimal, as disks are sold and the Hub counts."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 1e3:.3g} kB" if size >= _KILO or not size else f"{size:.0f} bytes"


def free_space(path: Path) -> int | None:
    """Bytes that are free where a folder is, or will be; None where the file system tells none."""
    try:
        return shutil.disk_usage(existing(path)).free
    except OSError:
        return None


def require_room(folder: Path, needed: int, free: int | None, what: str, way_out: str = "") -> None:
    """Raise `DiskTooSmall` where `needed` bytes are more than are free, if the disk tells.

    `what` says in the message what they are for, with `{}` for how many.
    """
    if free is not None and needed > free:
        said = what.format(gigabytes(needed))
        msg = f"{folder}: {said}, and the disk has {gigabytes(free)} free.{way_out}"
        raise DiskTooSmall(msg)


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def check_room(folder: Path, needed: int) -> None:
    """Raise `DiskTooSmall` where a folder's disk has fewer bytes free, if it tells."""
    require_room(folder, needed, free_space(folder), "this will need {}")
