"""Collects what is wrong with a file: all kinds of faults at once, and the first few of each."""

from collections.abc import Iterable
from dataclasses import dataclass

from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted

MOST_OF_A_KIND = 5
"""A stranger's file may be wrong in every row."""
_MOST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that must not be: where, in which file and row, and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Faults:
    """Faults by kind, in the order in which the kinds came up."""

    def __init__(self) -> None:
        """Nothing is wrong yet."""
        self._found: dict[str, list[Fault]] = {}
        self._more: dict[str, int] = {}

    def add(self, kind: str, where: str, what: str) -> None:
        """Keep a fault, or count it where there are enough of its kind."""
        found = self._found.setdefault(kind, [])
        if len(found) < MOST_OF_A_KIND:
            found.append(Fault(where, what))
        else:
            self._more[kind] = self._more.get(kind, 0) + 1

    @property
    def found(self) -> list[Fault]:
        """The first of each kind, the last of which says how many more there are."""
        listed = []
        for kind, found in self._found.items():
            *others, last = found
            more = self._more.get(kind, 0)
            listed += others
            listed.append(Fault(last.where, f"{last.what} (and {more} more)") if more else last)
        return listed


def summary(faults: Iterable[Fault], way_out: str) -> str:
    """The first fault, how many others there are, and the way out: two lines."""
    first, *others = faults
    more = f" (and {counted(len(others), 'more fault')})" if others else ""
    return f"{first}{more}\n{way_out}"


def rows_in_words(rows: Iterable[int]) -> str:
    """`row 7`, `rows 7, 9`, `rows 7, 9, 12, 13, 20 … (300 in all)`."""
    listed = list(rows)
    first = ", ".join(map(str, listed[:MOST_OF_A_KIND]))
    more = f" … ({len(listed)} in all)" if len(listed) > MOST_OF_A_KIND else ""
    return f"{'row' if len(listed) == 1 else 'rows'} {first}{more}"


def shown(value: object) -> str:
    """A foreign value in a message."""
    try:
        return excerpt(repr(value), _MOST_SHOWN)
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        return f"({type(value).__name__})"
