"""The tasks of MICo-150K, and how a folder's spelling names one.

Nobody outside its authors has seen how the release spells its folders, so a spelling is read
by the words in it, in whatever case and with whatever between them.
"""

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePosixPath

from mico_150k.core.errors import UnknownTask, UsageError
from mico_150k.core.pattern import matches


class Task(str, Enum):
    """A group of sub-tasks in the paper (arXiv 2512.07348, section 3)."""

    OBJECT_CENTRIC = "object_centric"
    HUMAN_CENTRIC = "human_centric"
    HOI = "hoi"
    DE_RE = "de_re"
    UNKNOWN = "unknown"
    """Never guessed: only where a person says so, for data that has lost its folders."""

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
    """The task that a folder's or file's name speaks of, if any.

    >>> task_from_spelling("Decompose&Recompose")
    <Task.DE_RE: 'de_re'>
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.sub(r"[^a-z]+", " ", words.lower()).strip()
    if words == Task.UNKNOWN.value:
        return None
    return next((task for task, pattern in _SPELLINGS if pattern.search(words)), None)


def task_by_rule(path: str, rules: Mapping[str, Task]) -> Task | None:
    """The task that a rule (`--task-map FOLDER=task`) gives a path.

    A rule speaks for every path with that folder, file name or stem in it, for all below a
    folder, and for what matches it as a pattern.
    """
    return next((task for pattern, task in rules.items() if speaks_of(pattern, path)), None)


def speaks_of(rule: str, path: str) -> bool:
    """Whether the FOLDER of a rule speaks for a path."""
    names = (path, *PurePosixPath(path).parts, PurePosixPath(path).stem)
    return path.startswith(f"{rule}/") or any(matches(name, rule) for name in names)


def task_by_spelling(path: str, root_name: str = "") -> Task | None:
    """The task that a path speaks of: the file's stem, folders from the deepest, the root's name.

    What lies deeper says more: a folder above may be called after anything.
    """
    names = (PurePosixPath(path).stem, *reversed(PurePosixPath(path).parts[:-1]), root_name)
    return next((task for name in names if (task := task_from_spelling(name))), None)


def parse_task_map(rules: list[str]) -> dict[str, Task]:
    """`["People=human_centric"]` → `{"People": Task.HUMAN_CENTRIC}`."""
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
            msg = f"--task-map {rule!r}: the task of {folder!r} is {parsed[folder]} already."
            raise UsageError(msg)
        parsed[folder] = Task(task)
    return parsed


def unknown_task(place: str, folders: list[str]) -> UnknownTask:
    """The error for rows that nothing gives a task, with the `--task-map` to try."""
    example = folders[0] if folders else "*"
    return UnknownTask(
        f"{place}: nothing tells its task: no folder or file name on its path "
        f"({', '.join(folders) or 'none'}) speaks of one.\n"
        f"Say which it is: --task-map '{example}={Task.OBJECT_CENTRIC}' "
        f"(or {Task.HUMAN_CENTRIC}, {Task.HOI}, {Task.DE_RE}; '{example}={Task.UNKNOWN}' "
        "where nobody knows)."
    )
