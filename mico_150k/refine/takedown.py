"""A takedown: a list of row ids and image digests to remove completely."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mico_150k.core.errors import NotRegular, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.io.regular import read_small
from mico_150k.refine.assignment import RowAssignments

_DIGEST = re.compile(r"[0-9a-fA-F]{32}")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Removal:
    """The entries of a takedown list; a digest (XXH3-128, hex) means every row with that image."""

    ids: frozenset[str]
    digests: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> "Removal":
        """Read a list with one id or digest per line; empty lines and `#` lines are ignored.

        Raises:
            UsageError: The list cannot be read, or names nothing.
        """
        try:
            # Not `splitlines`: an id may hold other ends of lines than a line feed.
            lines = read_small(path).decode("utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError, NotRegular) as error:
            msg = f"--remove {path}: not a list of ids and digests: {error}"
            raise UsageError(msg) from error
        stripped = (line.strip(" \t\r") for line in lines)
        entries = {line for line in stripped if line and not line.startswith("#")}
        if not entries:
            msg = f"--remove {path} has no id and no digest."
            raise UsageError(msg)
        digests = frozenset(entry for entry in entries if _DIGEST.fullmatch(entry))
        return cls(frozenset(entries - digests), frozenset(map(str.lower, digests)))

    @property
    def entries(self) -> frozenset[str]:
        """All ids and digests."""
        return self.ids | self.digests

    def apply(self, assignments: RowAssignments, known: Iterable[str] = ()) -> None:
        """Skip every row that the list names.

        Args:
            assignments: The assignment of every row.
            known: Entries that need not match a row.

        Raises:
            UsageError: Another entry matches nothing: a typing error must not look like a
                completed takedown.
        """
        missing = set(self.entries).difference(known)
        for place, row in enumerate(assignments.rows):
            named = self.digests.intersection(row.digests)
            if row.id in self.ids:
                assignments.leave_out(place, Reason.REMOVED, "its id is in the list")
                missing.discard(row.id)
            elif named:
                assignments.leave_out(
                    place, Reason.REMOVED, f"its image {min(named)} is in the list"
                )
            missing -= named
        if missing:
            first = map(excerpt, sorted(missing)[:_MOST_NAMED])
            more = " …" if len(missing) > _MOST_NAMED else ""
            msg = (
                f"--remove: {counted(len(missing), 'entry', 'entries')} without a matching row or "
                f"image in the dataset: {', '.join(first)}{more}.\n"
                "An id has the form of the column `id` of `index` (hoi/12), a digest as in "
                "`digests`. Nothing was written."
            )
            raise UsageError(msg)
