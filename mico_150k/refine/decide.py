"""Assigns every row, from `index` and digests; only the search for near duplicates reads images."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.core.errors import BadSelection, UsageError
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.dataset import layout
from mico_150k.dataset.index import OVERLAP_KINDS
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.selection import Selection
from mico_150k.refine.assignment import RowAssignments
from mico_150k.refine.benchmark_config import bench_digests
from mico_150k.refine.contamination import Alike, BenchRead, find_overlaps
from mico_150k.refine.options import OnStep, RefineOptions
from mico_150k.refine.perceptual_hash import (
    FingerprintCache,
    find_alike,
    fingerprint_rows,
    require_imagehash,
)
from mico_150k.refine.takedown import Removal
from mico_150k.refine.validation_split import choose_validation


@dataclass(frozen=True, slots=True)
class Decision:
    """The assignment of each row, and the facts for the report."""

    assignments: RowAssignments
    removal: Removal | None = None
    bench: BenchRead | None = None
    overlaps: dict[str, int] = field(default_factory=dict)

    def bench_report(self) -> dict[str, Any]:
        """The report's entry on the benchmark; `overlaps` counts rows by how they were found."""
        if self.bench is None:
            return {}
        return {
            "cases": len(self.bench.cases),
            "skipped": dict(Counter(row.reason.value for row in self.bench.skipped)),
            "overlaps": self.overlaps,
        }


def decide(
    dataset: Dataset,
    options: RefineOptions,
    *,
    tolerance: float = TOLERANCE,
    on_step: OnStep = lambda *_: None,
) -> Decision:
    """Assign every row of a dataset.

    Args:
        dataset: The dataset to refine.
        options: The steps.
        tolerance: The fraction of the benchmark's cases that may be unusable.
        on_step: Called with the progress.

    Raises:
        UsageError: An option does not fit the dataset.
        BadSelection: `--where` is wrong or matches no row.
        TooManyLost: The validation split costs too many training rows.
        TooManySkipped: Too much of the benchmark is unusable.
        MicoError: The benchmark or the dataset cannot be read.
    """
    assignments = RowAssignments.of(dataset)
    removal = Removal.read(options.remove) if options.remove else None
    if removal:
        # A digest may be of the benchmark that stands beside, and of no row.
        beside = bench_digests(dataset) if removal.digests and options.bench is None else ()
        removal.apply(assignments, {*removed_before(dataset), *beside})
    _select(options.selection, assignments)
    bench, overlaps = None, Counter[str]()
    if options.bench is not None:
        if not options.exact:
            require_imagehash()
        cache = None if options.exact else FingerprintCache()
        bench = BenchRead.open(options.bench, tolerance, cache, on_step)
        alike = None
        if cache:
            alike = find_alike(
                fingerprint_rows(dataset, assignments, cache, on_step), bench.fingerprints
            )
        overlaps = _leave_out_bench(assignments, bench, alike, mark=options.mark)
    if options.validation is not None:
        _set_apart(dataset, options, assignments)
    if not assignments.kept(layout.SPLIT):
        msg = (
            f"none of {counted(len(assignments.rows), 'row')} of {dataset.location} would be left "
            "to train on."
        )
        raise UsageError(msg)
    return Decision(assignments, removal, bench, {kind: overlaps[kind] for kind in OVERLAP_KINDS})


def removed_before(dataset: Dataset) -> list[str]:
    """Return the entries of all earlier takedowns of the dataset."""
    return list(dataset.manifest.get("removed", ()))


def _select(selection: Selection, assignments: RowAssignments) -> None:
    """A condition is for every split; a number of rows for the one to train on."""
    for split, asked in (
        (layout.SPLIT, selection),
        (layout.VALIDATION, Selection(where=selection.where)),
    ):
        still = assignments.kept(split)
        if asked.is_all or not still:
            continue
        try:
            chosen = {still[at] for at in asked.places(assignments.index_of(still))}
        except BadSelection:
            if split == layout.SPLIT:
                raise
            chosen = set()  # the condition is sound, and fits no row of this split
        for place in still:
            if place not in chosen:
                assignments.leave_out(place, Reason.NOT_SELECTED)


def _leave_out_bench(
    assignments: RowAssignments, bench: BenchRead, alike: Alike | None, *, mark: bool
) -> Counter[str]:
    """Skip or mark the rows that are in the benchmark; returns their number by how they match."""
    rows = ((place, assignments.rows[place]) for place in assignments.kept())
    counts: Counter[str] = Counter()
    for place, overlap in list(find_overlaps(rows, bench.cases, alike)):
        counts[overlap.kind] += 1
        if mark:
            assignments.mark(place, str(overlap))
        else:
            assignments.leave_out(place, Reason.IN_BENCH, str(overlap))
    return counts


def _set_apart(dataset: Dataset, options: RefineOptions, assignments: RowAssignments) -> None:
    assert options.validation is not None
    if dataset.files(layout.INDEX, layout.VALIDATION):
        msg = (
            f"{dataset.location} already has a split {layout.VALIDATION}. Refine the dataset that "
            "it was derived from."
        )
        raise UsageError(msg)
    rows = [(place, assignments.rows[place]) for place in assignments.kept(layout.SPLIT)]
    if options.validation >= len(rows):
        msg = (
            f"--validation {options.validation} of {counted(len(rows), 'row')} leaves none to "
            "train on."
        )
        raise UsageError(msg)
    taken, lost = choose_validation(
        rows, options.validation, seed=options.seed, max_loss=options.max_loss
    )
    for place in taken:
        assignments.move(place, layout.VALIDATION)
    for place in lost:
        assignments.leave_out(place, Reason.SHARES_IMAGE)
