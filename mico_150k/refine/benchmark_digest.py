"""MICo-Bench, looked through once: what its cases are by their images, and how these look."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from mico_150k.core.errors import TooManyLeftOut
from mico_150k.core.sample import SkippedRow
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import map_ordered
from mico_150k.refine.benchmark import Bench, BenchCase
from mico_150k.refine.contamination import CaseDigests
from mico_150k.refine.options import OnStep
from mico_150k.refine.perceptual_hash import FingerprintCache, ImageFingerprint, fingerprint_of


@dataclass(frozen=True, slots=True)
class BenchRead:
    """The benchmark's cases by digests, how their images look, and those that cannot be used.

    `fingerprints` are empty where only the same bytes count; `bytes` are of all images.
    """

    bench: Bench
    cases: tuple[CaseDigests, ...]
    fingerprints: Mapping[str, ImageFingerprint]
    left_out: tuple[SkippedRow, ...]
    bytes: int

    @classmethod
    def open(
        cls, location: str, tolerance: float, cache: FingerprintCache | None, on_step: OnStep
    ) -> "BenchRead":
        """Read every image once, a few cases at a time; with a cache, take its fingerprint as well.

        Raises `TooManyLeftOut`, and what `Bench.open` does.
        """
        bench = Bench.open(location)
        total = len(bench.entries)
        cases: list[CaseDigests] = []
        fingerprints: dict[str, ImageFingerprint] = {}
        left_out: list[SkippedRow] = []
        size = 0
        calls = (partial(_look_at, case, cache) for case in bench.cases())
        with closing(map_ordered(calls, cores())) as results:
            for number, (case, found) in enumerate(results, 1):
                if isinstance(case, BenchCase):
                    cases.append(CaseDigests.of(case))
                    size += case.num_bytes
                    fingerprints.update(found)
                else:
                    left_out.append(case)
                on_step("cases of MICo-Bench", number, total)
        if len(left_out) > tolerance * total or not cases:
            raise _too_many(left_out, total, tolerance)
        return cls(bench, tuple(cases), fingerprints, tuple(left_out), size)

    @property
    def content(self) -> str:
        """The same for the same cases with the same images and words."""
        parts = [repr(case) for case in self.cases]
        parts += [
            repr((entry.id, entry.editing_type, entry.instruction, entry.refined_instruction,
                  entry.human_indices))
            for entry in self.bench.entries
        ]  # fmt: skip
        return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _look_at(
    case: BenchCase | SkippedRow, cache: FingerprintCache | None
) -> tuple[BenchCase | SkippedRow, dict[str, ImageFingerprint]]:
    """The case, and the looks of its images: those that are known, and the others, kept now."""
    if cache is None or isinstance(case, SkippedRow):
        return case, {}
    images = {image.digest: image.data for image in case.sample.images}
    known = cache.read(images)
    new = {digest: fingerprint_of(data) for digest, data in images.items() if digest not in known}
    if new:
        cache.add(new)
    return case, known | new


def _too_many(left_out: Sequence[SkippedRow], total: int, tolerance: float) -> TooManyLeftOut:
    first = left_out[0]
    image = f", image {first.image}" if first.image is not None else ""
    where = f"{first.file}, row {first.row}{image}: {first.reason} {first.detail}"
    if len(left_out) == total:
        return TooManyLeftOut(
            f"none of the {total} cases of MICo-Bench can be used; the first is {where}\n"
            "Give the folder that holds the image folders which the JSONL files name as well."
        )
    share = (100 * len(left_out) // total + 1) / 100
    return TooManyLeftOut(
        f"{len(left_out)} of {total} cases of MICo-Bench cannot be used, more than the tolerated "
        f"{tolerance:.2%}; the first is {where}\n"
        "Training rows that are in a case that is missing here would stay. Give the folder that "
        f"holds the images as well; or go on without those cases: --tolerance {share:.2f}"
    )
