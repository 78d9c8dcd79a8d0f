"""What this process may use: cores, memory that is free, and space on the disk."""

import os
import re
import shutil
import sys
from pathlib import Path

from mico_150k.core.errors import DiskTooSmall, UsageError
from mico_150k.io import cgroups

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_KILO = 1000
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?|[kmg]i)b?", re.IGNORECASE)


def cores(system: Path = cgroups.SYSTEM) -> int:
    """The cores that this process may use, by its affinity, its control groups and Slurm.

    Args:
        system: Where `proc` and `sys` lie.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    own = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(own, cgroups.cores(system) or own, _slurm_cores() or own)


def free_memory(system: Path = cgroups.SYSTEM) -> int:
    """Bytes that can be had without swapping, by the machine, control groups and Slurm.

    `sys.maxsize` where none of them says. Slurm says what a job has, and not what is free of it;
    where it enforces that, it does so by control groups.

    Args:
        system: Where `proc` and `sys` lie.
    """
    limits = (_available(system), cgroups.free_memory(system), _slurm_memory())
    return min(limit for limit in limits if limit is not None)


def _slurm_cores() -> int | None:
    return _setting("SLURM_CPUS_PER_TASK") or _setting("SLURM_CPUS_ON_NODE")


def _slurm_memory() -> int | None:
    """Bytes; Slurm counts in MiB, and 0 is all that a node has."""
    each, cpus = _setting("SLURM_MEM_PER_CPU"), _slurm_cores()
    per_cpu = each * cpus if each and cpus else None
    found = _setting("SLURM_MEM_PER_NODE") or per_cpu
    return found << 20 if found else None


def _setting(name: str) -> int | None:
    value = os.environ.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else None


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


def _available(system: Path) -> int:
    try:
        for line in (system / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return sys.maxsize


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
