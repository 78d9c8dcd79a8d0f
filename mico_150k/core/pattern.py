"""The file patterns of `--exclude` and `--task-map`."""

import glob
import re
import shlex
from fnmatch import fnmatchcase

_HALVES = re.compile("[\ud800-\udfff]")
"""Python's stand-ins for bytes of a name that is not UTF-8; they cannot be printed."""


def matches(name: str, pattern: str) -> bool:
    """Whether a name equals a pattern (even one with `[`), or matches it as a glob."""
    return name == pattern or fnmatchcase(name, pattern)


def leave_out(name: str) -> str:
    """Return the advice that excludes a file from a source."""
    pattern = shlex.quote(_HALVES.sub("?", name))
    return f"If it is not part of the source, exclude it: --exclude {pattern}"


def globbed(place: str) -> str:
    """Return why a path, taken as a glob, would match other files; "" if it would not."""
    return "reads *, ? and [ in a path as a pattern" if glob.has_magic(place) else ""


def misread(place: str) -> str:
    """Return why `datasets` would look for a path somewhere else; "" if it would not."""
    if "::" in place:
        return "reads :: in a path as a chain of file systems"
    return globbed(place)
