"""Statistics of a dataset, counted from its `index` alone: no image is read.

A number of inputs, an image's size and an instruction's length decide what a trainer can take;
how often an image is used decides how two splits must be cut.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mico_150k.core.errors import BrokenFile
from mico_150k.core.plural import counted
from mico_150k.core.references import named_images
from mico_150k.inspection.trainer_limits import exceeded_limits, trainer_limits
from mico_150k.io.arrow import mask_array, numbers_of

Array = np.ndarray[Any, np.dtype[Any]]

QUANTILES = {"least": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "most": 1.0}
MOST_SIZES = 40
"""The most sizes that are listed, the most common first; the rest are one number."""
CHARACTERS_STEP = 100
MOST_CHARACTERS = 1500
"""The length from which all instructions share one bar."""
_ASPECTS = ("1:3", "1:2", "9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "2:1", "3:1")
"""Width-to-height ratios; each image counts toward the nearest."""
_USES = ((1, "1"), (2, "2"), (3, "3"), (4, "4"), (8, "5–8"), (16, "9–16"), (10**9, "17+"))
"""The upper bound of each group of use counts."""

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Images:
    """The images of one side, inputs or outputs.

    `sizes` are `(width, height, images)`, the most common first, and `other_sizes` the images of
    those that are not listed. `megapixels` and `long_side` are quantiles.
    """

    images: int
    formats: Counts
    aspects: Counts
    megapixels: dict[str, float]
    long_side: dict[str, float]
    sizes: list[tuple[int, int, int]]
    other_sizes: int


@dataclass(frozen=True, slots=True)
class Instructions:
    """Lengths of the instructions (quantiles and a histogram), and the inputs that they name.

    `histogram` maps a length in characters, a multiple of 100, to rows. `naming` counts rows
    that name an input ("image 2"), `dangling` those that name an input that does not exist.
    """

    characters: dict[str, float]
    words: dict[str, float]
    histogram: dict[str, int]
    naming: int
    dangling: int


@dataclass(frozen=True, slots=True)
class Reuse:
    """How often the same image occurs in the dataset, by digests of encoded bytes.

    `uses` maps a number of occurrences to the different input images with it. `repeated_outputs`
    counts outputs that are another row's output as well.
    """

    inputs: int
    different_inputs: int
    uses: Counts
    most: int
    mean: float
    repeated_outputs: int


@dataclass(frozen=True, slots=True)
class OverLimit:
    """Rows that one limit of one trainer skips, in total and by task."""

    trainer: str
    limit: str
    why: str
    rows: int
    tasks: Counts


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts over all rows. `inputs` are rows by task, then by number of inputs.

    `re_encoded` counts images by cause, `re_encoded_images` images with any cause. `in_bench`
    counts rows that are marked as being in the benchmark.
    """

    rows: int
    tasks: Counts
    subtasks: dict[str, Counts]
    inputs: dict[str, Counts]
    input_images: Images
    output_images: Images
    instructions: Instructions
    reuse: Reuse
    re_encoded: Counts
    re_encoded_images: int
    in_bench: int
    over_limits: list[OverLimit]


def make_statistics(index: pa.Table) -> Statistics:
    """Return statistics over the rows of an index.

    Raises:
        BrokenFile: Its lists do not have one value for each image.
    """
    inputs = numbers_of(index["num_inputs"])
    _check_lists(index, inputs)
    is_output = np.zeros(int(inputs.sum()) + len(inputs), dtype=bool)
    is_output[np.cumsum(inputs + 1) - 1] = True
    actions = _values(index, "actions")
    causes = Counter(
        cause
        for words, images in _count(actions).items()
        for cause in words.split("+") * images
        if cause
    )
    return Statistics(
        rows=index.num_rows,
        tasks=_count(index["task"]),
        subtasks=_nested(index, "subtask"),
        inputs=_nested(index, "num_inputs"),
        input_images=_images(index, ~is_output),
        output_images=_images(index, is_output),
        instructions=_instructions(index, inputs),
        reuse=_reuse(index, is_output),
        re_encoded=dict(causes.most_common()),
        re_encoded_images=len(actions) - _count(actions).get("", 0),
        in_bench=index.num_rows - _count(index["overlap"]).get("", 0),
        over_limits=_over_limits(index),
    )


def _check_lists(index: pa.Table, inputs: Array) -> None:
    for name in ("widths", "heights", "formats", "digests", "actions"):
        known = pc.list_value_length(index[name])
        lengths = numbers_of(pc.fill_null(known, -1) if known.null_count else known)
        wrong = np.flatnonzero(lengths != inputs + 1)
        if wrong.size:
            row = int(wrong[0])
            msg = (
                f"index, row {row}: {name} has {counted(lengths[row], 'value')}, but the row has "
                f"{counted(inputs[row], 'input')} and an output. Rebuild the dataset."
            )
            raise BrokenFile(msg)


