"""Patterns by which a person names files: `--exclude`, `--task-map`."""

import shlex
from fnmatch import fnmatchcase


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern speaks of a name: as the name itself, which may have a `[`, or with `*`."""
    return name == pattern or fnmatchcase(name, pattern)


def leave_out(name: str) -> str:
    """The way out where a file is no part of a source."""
    return f"If it is no part of the source, leave it out: --exclude {shlex.quote(name)}"
