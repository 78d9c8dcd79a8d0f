"""Collects the faults of a file by kind, the first few of each."""

from collections.abc import Iterable
from dataclasses import dataclass

from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted

MOST_OF_A_KIND = 5
"""Faults to keep of each kind: a foreign file may be wrong in every row."""
_MOST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `where` is its file and row, `what` says what is wrong."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Faults:
    """Faults by kind, in the order in which the kinds were found."""

    def __init__(self) -> None:
        """Start without faults."""
        self._found: dict[str, list[Fault]] = {}
        self._more: dict[str, int] = {}

    def add(self, kind: str, where: str, what: str) -> None:
        """Keep a fault, or only count it if enough of its kind are kept."""
        found = self._found.setdefault(kind, [])
        if len(found) < MOST_OF_A_KIND:
            found.append(Fault(where, what))
        else:
            self._more[kind] = self._more.get(kind, 0) + 1

    @property
    def found(self) -> list[Fault]:
        """Return the first faults of each kind; the last of a kind says how many more there are."""
        listed = []
        for kind, found in self._found.items():
            *others, last = found
            more = self._more.get(kind, 0)
            listed += others
            listed.append(Fault(last.where, f"{last.what} (and {more} more)") if more else last)
        return listed


def summary(faults: Iterable[Fault], way_out: str) -> str:
    """Return two lines: the first fault and the number of others, then `way_out`, what to do."""
    first, *others = faults
    more = f" (and {counted(len(others), 'more fault')})" if others else ""
    return f"{first}{more}\n{way_out}"


def rows_in_words(rows: Iterable[int]) -> str:
    """Format row numbers: `row 7`, `rows 7, 9`, `rows 7, 9, 12, 13, 20 … (300 in all)`."""
    listed = list(rows)
    first = ", ".join(map(str, listed[:MOST_OF_A_KIND]))
    more = f" … ({len(listed)} in all)" if len(listed) > MOST_OF_A_KIND else ""
    return f"{'row' if len(listed) == 1 else 'rows'} {first}{more}"


def shown(value: object) -> str:
    """Return a foreign value as text for a message."""
    try:
        return excerpt(repr(value), _MOST_SHOWN)
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        return f"({type(value).__name__})"
