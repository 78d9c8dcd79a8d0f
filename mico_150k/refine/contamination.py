"""Finds rows that are in the benchmark: the same output, or the same inputs in any order.

Digests find images with the same bytes, without decoding. Perceptual hashes find re-encoded and
resized copies (`perceptual_hash`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from mico_150k.core.errors import TooManySkipped
from mico_150k.core.identity import json_sha256
from mico_150k.core.plural import counted
from mico_150k.core.sample import SkippedRow
from mico_150k.dataset.index import NEAR_INPUTS, NEAR_OUTPUT, SAME_INPUTS, SAME_OUTPUT
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import map_ordered
from mico_150k.refine.assignment import Row
from mico_150k.refine.benchmark import Bench, BenchCase
from mico_150k.refine.options import OnStep
from mico_150k.refine.perceptual_hash import FingerprintCache, ImageFingerprint, fingerprint_of

IDENTITY_VERSION = 1
"""Of the keys of the benchmark's identity."""

Alike = Mapping[str, frozenset[str]]
"""Digest of an image of the dataset → digests of the benchmark's that look the same."""


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
class BenchRead:
    """The benchmark as it was read.

    Attributes:
        cases: The usable cases by their images' digests.
        skipped: The cases that cannot be used.
        fingerprints: Fingerprints by digest; empty if only equal bytes count.
        bytes: Bytes of all images.
    """

    bench: Bench
    cases: tuple[CaseDigests, ...]
    fingerprints: Mapping[str, ImageFingerprint]
    skipped: tuple[SkippedRow, ...]
    bytes: int

    @classmethod
    def open(
        cls, location: str, tolerance: float, cache: FingerprintCache | None, on_step: OnStep
    ) -> "BenchRead":
        """Read every image once, a few cases at a time.

        Args:
            location: The folder of MICo-Bench.
            tolerance: The fraction of cases that may be unusable.
            cache: Keeps the fingerprints, which are then computed; None compares only bytes.
            on_step: Called with the progress.

        Raises:
            TooManySkipped: More cases are unusable than `tolerance` allows.
            SourceError: `Bench.open` cannot read the benchmark.
        """
        bench = Bench.open(location)
        total = len(bench.entries)
        cases: list[CaseDigests] = []
        fingerprints: dict[str, ImageFingerprint] = {}
        skipped: list[SkippedRow] = []
        size = 0
        calls = (partial(_fingerprints, case, cache) for case in bench.cases())
        with closing(map_ordered(calls, cores())) as results:
            for number, (case, found) in enumerate(results, 1):
                if isinstance(case, BenchCase):
                    cases.append(CaseDigests.of(case))
                    size += case.num_bytes
                    fingerprints.update(found)
                else:
                    skipped.append(case)
                on_step("cases of MICo-Bench", number, total)
        if len(skipped) > tolerance * total or not cases:
            raise _too_many(skipped, total, tolerance)
        return cls(bench, tuple(cases), fingerprints, tuple(skipped), size)

    @property
    def content_hash(self) -> str:
        """A digest of the cases, their images and texts."""
        return json_sha256(
            {
                "version": IDENTITY_VERSION,
                "cases": [
                    {"id": case.id, "inputs": list(case.inputs), "output": case.output}
                    for case in self.cases
                ],
                "entries": [
                    {
                        "id": entry.id,
                        "editing_type": entry.editing_type,
                        "instruction": entry.instruction,
                        "refined_instruction": entry.refined_instruction,
                        "human_indices": list(entry.human_indices),
                    }
                    for entry in self.bench.entries
                ],
            }
        )


@dataclass(frozen=True, slots=True)
class Overlap:
    """A row that is in the benchmark: how it was found, and the first matching case."""

    kind: str
    case: str

    def __str__(self) -> str:
        return f"{self.kind} as {self.case}"


def find_overlaps(
    rows: Iterable[tuple[int, Row]], cases: Sequence[CaseDigests], alike: Alike | None = None
) -> Iterator[tuple[int, Overlap]]:
    """Yield the rows that are in the benchmark.

    Inputs are compared as multisets: [a, a, b] differs from [a, b].

    Args:
        rows: Row numbers and rows.
        cases: The benchmark's cases.
        alike: For each digest of the dataset, the benchmark's digests that look like it; this
            finds near duplicates as well.

    Yields:
        The row's number and its overlap.
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
    """The cases by the images in them."""

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
    """Whether each input can be paired with a different one of those that it looks like."""
    if not likes:
        return True
    return any(
        digest in likes[0] and _can_pair(likes[1:], inputs[:place] + inputs[place + 1 :])
        for place, digest in enumerate(inputs)
    )


def _fingerprints(
    case: BenchCase | SkippedRow, cache: FingerprintCache | None
) -> tuple[BenchCase | SkippedRow, dict[str, ImageFingerprint]]:
    """Return the case with its images' fingerprints; new ones are added to the cache."""
    if cache is None or isinstance(case, SkippedRow):
        return case, {}
    images = {image.digest: image.data for image in case.sample.images}
    known = cache.read(images)
    new = {digest: fingerprint_of(data) for digest, data in images.items() if digest not in known}
    if new:
        cache.add(new)
    return case, known | new


def _too_many(skipped: Sequence[SkippedRow], total: int, tolerance: float) -> TooManySkipped:
    first = skipped[0]
    image = f", image {first.image}" if first.image is not None else ""
    where = f"{first.file}, row {first.row}{image}: {first.reason} {first.detail}"
    if len(skipped) == total:
        return TooManySkipped(
            f"none of the {counted(total, 'case')} of MICo-Bench can be used; the first is "
            f"{where}\n"
            "Name the folder that has the JSONL files and their image folders."
        )
    share = (100 * len(skipped) // total + 1) / 100
    return TooManySkipped(
        f"{len(skipped)} of {counted(total, 'case')} of MICo-Bench cannot be used, more than "
        "--tolerance "
        f"allows ({tolerance:.2%}); the first is {where}\n"
        "Training rows that match a missing case would not be found. Name the folder that has "
        f"the images as well, or skip those cases: --tolerance {share:.2f}"
    )
