"""Records that cannot be used: which, why, and whether there are more than is tolerated."""

from collections import Counter
from dataclasses import dataclass

from mico_150k.core.errors import TooManyLeftOut
from mico_150k.io.json_lines import to_json_line
from mico_150k.pretokenize.material import EncodeInputs, Fault
from mico_150k.sources.validate import OUTPUT


@dataclass(frozen=True, slots=True)
class Lost:
    """A record that cannot be used; `image` is its place from 1, "output", or None for all."""

    fault: Fault
    image: int | str | None


class FailedRecords:
    """Those of some material, as they become known."""

    def __init__(self, material: EncodeInputs, tolerance: float) -> None:
        """`tolerance` is the share of records that may be lost."""
        self._material = material
        self._tolerance = tolerance
        self._faults = dict(material.faults)

    def add(self, picture: int, fault: Fault) -> None:
        """A picture cannot be encoded."""
        self._faults[picture] = fault

    def records(self) -> dict[int, Lost]:
        """Those that are lost by now, by their place."""
        lost = {place: Lost(fault, None) for place, fault in self._material.unusable.items()}
        for place, record in enumerate(self._material.records):
            if place in lost or self._faults.keys().isdisjoint(record.pictures):
                continue
            image = next(n for n, picture in enumerate(record.pictures) if picture in self._faults)
            where = OUTPUT if image == record.inputs else image + 1
            lost[place] = Lost(self._faults[record.pictures[image]], where)
        return dict(sorted(lost.items()))

    def check(self) -> dict[int, Lost]:
        """The same. Raises `TooManyLeftOut` where they are more than is tolerated, or all."""
        lost = self.records()
        total = len(self._material.records)
        if len(lost) == total:
            msg = f"{self._material.name}: no record in it can be used; {_first(lost)}"
            raise TooManyLeftOut(msg)
        if len(lost) > self._tolerance * total:
            share = min(1.0, max(0.05, round(2 * len(lost) / total, 2)))
            msg = (
                f"{len(lost)} of {total} records cannot be used, more than the tolerated "
                f"{self._tolerance:.2%}; {_first(lost)}\n"
                f"What is finished is kept. To go on without them: --tolerance {share:.2f}"
            )
            raise TooManyLeftOut(msg)
        return lost

    def lines(self) -> str:
        """A line of JSON for each, for the quarantine file."""
        return "".join(
            to_json_line(
                {
                    "record": place,
                    "id": self._material.records[place].id,
                    "image": one.image,
                    "reason": one.fault.reason.value,
                    "detail": one.fault.detail,
                }
            )
            for place, one in self.records().items()
        )

    def reasons(self) -> dict[str, int]:
        """How many by reason, the most frequent first."""
        return dict(
            Counter(one.fault.reason.value for one in self.records().values()).most_common()
        )


def _first(lost: dict[int, Lost]) -> str:
    place, one = next(iter(lost.items()))
    reason = one.fault.reason
    return f"the first is record {place}: {reason} ({reason.meaning}) {one.fault.detail}"
