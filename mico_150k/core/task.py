"""The tasks of MICo-150K, and how a folder's spelling names one.

Only the authors know how the release spells its folders. So the words in a name count, in any case
and with anything between them.
"""

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePosixPath

from mico_150k.core.errors import UnknownTask, UsageError
from mico_150k.core.pattern import matches


class Task(str, Enum):
    """A group of sub-tasks, as in the paper (arXiv 2512.07348, section 3)."""

    OBJECT_CENTRIC = "object_centric"
    HUMAN_CENTRIC = "human_centric"
    HOI = "hoi"
    DE_RE = "de_re"
    UNKNOWN = "unknown"
    """Never detected: the user sets it for data whose folder names are lost."""

    def __str__(self) -> str:
        return self.value


_HUMAN = r"human|person(?!al)|people|\b(?:wo)?m[ae]n\b"
_THING = r"object|cloth"
_SPELLINGS: tuple[tuple[Task, re.Pattern[str]], ...] = (
    # The first that fits wins: "human_object_interaction" names a human and an object as well.
    (Task.DE_RE, re.compile(r"decompos|recompos|\bdere\b|\bde re\b|\bde and re\b|\bd r\b")),
    (Task.HOI, re.compile(rf"\bhoi\b|interaction|({_HUMAN}).*({_THING})|({_THING}).*({_HUMAN})")),
    (Task.HUMAN_CENTRIC, re.compile(_HUMAN)),
    (Task.OBJECT_CENTRIC, re.compile(r"object")),
)


def task_from_spelling(name: str) -> Task | None:
    """Detect the task from the name of a folder or file; None if it names no task.

    >>> task_from_spelling("Decompose&Recompose")
    <Task.DE_RE: 'de_re'>
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.sub(r"[^a-z]+", " ", words.lower()).strip()
    if words == Task.UNKNOWN.value:
        return None
    return next((task for task, pattern in _SPELLINGS if pattern.search(words)), None)


def task_by_rule(path: str, rules: Mapping[str, Task]) -> Task | None:
    """Return the task that a `--task-map FOLDER=task` rule gives to a path, or None.

    A rule applies to every path that contains that folder, file name or stem, and to paths that
    match it as a pattern.
    """
    return next((task for pattern, task in rules.items() if speaks_of(pattern, path)), None)


def speaks_of(rule: str, path: str) -> bool:
    """Whether the FOLDER of a rule applies to a path."""
    names = (path, *PurePosixPath(path).parts, PurePosixPath(path).stem)
    return path.startswith(f"{rule}/") or any(matches(name, rule) for name in names)


def task_by_spelling(path: str, root_name: str = "") -> Task | None:
    """Detect the task from a path: the file's stem, then its folders, then the root's name.

    The deepest folder comes first: a folder above may have any name.
    """
    names = (PurePosixPath(path).stem, *reversed(PurePosixPath(path).parts[:-1]), root_name)
    return next((task for name in names if (task := task_from_spelling(name))), None)


def parse_task_map(rules: list[str]) -> dict[str, Task]:
    """Parse `--task-map`: `["People=human_centric"]` → `{"People": Task.HUMAN_CENTRIC}`."""
    parsed: dict[str, Task] = {}
    for rule in rules:
        folder, separator, task = rule.rpartition("=")
        if not separator or not folder or task not in {known.value for known in Task}:
            msg = (
                f"--task-map {rule!r} is not FOLDER=TASK; "
                f"TASK is one of {', '.join(known.value for known in Task)}."
            )
            raise UsageError(msg)
        folder = folder.rstrip("/")
        if folder in parsed:
            msg = f"--task-map {rule!r}: {folder!r} already has the task {parsed[folder]}."
            raise UsageError(msg)
        parsed[folder] = Task(task)
    return parsed


def unknown_task(place: str, folders: list[str]) -> UnknownTask:
    """Return the error for rows without a detectable task, with a `--task-map` to try."""
    example = folders[0] if folders else "*"
    return UnknownTask(
        f"{place}: its task cannot be detected: no folder or file name on its path "
        f"({', '.join(folders) or 'none'}) names one.\n"
        f"Name it: --task-map '{example}={Task.OBJECT_CENTRIC}' (or {Task.HUMAN_CENTRIC}, "
        f"{Task.HOI}, {Task.DE_RE}; '{example}={Task.UNKNOWN}' if it is unknown)."
    )
