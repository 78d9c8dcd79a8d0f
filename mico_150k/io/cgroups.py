"""What control groups allow this process: the limits of containers, Slurm, Kubernetes, systemd.

`/proc/self/cgroup` names the process's groups, and `/proc/self/mountinfo` where groups are to be
seen. Every ancestor's limit counts. In a container, only what is mounted there can be seen; with a
namespace of its own, its group looks like the root.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

SYSTEM = Path("/")


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """A tree of groups as it is mounted: the part below `root`, at the folder `at`.

    Version 1 has several trees, each with some controllers; version 2 has one with all.
    """

    version: int
    root: str
    at: str
    controllers: frozenset[str]


def free_memory(system: Path = SYSTEM) -> int | None:
    """Bytes that this process may still have; None where no group limits it.

    Page cache that is not in use counts as free: the kernel gives it back when asked for more.

    Args:
        system: Where `proc` and `sys` lie.
    """
    found = [
        left
        for version, group in _groups(system, "memory")
        if (left := (_memory_1 if version == 1 else _memory_2)(group)) is not None
    ]
    return max(0, min(found)) if found else None


def cores(system: Path = SYSTEM) -> int | None:
    """Cores whose time this process may use, rounded up; None where no group limits it."""
    quotas = [
        quota
        for version, group in _groups(system, "cpu")
        if (quota := (_quota_1 if version == 1 else _quota_2)(group)) is not None
    ]
    return max(1, ceil(min(quotas))) if quotas else None


def _groups(system: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """The version and folder of each group whose limits hold, as far as it can be seen."""
    paths = dict(_paths(system, controller))
    for hierarchy in _hierarchies(system):
        own = paths.get(hierarchy.version)
        if own is None or (hierarchy.version == 1 and controller not in hierarchy.controllers):
            continue
        at = system / hierarchy.at.lstrip("/")
        try:
            below = PurePosixPath(own).relative_to(hierarchy.root)
        except ValueError:  # it is mounted from elsewhere: its top is the nearest to be seen
            below = PurePosixPath()
        if ".." in below.parts:  # outside of the namespace
            below = PurePosixPath()
        for group in (below, *below.parents):
            yield hierarchy.version, at / group


def _paths(system: Path, controller: str) -> Iterator[tuple[int, str]]:
    """The version, and this process's group in it: `4:cpu,cpuacct:/a/b`, `0::/a/b`."""
    for line in _lines(system / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield 2, path
        elif controller in controllers.split(","):
            yield 1, path


def _hierarchies(system: Path) -> Iterator[_Hierarchy]:
    """`35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`."""
    for line in _lines(system / "proc/self/mountinfo"):
        mount, _, kind = line.partition(" - ")
        fields, what = mount.split(" "), kind.split(" ")
        if what[0] in {"cgroup", "cgroup2"}:
            version = 1 if what[0] == "cgroup" else 2
            root, at = map(_unescaped, fields[3:5])
            yield _Hierarchy(version, root, at, frozenset(what[-1].split(",")))


def _unescaped(path: str) -> str:
    r"""A path as `mountinfo` writes it: a space is `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def _memory_1(group: Path) -> int | None:
    limit = _number(group / "memory.limit_in_bytes")  # without one, it is near 2 ** 63
    used = _number(group / "memory.usage_in_bytes")
    if limit is None or used is None:
        return None
    return limit - used + _cache(group, "total_inactive_file")


def _memory_2(group: Path) -> int | None:
    # Above `high`, a group is slowed down until it hardly moves.
    limits = [_number(group / f"memory.{name}") for name in ("max", "high")]
    known = [limit for limit in limits if limit is not None]
    used = _number(group / "memory.current")
    if not known or used is None:
        return None
    return min(known) - used + _cache(group, "inactive_file")


def _cache(group: Path, name: str) -> int:
    for line in _lines(group / "memory.stat"):
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def _quota_1(group: Path) -> float | None:
    quota = _number(group / "cpu.cfs_quota_us")  # -1 without one
    period = _number(group / "cpu.cfs_period_us")
    return quota / period if quota and quota > 0 and period else None


def _quota_2(group: Path) -> float | None:
    for line in _lines(group / "cpu.max"):  # `150000 100000`, or `max 100000`
        quota, _, period = line.partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            return int(quota) / int(period)
    return None


def _number(path: Path) -> int | None:
    """The number in a file; None where it is absent or says `max`."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
