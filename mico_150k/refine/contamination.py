"""Which rows are in the benchmark: the same output, or the same inputs in whatever order.

Digests find what has the same bytes, and decode nothing. What was encoded again or resized has
other bytes: perceptual hashes find it (`mico_150k.refine.perceptual_hash`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mico_150k.dataset.index import NEAR_INPUTS, NEAR_OUTPUT, SAME_INPUTS, SAME_OUTPUT
from mico_150k.refine.assignment import Row
from mico_150k.refine.benchmark import BenchCase

Alike = Mapping[str, frozenset[str]]
"""Digest of a picture of the dataset → digests of the benchmark's that look the same."""


@dataclass(frozen=True, slots=True)
class CaseDigests:
    """A case of the benchmark by its images' digests."""

    id: str
    inputs: tuple[str, ...]
    output: str

    @classmethod
    def of(cls, case: BenchCase) -> "CaseDigests":
        """Of a case whose images were read."""
        return cls(case.id, tuple(image.digest for image in case.inputs), case.output.digest)


@dataclass(frozen=True, slots=True)
class Overlap:
    """A row that is in the benchmark: how, and the first case that it is."""

    kind: str
    case: str

    def __str__(self) -> str:
        return f"{self.kind} as {self.case}"


def find_overlaps(
    rows: Iterable[tuple[int, Row]], cases: Sequence[CaseDigests], alike: Alike | None = None
) -> Iterator[tuple[int, Overlap]]:
    """The places of rows that are in the benchmark; with `alike`, also near duplicates.

    Sets of inputs are compared with their repetitions: [a, a, b] is not [a, b].
    """
    outputs: dict[str, str] = {}
    inputs: dict[tuple[str, ...], str] = {}
    for case in cases:
        outputs.setdefault(case.output, case.id)
        inputs.setdefault(tuple(sorted(case.inputs)), case.id)
    near = _NearCases(cases, alike) if alike else None
    for place, row in rows:
        same_inputs = tuple(sorted(row.inputs))
        if row.output in outputs:
            yield place, Overlap(SAME_OUTPUT, outputs[row.output])
        elif same_inputs in inputs:
            yield place, Overlap(SAME_INPUTS, inputs[same_inputs])
        elif near and (found := near.find(row)):
            yield place, found


class _NearCases:
    """The cases by the pictures in them."""

    def __init__(self, cases: Sequence[CaseDigests], alike: Alike) -> None:
        self._alike = alike
        self._by_output: dict[str, str] = {}
        self._by_input: dict[str, list[CaseDigests]] = defaultdict(list)
        for case in cases:
            self._by_output.setdefault(case.output, case.id)
            for digest in set(case.inputs):
                self._by_input[digest].append(case)

    def find(self, row: Row) -> Overlap | None:
        """The case whose output, or all of whose inputs, look like the row's."""
        outputs = (self._by_output.get(digest) for digest in self._looks_like(row.output))
        if found := min((case for case in outputs if case), default=None):
            return Overlap(NEAR_OUTPUT, found)
        # Every input must have its like, so the first one's tell which cases to look at.
        candidates = {
            case.id: case
            for digest in self._looks_like(row.inputs[0])
            for case in self._by_input.get(digest, ())
            if len(case.inputs) == len(row.inputs)
        }
        likes = [self._looks_like(digest) for digest in row.inputs]
        for case_id in sorted(candidates):
            if _can_pair(likes, list(candidates[case_id].inputs)):
                return Overlap(NEAR_INPUTS, case_id)
        return None

    def _looks_like(self, digest: str) -> frozenset[str]:
        return self._alike.get(digest, frozenset()) | {digest}


def _can_pair(likes: list[frozenset[str]], inputs: list[str]) -> bool:
    """Whether each of the first has an input of its own among those that it looks like."""
    if not likes:
        return True
    return any(
        digest in likes[0] and _can_pair(likes[1:], inputs[:place] + inputs[place + 1 :])
        for place, digest in enumerate(inputs)
    )
