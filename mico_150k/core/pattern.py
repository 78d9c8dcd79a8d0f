"""Patterns by which a person names files: `--exclude`, `--task-map`."""

import glob
import re
import shlex
from fnmatch import fnmatchcase

_HALVES = re.compile("[\ud800-\udfff]")
"""How Python has the bytes of a name that is not UTF-8: none of them can be shown."""


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern speaks of a name: as the name itself, which may have a `[`, or with `*`."""
    return name == pattern or fnmatchcase(name, pattern)


def leave_out(name: str) -> str:
    """The way out where a file is no part of a source."""
    pattern = shlex.quote(_HALVES.sub("?", name))
    return f"If it is not part of the source, exclude it: --exclude {pattern}"


def globbed(place: str) -> str:
    """Why a path that is taken for a pattern would find other files; "" where it would not."""
    return "reads *, ? and [ in a path as a pattern" if glob.has_magic(place) else ""


def misread(place: str) -> str:
    """Why `datasets` would look for a path somewhere else; "" where it would not."""
    if "::" in place:
        return "reads :: in a path as a chain of file systems"
    return globbed(place)
