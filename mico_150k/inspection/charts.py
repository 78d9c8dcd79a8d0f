"""Charts of the statistics, as bars and bubbles, for the page and the card's plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mico_150k.core.plural import counted
from mico_150k.core.task import Task
from mico_150k.inspection.statistics import (
    CHARACTERS_STEP,
    MOST_CHARACTERS,
    Images,
    Statistics,
)

TASKS = tuple(task.value for task in Task)
"""Tasks whose color is the index here; any other task is drawn as `unknown`."""

_LABELS = 8
"""The most labels that fit below upright bars."""
_TICKS = 4
_NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Part:
    """A segment of a bar: its count, and the index of its task's color, if it has one."""

    value: int
    color: int | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label, its segments starting at the axis, and the text at its end."""

    label: str
    parts: tuple[Part, ...]
    words: str = ""

    @property
    def value(self) -> int:
        """The length of the bar."""
        return sum(part.value for part in self.parts)


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars with a title and a sentence; `lying` where the labels are words.

    `axis` says what the labels of standing bars are, `unit` what their lengths count; `full` is
    the value at the end of the bars.
    """

    title: str
    note: str
    bars: tuple[Bar, ...]
    lying: bool = False
    full: int = 0
    axis: str = ""
    unit: str = "rows"

    @property
    def ticks(self) -> list[int]:
        """Round values to label on the axis: at most `_TICKS` besides 0."""
        step = next(
            step for power in range(19) for step in (10**power, 2 * 10**power, 5 * 10**power)
            if self.most <= _TICKS * step
        )  # fmt: skip
        return list(range(0, self.most + 1, step))

    @property
    def tasks(self) -> list[int]:
        """The distinct color indices of the tasks in the bars."""
        found = {part.color for bar in self.bars for part in bar.parts if part.value}
        return sorted(place for place in found if place is not None)

    @property
    def most(self) -> int:
        """The value at the end of the axis, at least 1."""
        return max(self.full, *(bar.value for bar in self.bars), 1)


@dataclass(frozen=True, slots=True)
class Bubble:
    """Images of one size, and their fraction of all images on that side, from 0 to 1."""

    width: int
    height: int
    images: int
    share: float
    output: bool


def color_of(task: str) -> int:
    """Return the index of a task's color."""
    return TASKS.index(task) if task in TASKS else len(TASKS) - 1


def task_words(task: str) -> str:
    """Return a task's name for display, such as "object centric"."""
    return {"hoi": "human–object interaction", "de_re": "decompose & recompose"}.get(
        task, task.replace("_", " ")
    )


def make_charts(statistics: Statistics) -> list[Chart]:
    """Return the charts in the page's order."""
    instructions, reuse = statistics.instructions, statistics.reuse
    return [
        Chart(
            "Tasks",
            "Rows of each task.",
            tuple(
                Bar(task_words(task), (Part(rows, color_of(task)),), f"{rows:,}")
                for task, rows in statistics.tasks.items()
            ),
            lying=True,
        ),
        Chart(
            "Inputs",
            "Rows by number of input images.",
            _inputs(statistics.inputs),
            axis="input images of a row",
        ),
        _takes(statistics),
        Chart(
            "Instructions",
            "Rows by length. "
            f"Half have up to {counted(round(instructions.characters['median']), 'character')}. "
            f"{_percent(instructions.naming, statistics.rows, _NBSP)} name an input by its number.",
            _lengths(instructions.histogram),
            axis="characters of the instruction, by hundreds",
        ),
        Chart(
            "Reuse",
            f"Input images by their number of occurrences: {reuse.mean:g} on average, "
            f"{reuse.most:,} at most.",
            tuple(Bar(uses, (Part(images),)) for uses, images in reuse.uses.items()),
            axis="occurrences of an input image",
            unit="different images",
        ),
    ]


def _lengths(histogram: Mapping[str, int]) -> tuple[Bar, ...]:
    """Return rows by length, from the first length that occurs; few bars show their range."""
    starts = [int(start) for start, rows in histogram.items() if rows]
    shown = range(min(starts, default=0), max(starts, default=0) + 1, CHARACTERS_STEP)
    few = len(shown) <= _LABELS // 2
    bars = []
    for place, start in enumerate(shown):
        label = f"{start}–{start + CHARACTERS_STEP - 1}" if few else f"{start}"
        if start >= MOST_CHARACTERS:
            label = f"{MOST_CHARACTERS}+"
        if len(shown) > _LABELS and place % 5:
            label = ""
        bars.append(Bar(label, (Part(histogram.get(str(start), 0)),)))
    return tuple(bars)


def _takes(statistics: Statistics) -> Chart:
    """Return the rows that each trainer takes, in total and within each limit that skips rows."""
    rows = statistics.rows
    bars: dict[str, list[Bar]] = {}
    for limit in statistics.over_limits:
        of_trainer = bars.setdefault(limit.trainer, [])
        kept = rows - limit.rows
        if limit.rows or limit.limit.endswith("inputs"):
            label = f"{limit.trainer}, {limit.limit}"
            of_trainer.append(Bar(label, (Part(kept),), _percent(kept, rows)))
    return Chart(
        "What trainers take",
        "Rows within each trainer's limits. An export skips the others.",
        tuple(
            bar
            for trainer, of_trainer in bars.items()
            for bar in of_trainer or [Bar(trainer, (Part(rows),), _percent(rows, rows))]
        ),
        lying=True,
        full=rows,
    )


def bubbles(inputs: Images, outputs: Images) -> list[Bubble]:
    """Return the most common sizes of both sides, largest bubbles first, so that none is hidden."""
    found = [
        Bubble(width, height, images, images / side.images, output)
        for side, output in ((inputs, False), (outputs, True))
        for width, height, images in side.sizes
    ]
    return sorted(found, key=lambda bubble: (-bubble.share, bubble.output))


def _inputs(by_task: Mapping[str, Mapping[str, int]]) -> tuple[Bar, ...]:
    numbers: Sequence[int] = sorted({int(number) for rows in by_task.values() for number in rows})
    bars = []
    for number in range(numbers[0], numbers[-1] + 1) if numbers else ():
        parts = tuple(
            Part(rows[str(number)], color_of(task))
            for task, rows in by_task.items()
            if str(number) in rows
        )
        bars.append(Bar(str(number), parts))
    return tuple(bars)


def _percent(part: int, whole: int, space: str = " ") -> str:
    if not whole:
        return "–"
    share = part / whole
    # Part of the images is never shown as 100 %, and a nonzero count never as 0 %.
    if part < whole:
        share = min(share, 0.999)
    if part:
        share = max(share, 0.001)
    return f"{share:.1%}".replace(".0%", "%").replace("%", f"{space}%")
