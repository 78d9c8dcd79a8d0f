"""What the page and the card's plots draw: the statistics as bars and bubbles, with their words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mico_150k.core.task import Task
from mico_150k.inspection.statistics import CHARACTERS_STEP, Images, Statistics

TASKS = tuple(task.value for task in Task)
"""A task's colour goes by its place here; any other task is drawn as `unknown`."""

_LABELS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: what it counts, and the place of its colour among the tasks', if any."""

    value: int
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label, its pieces from the axis on, and the words at its end."""

    label: str
    parts: tuple[Part, ...]
    words: str = ""

    @property
    def value(self) -> int:
        """Its length."""
        return sum(part.value for part in self.parts)


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars with a title and a sentence; `lying` where the labels are words.

    `axis` is what the labels of standing bars say; `full` is the value at the end of the bars.
    """

    title: str
    note: str
    bars: tuple[Bar, ...]
    lying: bool = False
    full: int = 0
    axis: str = ""

    @property
    def most(self) -> int:
        """The value at the end of the axis, at least 1."""
        return max(self.full, *(bar.value for bar in self.bars), 1)


@dataclass(frozen=True, slots=True)
class Bubble:
    """Images of one size, and the share of their side's images that they are, 0 to 1."""

    width: int
    height: int
    images: int
    share: float
    output: bool


def colour_of(task: str) -> int:
    """The place of a task's colour."""
    return TASKS.index(task) if task in TASKS else len(TASKS) - 1


def task_words(task: str) -> str:
    """A task for people: "object centric"."""
    return {"hoi": "human–object", "de_re": "decompose & recompose"}.get(
        task, task.replace("_", " ")
    )


def make_charts(statistics: Statistics) -> list[Chart]:
    """The charts in the order of the page."""
    instructions, reuse = statistics.instructions, statistics.reuse
    # There is room for so many labels below standing bars.
    step = CHARACTERS_STEP * (1 if len(instructions.histogram) <= _LABELS else 5)
    return [
        Chart(
            "Tasks",
            "Rows of each task.",
            tuple(
                Bar(task_words(task), (Part(rows, colour_of(task)),), f"{rows:,}")
                for task, rows in statistics.tasks.items()
            ),
            lying=True,
        ),
        Chart(
            "Inputs",
            "Rows by how many pictures go in.",
            _inputs(statistics.inputs),
            axis="inputs of a row",
        ),
        _takes(statistics),
        Chart(
            "Instructions",
            f"Rows by characters; half have up to {instructions.characters['median']:,.0f}. "
            f"{_percent(instructions.naming, statistics.rows)} name an input by its number.",
            tuple(
                Bar(start if int(start) % step == 0 else "", (Part(rows),))
                for start, rows in instructions.histogram.items()
            ),
            axis="characters",
        ),
        Chart(
            "Reuse",
            f"Different input pictures by how many places they stand in; {reuse.mean:g} on "
            f"average, {reuse.most:,} at most.",
            tuple(Bar(uses, (Part(images),)) for uses, images in reuse.uses.items()),
            axis="places of one input picture",
        ),
    ]


def _takes(statistics: Statistics) -> Chart:
    """What each trainer's limits keep; the rarer limits only where they leave something out."""
    rows = statistics.rows
    bars = []
    for limit in statistics.over_limits:
        kept = rows - limit.rows
        if limit.rows or limit.limit.endswith("inputs"):
            label = f"{limit.trainer}, {limit.limit}"
            bars.append(Bar(label, (Part(kept),), _percent(kept, rows)))
    return Chart(
        "What trainers take",
        "Rows within each trainer's limits. Export leaves the others out; BAGEL skips them.",
        tuple(bars),
        lying=True,
        full=rows,
    )


def bubbles(inputs: Images, outputs: Images) -> list[Bubble]:
    """The commonest sizes of both sides, the largest bubbles first, so that none is hidden."""
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
            Part(rows[str(number)], colour_of(task))
            for task, rows in by_task.items()
            if str(number) in rows
        )
        bars.append(Bar(str(number), parts))
    return tuple(bars)


def _percent(part: int, whole: int) -> str:
    if not whole:
        return "–"
    share = part / whole
    # Not all is never 100 %, and something is never 0 %.
    if part < whole:
        share = min(share, 0.999)
    if part:
        share = max(share, 0.001)
    return f"{share:.1%}".replace(".0%", "%").replace("%", " %")
