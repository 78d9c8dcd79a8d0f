"""The statistics as one image for the card, drawn by matplotlib (the extra `plot`)."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mico_150k.core.errors import MissingPackage
from mico_150k.inspection.charts import TASKS, Bubble, Chart, task_words
from mico_150k.io.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

_COLORS = ("#3787d8", "#e5744a", "#36a976", "#9466c8", "#999999")
"""The tasks' colors, the same as on the page of `mico preview`."""
_PLAIN, _TRACK, _INK, _SOFT = "#5577ac", "#efebe4", "#1d1b18", "#6d685f"
_INPUTS, _OUTPUTS = "#3aa0d0", "#ef8a4a"
_ROOM = 1.15
_INCHES, _DPI = (13.5, 8.2), 110
_SLOTS = 5
"""The minimum number of bars an axis has room for, so that one or two do not fill it."""
_COUNTED = 10
"""The number of bars above which their values do not fit."""


def require_matplotlib() -> None:
    """Raise `MissingPackage` if matplotlib is not installed, before anything is read."""
    if find_spec("matplotlib") is None:
        raise _missing()


def write_plots(charts: list[Chart], bubbles: list[Bubble], path: Path) -> None:
    """Draw the charts and the sizes into one PNG. Raises `MissingPackage`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ModuleNotFoundError as error:
        raise _missing() from error
    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.2, wspace=0.05, hspace=0.06)
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, -(-(len(charts) + 1) // 2))
    places = iter(grid.flat)
    for chart in charts:
        axes = next(places)
        _frame(axes, chart.title)
        (_lying if chart.lying else _standing)(axes, chart)
    axes = next(places)
    _frame(axes, "Sizes")
    _sizes(axes, bubbles)
    for axes in places:
        axes.set_axis_off()
    with written_whole(path) as temporary:
        # Without the date and version, equal statistics give equal bytes.
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _missing() -> MissingPackage:
    return MissingPackage("plots need matplotlib: pip install '.[plot]' in the clone of mico-150k")


def _frame(axes: "Axes", title: str) -> None:
    axes.set_title(title, loc="left", color=_INK, fontsize=12, fontweight="bold", pad=12)
    axes.tick_params(colors=_SOFT, labelsize=9, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_SOFT)


def _label(axes: "Axes", across: str, up: str = "") -> None:
    axes.set_xlabel(across, color=_SOFT, fontsize=9)
    axes.set_ylabel(up, color=_SOFT, fontsize=9)


def _color(color: int | None) -> str:
    return _PLAIN if color is None else _COLORS[min(color, len(TASKS) - 1)]


def _lying(axes: "Axes", chart: Chart) -> None:
    for place, bar in enumerate(chart.bars):
        if chart.full:
            axes.barh(place, chart.full, color=_TRACK, height=0.26)
        left = 0
        for part in bar.parts:
            axes.barh(place, part.value, left=left, color=_color(part.color), height=0.26)
            left += part.value
        label: dict[str, Any] = {"color": _INK, "fontsize": 9, "va": "bottom"}
        axes.text(0, place - 0.19, bar.label, **label)
        axes.text(chart.most, place - 0.19, bar.words, ha="right", **label)
    axes.set_xlim(0, chart.most)
    axes.set_ylim(max(len(chart.bars), _SLOTS - 1) - 0.6, -0.7)
    axes.set_xticks(chart.ticks, [f"{tick:,}" for tick in chart.ticks])
    axes.set_yticks([])
    _label(axes, chart.unit)


def _standing(axes: "Axes", chart: Chart) -> None:
    for place, bar in enumerate(chart.bars):
        bottom = 0
        for part in bar.parts:
            axes.bar(place, part.value, bottom=bottom, color=_color(part.color), width=0.74)
            bottom += part.value
        if bar.value and len(chart.bars) <= _COUNTED:
            above = bar.value + 0.015 * chart.most
            axes.text(place, above, f"{bar.value:,}", ha="center", color=_SOFT, fontsize=9)
    axes.set_xticks(range(len(chart.bars)), [bar.label for bar in chart.bars])
    middle, half = (len(chart.bars) - 1) / 2, max(len(chart.bars), _SLOTS) / 2
    axes.set_xlim(middle - half, middle + half)
    axes.set_yticks(chart.ticks, [f"{tick:,}" for tick in chart.ticks])
    axes.set_ylim(0, 1.12 * chart.most)
    axes.yaxis.grid(True, color=_TRACK)
    axes.set_axisbelow(True)
    _label(axes, chart.axis, chart.unit)
    if chart.tasks:
        _key(axes, chart.tasks)


def _key(axes: "Axes", places: list[int]) -> None:
    """Add a legend of the tasks' colors where the bars leave the most room."""
    from matplotlib.patches import Patch

    handles = [Patch(color=_color(place), label=task_words(TASKS[place])) for place in places]
    axes.legend(
        handles=handles, frameon=True, framealpha=0.85, edgecolor="none", fontsize=8.5,
        labelcolor=_SOFT, handlelength=0.9, handleheight=0.9, loc="best",
    )  # fmt: skip


def _sizes(axes: "Axes", bubbles: list[Bubble]) -> None:
    for output, color in ((False, _INPUTS), (True, _OUTPUTS)):
        shown = [bubble for bubble in bubbles if bubble.output is output]
        axes.scatter(
            [bubble.width for bubble in shown],
            [bubble.height for bubble in shown],
            s=[20 + 400 * bubble.share for bubble in shown],
            color=color,
            alpha=0.65,
            linewidths=0,
            label="outputs" if output else "inputs",
        )
    axes.grid(True, color=_TRACK)
    axes.set_axisbelow(True)
    _label(axes, "width in pixels", "height in pixels")
    # Leave room for the largest bubble at the edge; the legend stands above the axes.
    axes.set_xlim(0, _ROOM * max((bubble.width for bubble in bubbles), default=1))
    axes.set_ylim(0, _ROOM * max((bubble.height for bubble in bubbles), default=1))
    if bubbles:
        above: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 2}
        legend = axes.legend(frameon=False, fontsize=9, labelcolor=_SOFT, **above)
        for handle in legend.legend_handles:
            cast("PathCollection", handle).set_sizes([40])
