"""`open_source`: where rows come from, as every command opens it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mico_150k import sources
from mico_150k.core.task import Task
from mico_150k.sources import DEMO, ReadOptions, Source
from mico_150k.sources.shape import parse_map


def open_source(
    location: str | Path = DEMO,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    tasks: Mapping[str, Task | str] | None = None,
    exclude: Sequence[str] = (),
    allow_outside: bool = False,
) -> Source:
    """Open a source of rows. Only headers are read.

    Args:
        location: A folder or file, `USER/NAME` on the Hub (with `@revision`), or a URL; `demo` is
            built in.
        columns: Which columns hold what, where that is not found:
            `{"inputs": ["a", "b"], "output": "c", "id": "d", "instruction": "e"}`.
        tasks: The task of a folder, a file or a pattern, where its name does not tell:
            `{"People": "human_centric"}`.
        exclude: Patterns of files to skip.
        allow_outside: Take image paths that lead out of the source's folder.

    Raises:
        SourceError: There is no source, in one of its kinds.
        UsageError: An argument is wrong, or the place holds a dataset.
    """
    return sources.open_source(
        str(location), read_options(columns, tasks, exclude, allow_outside=allow_outside)
    )


def read_options(
    columns: Mapping[str, str | Sequence[str]] | None,
    tasks: Mapping[str, Task | str] | None,
    exclude: Sequence[str],
    *,
    allow_outside: bool,
) -> ReadOptions:
    """The arguments of `open_source`, checked. Raises `UsageError`."""
    words = [
        f"{part}={names if isinstance(names, str) else ','.join(names)}"
        for part, names in (columns or {}).items()
    ]
    return ReadOptions(
        columns=parse_map(words),
        tasks={folder: Task(task) for folder, task in (tasks or {}).items()},
        exclude=tuple(exclude),
        allow_outside=allow_outside,
    )
