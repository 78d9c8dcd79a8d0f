"""Shows datasets for `mico inspect`."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from mico_150k.cli.terminal import make_table, say, show, show_json
from mico_150k.core.errors import DamagedDataset, MicoError, UnsafeFile, UsageError
from mico_150k.core.plural import counted
from mico_150k.dataset.configurations import CONFIGS
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.layout import MANIFEST
from mico_150k.io.files import absolute
from mico_150k.io.machine import gigabytes

if TYPE_CHECKING:
    from mico_150k.dataset.reader import Dataset
    from mico_150k.inspection.dataset import DatasetInspection
    from mico_150k.inspection.statistics import Images

MOST_SUBTASKS = 40
MOST_SIZES = 8


def find_dataset(location: str) -> "Dataset | None":
    """Return the finished dataset at a location; None if there is none.

    Raises `UsageError` for a part of one, and `NotADataset` for one that is damaged.
    """
    from mico_150k.dataset.reader import open_dataset

    here = Path(location)
    if here.exists() and not DatasetFolder.is_one(here):
        _refuse_part(absolute(here))
        return None
    if (here / MANIFEST).exists() and DatasetFolder.is_one(here):
        return open_dataset(location)
    try:
        return open_dataset(location)
    except (DamagedDataset, UnsafeFile):
        raise
    except (MicoError, ValueError, ImportError):  # the source's reader reports what it is instead
        return None


def _refuse_part(path: Path) -> None:
    config = path if path.is_dir() else path.parent
    if config.name in CONFIGS and DatasetFolder.is_built(config.parent):
        msg = (
            f"{path} is part of the dataset folder {config.parent}, not a source.\n"
            f"`mico inspect {shlex.quote(str(config.parent))}` shows the whole dataset."
        )
        raise UsageError(msg)


def show_dataset(dataset: "Dataset", *, plots: bool, as_json: bool) -> None:
    """Show the dataset's contents, and write its plots if requested."""
    from mico_150k.api.inspect import inspect_dataset
    from mico_150k.inspection.dataset import require_assets

    if plots:
        require_assets(dataset)
    say("reading the index of {}", dataset.location)
    found = inspect_dataset(dataset, plots=plots, on_file=lambda path: say("wrote {}", path))
    if as_json:
        show_json(asdict(found))
    else:
        _show(found)
    if plots:
        say("`mico card {}` shows them", dataset.location)
    statistics = found.statistics
    say(
        "{}: {}, {}",
        dataset.location,
        counted(statistics.rows, "row"),
        counted(statistics.input_images.images + statistics.output_images.images, "image"),
    )


def _show(found: "DatasetInspection") -> None:
    statistics = found.statistics
    if len(found.splits) > 1:
        show(_splits(found.splits))
    show(_tasks(found))
    if any(subtask for subtasks in statistics.subtasks.values() for subtask in subtasks):
        show(_subtasks(found))
    show(_images(found))
    show(_instructions(found))
    show(_limits(found))
    reuse = statistics.reuse
    show(
        f"reuse: {counted(reuse.inputs, 'input')}, "
        f"{counted(reuse.different_inputs, 'different image')}, each used {reuse.mean:g}× on "
        f"average and {reuse.most:,}× at most; "
        f"{counted(reuse.repeated_outputs, 'output repeats', 'outputs repeat')} another row's"
    )
    causes = ", ".join(f"{images:,} {cause}" for cause, images in statistics.re_encoded.items())
    show(f"re-encoded: {counted(statistics.re_encoded_images, 'image')}{causes and f' ({causes})'}")
    if statistics.in_bench:
        show(
            f"in the benchmark: {counted(statistics.in_bench, 'row')}, marked in the column overlap"
        )
    reasons = ", ".join(f"{rows} {reason}" for reason, rows in found.skipped.items())
    show(f"skipped by the build: {reasons or 'no row'}")
    show(_configs(found))


def _splits(splits: dict[str, int]) -> str:
    """Return the rows of each split, in one line."""
    return "splits: " + ", ".join(f"{rows:,} {split}" for split, rows in splits.items())


def _tasks(found: "DatasetInspection") -> Table:
    """Return a table of rows by task and by number of inputs."""
    by_task = found.statistics.inputs
    numbers = sorted({int(number) for rows in by_task.values() for number in rows})
    table = make_table("task", "rows", *(f"{number} in" for number in numbers))
    for task, rows in found.statistics.tasks.items():
        cells = [by_task[task].get(str(number), 0) for number in numbers]
        table.add_row(task, f"{rows:,}", *(f"{cell:,}" if cell else "" for cell in cells))
    return table


def _subtasks(found: "DatasetInspection") -> Table:
    table = make_table("sub-task", "task", "rows", text=("task",))
    rows = [
        (subtask or "(none)", task, count)
        for task, subtasks in found.statistics.subtasks.items()
        for subtask, count in subtasks.items()
    ]
    for subtask, task, count in rows[:MOST_SUBTASKS]:
        table.add_row(subtask, task, f"{count:,}")
    if len(rows) > MOST_SUBTASKS:
        table.add_row(f"and {len(rows) - MOST_SUBTASKS} more", "", "")
    return table


def _images(found: "DatasetInspection") -> Table:
    table = make_table("images", "inputs", "outputs", text=("inputs", "outputs"))
    sides = (found.statistics.input_images, found.statistics.output_images)
    table.add_row("images", *(f"{side.images:,}" for side in sides))
    table.add_row("formats", *(_counts(side.formats) for side in sides))
    table.add_row("megapixels, 5 % to 95 %", *(_range(side.megapixels) for side in sides))
    table.add_row("long side, 5 % to 95 %", *(_range(side.long_side) for side in sides))
    table.add_row("aspects", *(_counts(side.aspects) for side in sides))
    table.add_row("sizes", *(_sizes(side) for side in sides))
    return table


def _instructions(found: "DatasetInspection") -> Table:
    lengths = found.statistics.instructions
    table = make_table("instructions", *lengths.characters)
    table.add_row("characters", *(f"{value:,.0f}" for value in lengths.characters.values()))
    table.add_row("words", *(f"{value:,.0f}" for value in lengths.words.values()))
    table.caption = (
        f"{lengths.naming:,} name an input by its number, "
        f"{lengths.dangling:,} one that is not there"
    )
    return table


def _limits(found: "DatasetInspection") -> Table:
    rows = found.statistics.rows
    table = make_table(
        "trainer", "does not take", "rows", "share", "of tasks", text=("does not take", "of tasks")
    )
    for limit in found.statistics.over_limits:
        if limit.rows:
            share = f"{limit.rows / rows:.1%}"
            table.add_row(limit.trainer, limit.why, f"{limit.rows:,}", share, _counts(limit.tasks))
    if not table.row_count:
        table.add_row("all", "nothing: every row fits", "0", "", "")
    return table


def _configs(found: "DatasetInspection") -> Table:
    table = make_table("configuration", "files", "rows", "size")
    for config, counts in found.configs.items():
        table.add_row(
            config, f"{counts['files']:,}", f"{counts['rows']:,}", gigabytes(counts["bytes"])
        )
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _range(quantiles: dict[str, float]) -> str:
    return f"{quantiles['5%']:g} to {quantiles['95%']:g}, median {quantiles['median']:g}"


def _sizes(side: "Images") -> str:
    shown = [f"{width}×{height} ({images:,})" for width, height, images in side.sizes[:MOST_SIZES]]
    others = side.images - sum(images for *_, images in side.sizes[:MOST_SIZES])
    return ", ".join([*shown, *([f"others ({others:,})"] if others else [])])