def _values(index: pa.Table, name: str) -> pa.Array:
    """Return a list column's flat values: for each row, its inputs and then its output."""
    return pc.list_flatten(index[name]).combine_chunks()


def _count(values: pa.Array) -> Counts:
    """Return value → count, the most common first; ties are in order of the value."""
    counted = pc.value_counts(values)
    pairs = zip(
        counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True
    )
    ordered = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    return {str(value): count for value, count in ordered}


def _nested(index: pa.Table, column: str) -> dict[str, Counts]:
    """Return task → column value → rows, both in order of their names."""
    # Importing Arrow's `group_by` takes half a second, longer than this takes for all rows.
    pairs = zip(index["task"].to_pylist(), index[column].to_pylist(), strict=True)
    nested: dict[str, Counts] = {}
    for (task, value), rows in sorted(Counter(pairs).items()):
        nested.setdefault(task, {})[str(value)] = rows
    return nested


def _images(index: pa.Table, chosen: Array) -> Images:
    widths = numbers_of(_values(index, "widths"))[chosen]
    heights = numbers_of(_values(index, "heights"))[chosen]
    sizes = Counter(zip(widths.tolist(), heights.tolist(), strict=True))
    listed = [(*size, images) for size, images in sizes.most_common(MOST_SIZES)]
    return Images(
        images=len(widths),
        formats=_count(_values(index, "formats").filter(mask_array(chosen))),
        aspects=_aspects(sizes),
        megapixels=_quantiles(widths * heights.astype(float) / 1e6),
        long_side=_quantiles(np.maximum(widths, heights)),
        sizes=listed,
        other_sizes=len(widths) - sum(images for *_, images in listed),
    )


def _aspects(sizes: Counter[tuple[int, int]]) -> Counts:
    ratios = [int(aspect.split(":")[0]) / int(aspect.split(":")[1]) for aspect in _ASPECTS]
    names = np.log(np.array(ratios))
    counts: Counter[str] = Counter()
    for (width, height), images in sizes.items():
        ratio = np.log(max(width, 1) / max(height, 1))
        counts[_ASPECTS[int(np.abs(names - ratio).argmin())]] += images
    return {aspect: counts[aspect] for aspect in _ASPECTS}


def _quantiles(values: Array) -> dict[str, float]:
    if not len(values):
        return dict.fromkeys(QUANTILES, 0.0)
    found = np.quantile(values, list(QUANTILES.values()))
    return {name: round(float(value), 3) for name, value in zip(QUANTILES, found, strict=True)}


def _instructions(index: pa.Table, inputs: Array) -> Instructions:
    texts: list[str] = index["instruction"].to_pylist()
    characters = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    words = np.fromiter((len(text.split()) for text in texts), dtype=np.int64, count=len(texts))
    last = MOST_CHARACTERS
    steps = np.minimum(characters, last) // CHARACTERS_STEP
    rows = np.bincount(steps, minlength=1)
    highest = _highest_named(texts)
    return Instructions(
        characters=_quantiles(characters),
        words=_quantiles(words),
        histogram={str(step * CHARACTERS_STEP): int(count) for step, count in enumerate(rows)},
        naming=int((highest > 0).sum()),
        dangling=int((highest > inputs).sum()),
    )


def _highest_named(texts: Iterable[str]) -> Array:
    """Return the highest input number that each instruction names, 0 if it names none."""
    return np.array([max(named_images(text), default=0) for text in texts], dtype=np.int64)


def _over_limits(index: pa.Table) -> list[OverLimit]:
    tasks: dict[tuple[str, str], Counter[str]] = {}
    for task, exceeded in zip(index["task"].to_pylist(), exceeded_limits(index), strict=True):
        for limit, _ in exceeded:
            tasks.setdefault((limit.trainer, limit.name), Counter())[task] += 1
    found = []
    for limit in trainer_limits():
        rows = tasks.get((limit.trainer, limit.name), Counter())
        over = dict(rows.most_common())
        found.append(OverLimit(limit.trainer, limit.name, limit.why, sum(over.values()), over))
    return found


def _uses(digests: pa.Array) -> Array:
    """Return how often each digest occurs."""
    return numbers_of(pc.value_counts(digests).field("counts"))


def _reuse(index: pa.Table, is_output: Array) -> Reuse:
    digests = _values(index, "digests")
    inputs = _uses(digests.filter(mask_array(~is_output)))
    outputs = _uses(digests.filter(mask_array(is_output)))
    uses: Counts = {}
    below = 0
    for bound, name in _USES:
        uses[name] = int(((inputs > below) & (inputs <= bound)).sum())
        below = bound
    places = int(inputs.sum())
    return Reuse(
        inputs=places,
        different_inputs=len(inputs),
        uses=uses,
        most=int(inputs.max(initial=0)),
        mean=round(places / len(inputs), 2) if len(inputs) else 0.0,
        repeated_outputs=int(outputs[outputs > 1].sum()),
    )
