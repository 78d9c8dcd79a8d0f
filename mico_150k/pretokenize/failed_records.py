"""Records that cannot be encoded: their reasons, and whether there are too many."""

from collections import Counter
from dataclasses import dataclass

from mico_150k.core.errors import TooManySkipped
from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.io.json_lines import to_json_line
from mico_150k.pretokenize.dataset_images import EncodeInputs
from mico_150k.sources.validate import OUTPUT

MOST_DETAIL = 600
"""The most characters of a detail, which may quote the source."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an image cannot be encoded."""

    reason: Reason
    detail: str = ""

    def __post_init__(self) -> None:
        # A path may be invalid text of any length, and this is written to a file.
        readable = excerpt(self.detail, len(self.detail))
        if len(readable) > 2 * MOST_DETAIL:  # text that was cut is not cut again when it is read
            readable = excerpt(readable, MOST_DETAIL)
        object.__setattr__(self, "detail", readable)

    @property
    def may_pass(self) -> bool:
        """Return whether the file could not be read, so that a retry may help."""
        return self.reason is Reason.FILE_MISSING


@dataclass(frozen=True, slots=True)
class Lost:
    """A failed record; `image` is the failing image's position from 1, or "output"."""

    fault: Fault
    image: int | str


class FailedRecords:
    """The failed records of a dataset, collected during encoding."""

    def __init__(self, inputs: EncodeInputs, tolerance: float) -> None:
        """Start with no failures; `tolerance` is the fraction of records that may fail."""
        self._inputs = inputs
        self._tolerance = tolerance
        self._faults: dict[int, Fault] = {}

    def add(self, picture: int, fault: Fault) -> None:
        """Record that an image cannot be encoded."""
        self._faults[picture] = fault

    def records(self) -> dict[int, Lost]:
        """Return the failed records so far, by position."""
        lost = {}
        for place, record in enumerate(self._inputs.records):
            if self._faults.keys().isdisjoint(record.pictures):
                continue
            image = next(n for n, picture in enumerate(record.pictures) if picture in self._faults)
            where = OUTPUT if image == record.inputs else image + 1
            lost[place] = Lost(self._faults[record.pictures[image]], where)
        return lost

    def check(self) -> dict[int, Lost]:
        """Return the failed records; raises `TooManySkipped` for too many, or all."""
        lost = self.records()
        total = len(self._inputs.records)
        if len(lost) == total:
            msg = f"{self._inputs.name}: none of its records can be used; {_first(lost)}"
            raise TooManySkipped(msg)
        if len(lost) > self._tolerance * total:
            share = min(1.0, max(0.05, round(2 * len(lost) / total, 2)))
            msg = (
                f"{len(lost)} of {counted(total, 'record')} cannot be used, more than --tolerance "
                "allows "
                f"({self._tolerance:.2%}); {_first(lost)}\n"
                f"Finished work is kept. To skip them: --tolerance {share:.2f}"
            )
            raise TooManySkipped(msg)
        return lost

    def lines(self) -> str:
        """Return a line of JSON for each, for the quarantine file."""
        return "".join(
            to_json_line(
                {
                    "record": place,
                    "id": self._inputs.records[place].id,
                    "image": one.image,
                    "reason": one.fault.reason.value,
                    "detail": one.fault.detail,
                }
            )
            for place, one in self.records().items()
        )

    def reasons(self) -> dict[str, int]:
        """Count the failed records by reason, the most frequent first."""
        return dict(
            Counter(one.fault.reason.value for one in self.records().values()).most_common()
        )


def _first(lost: dict[int, Lost]) -> str:
    place, one = next(iter(lost.items()))
    reason = one.fault.reason
    return f"the first is record {place}: {reason} ({reason.meaning}) {one.fault.detail}"
