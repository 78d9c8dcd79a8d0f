"""Decides the fate of every row, on `index` and digests; images are read for near duplicates."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mico_150k import names
from mico_150k.bench import Bench, BenchCase
from mico_150k.dataset import Dataset
from mico_150k.errors import BadSelection, TooManyLeftOut, UsageError
from mico_150k.reason import Reason
from mico_150k.refine.bench_files import bench_digests
from mico_150k.refine.fates import Fates
from mico_150k.refine.near import HashCache, find_alike, hash_bench, hash_rows, require_imagehash
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.overlap import KINDS, Alike, CaseDigests, find_overlaps
from mico_150k.refine.removal import Removal
from mico_150k.refine.validation import choose_validation
from mico_150k.sample import LeftOut
from mico_150k.selection import Selection
from mico_150k.watch import TOLERANCE

OnHash = Callable[[int, int], None]
"""Called with how many of how many pictures are hashed."""


@dataclass(frozen=True, slots=True)
class BenchRead:
    """MICo-Bench, looked through once: its cases' digests, and those that cannot be used."""

    bench: Bench
    cases: tuple[CaseDigests, ...]
    left_out: tuple[LeftOut, ...]
    bytes: int

    @classmethod
    def open(cls, location: str, tolerance: float) -> "BenchRead":
        """Read every image. Raises `TooManyLeftOut`, and what `Bench.open` does."""
        bench = Bench.open(location)
        cases, left_out, size = [], [], 0
        for case in bench.cases():
            if isinstance(case, BenchCase):
                cases.append(CaseDigests.of(case))
                size += case.num_bytes
            else:
                left_out.append(case)
        total = len(bench.entries)
        if len(left_out) > tolerance * total or not cases:
            first = left_out[0]
            msg = (
                f"{len(left_out)} of {total} cases of MICo-Bench cannot be used, more than the "
                f"tolerated {tolerance:.2%}; the first is {first.file}, row {first.row}, image "
                f"{first.image}: {first.reason} {first.detail}\n"
                "Training rows that are in a case that is missing here would stay. Give the folder "
                "that holds the images as well; or go on without those cases: --tolerance "
                f"{len(left_out) / total + 0.01:.2f}"
            )
            raise TooManyLeftOut(msg)
        return cls(bench, tuple(cases), tuple(left_out), size)

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


@dataclass(frozen=True, slots=True)
class Decision:
    """The fates, and what is said of how they came about."""

    fates: Fates
    removal: Removal | None = None
    bench: BenchRead | None = None
    overlaps: dict[str, int] = field(default_factory=dict)

    def bench_report(self) -> dict[str, Any]:
        """What the report says of the benchmark; `overlaps` are rows by how they were found."""
        if self.bench is None:
            return {}
        return {
            "cases": len(self.bench.cases),
            "left_out": dict(Counter(row.reason.value for row in self.bench.left_out)),
            "overlaps": self.overlaps,
        }


def decide(
    dataset: Dataset,
    options: RefineOptions,
    *,
    tolerance: float = TOLERANCE,
    on_hash: OnHash = lambda _, __: None,
) -> Decision:
    """Decide every row's fate.

    Raises `UsageError`, `BadSelection`, `TooManyLost`, `TooManyLeftOut`, and what reading the
    benchmark and the dataset does.
    """
    fates = Fates.of(dataset)
    removal = Removal.read(options.remove) if options.remove else None
    if removal:
        # A digest may be of the benchmark that stands beside, and of no row.
        beside = bench_digests(dataset) if removal.digests and options.bench is None else ()
        removal.apply(fates, {*removed_before(dataset), *beside})
    _select(options.selection, fates)
    bench, overlaps = None, Counter[str]()
    if options.bench is not None:
        if not options.exact:
            require_imagehash()
        bench = BenchRead.open(options.bench, tolerance)
        alike = None if options.exact else _look(dataset, fates, bench.bench, on_hash)
        overlaps = _leave_out_bench(fates, bench, alike, mark=options.mark)
    if options.validation is not None:
        _set_apart(dataset, options, fates)
    if not fates.kept(names.SPLIT):
        msg = f"of {len(fates.rows)} rows of {dataset.location} none would be left to train on."
        raise UsageError(msg)
    return Decision(fates, removal, bench, {kind: overlaps[kind] for kind in KINDS})


def removed_before(dataset: Dataset) -> list[str]:
    """The entries of the takedowns that made the dataset what it is."""
    return list(dataset.manifest.get("removed", ()))


def _select(selection: Selection, fates: Fates) -> None:
    """A condition is for every split; a number of rows for the one to train on."""
    for split, asked in (
        (names.SPLIT, selection),
        (names.VALIDATION, Selection(where=selection.where)),
    ):
        still = fates.kept(split)
        if asked.is_all or not still:
            continue
        index = fates.index_of(still).append_column(_PLACE, pa.array(still))
        try:
            chosen = set(asked.of(index)[_PLACE].to_pylist())
        except BadSelection:
            if split == names.SPLIT:
                raise
            chosen = set()  # the condition is sound, and fits no row of this split
        for place in still:
            if place not in chosen:
                fates.leave_out(place, Reason.NOT_SELECTED)


_PLACE = "_place_in_the_dataset"


def _look(dataset: Dataset, fates: Fates, bench: Bench, on_hash: OnHash) -> Alike:
    cache = HashCache()
    theirs = hash_bench(bench, cache)
    return find_alike(hash_rows(dataset, fates, cache, on_hash), theirs)


def _leave_out_bench(
    fates: Fates, bench: BenchRead, alike: Alike | None, *, mark: bool
) -> Counter[str]:
    rows = ((place, fates.rows[place]) for place in fates.kept())
    counts: Counter[str] = Counter()
    for place, overlap in list(find_overlaps(rows, bench.cases, alike)):
        counts[overlap.kind] += 1
        if mark:
            fates.mark(place, str(overlap))
        else:
            fates.leave_out(place, Reason.IN_BENCH, str(overlap))
    return counts


def _set_apart(dataset: Dataset, options: RefineOptions, fates: Fates) -> None:
    assert options.validation is not None
    if dataset.files(names.INDEX, names.VALIDATION):
        msg = (
            f"{dataset.location} has a split {names.VALIDATION} already. Make another one of the "
            "dataset that it was made of."
        )
        raise UsageError(msg)
    rows = [(place, fates.rows[place]) for place in fates.kept(names.SPLIT)]
    if options.validation >= len(rows):
        msg = f"--validation {options.validation} of {len(rows)} rows leaves none to train on."
        raise UsageError(msg)
    taken, lost = choose_validation(
        rows, options.validation, seed=options.seed, max_loss=options.max_loss
    )
    for place in taken:
        fates.move(place, names.VALIDATION)
    for place in lost:
        fates.leave_out(place, Reason.SHARES_IMAGE)
