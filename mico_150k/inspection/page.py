"""Writes a dataset as one HTML page that needs no server and sends no requests.

Everything in a dataset was written by strangers. All text is escaped by the template, and a
policy in the page lets only its own script and style run and loads nothing from anywhere.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.resources import files
from itertools import chain
from pathlib import Path

import jinja2
import pyarrow as pa
from markupsafe import Markup

from mico_150k.core.errors import OutputRefused
from mico_150k.core.plural import counted
from mico_150k.core.progress import Progress
from mico_150k.core.references import Span, named_images, spans
from mico_150k.core.sample import Image, Sample
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import Dataset
from mico_150k.images.rules import CAUSES
from mico_150k.images.thumbnail import Thumbnail, make_thumbnail
from mico_150k.inspection.charts import TASKS, bubbles, color_of, make_charts, task_words
from mico_150k.inspection.page_rows import Choice, Chosen, rows_to_show
from mico_150k.inspection.page_skipped import count_skipped, read_skipped
from mico_150k.inspection.statistics import make_statistics
from mico_150k.inspection.trainer_limits import exceeded_limits
from mico_150k.io.files import remove_abandoned, write_atomically
from mico_150k.io.machine import cores, gigabytes
from mico_150k.io.prefetch import map_ordered
from mico_150k.version import __version__

INPUT_SIDE = 320
OUTPUT_SIDE = 560
"""The longest side of a thumbnail in pixels: twice what most screens show."""
KINDS = {
    "overlap": "in the benchmark",
    "limit": "over a limit",
    "re-encoded": "re-encoded",
    "dangling": "names a missing image",
    "broken": "cannot be shown",
}
"""The kinds of marks on a row, with their labels in the page's filter."""
GENERATOR = "mico-150k"
"""The marker by which `mico preview` recognizes one of its own pages and replaces it."""
_HEAD_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Tile:
    """An image on the page. `changes` says why it was re-encoded, and is empty if it was not."""

    thumbnail: Thumbnail
    width: int
    height: int
    format: str
    size: int
    digest: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark for something unusual about a row. The page filters by `kind`."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row on the page."""

    split: str
    id: str
    task: str
    subtask: str
    instruction: tuple[Span, ...]
    inputs: tuple[Tile, ...]
    output: Tile
    marks: tuple[Mark, ...]

    @property
    def color(self) -> int:
        """The index of its task's color."""
        return color_of(self.task)

    @property
    def size(self) -> int:
        """The bytes of its images in the dataset."""
        return sum(tile.size for tile in (*self.inputs, self.output))


@dataclass(frozen=True, slots=True)
class Preview:
    """A written page of `bytes`: `fitting` of `total` rows match, and `rows` are shown."""

    path: Path
    rows: int
    fitting: int
    total: int
    bytes: int


def write_preview(
    dataset: Dataset,
    path: Path,
    choice: Choice,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Preview:
    """Write the page.

    Args:
        dataset: The dataset to show.
        path: The page's file; only an earlier page is replaced.
        choice: How many rows are shown, and which.
        on_progress: Called after each row.

    Returns:
        What was written.

    Raises:
        OutputRefused: The path is a folder, lies in a dataset folder, or holds another file.
        BadSelection: The choice's expression is wrong.
        UnknownConfig: No configuration holds images.
        BrokenFile: A file of the dataset cannot be relied on.
    """
    _check_path(path)
    indexes = dataset.indexes()
    chosen = rows_to_show(dataset, indexes, choice)
    total = sum(part.rows.num_rows for part in chosen)
    shown = []
    read = 0
    for row in chain.from_iterable(_read_rows(dataset, part) for part in chosen):
        shown.append(row)
        read += row.size
        on_progress(Progress(len(shown), total, read, 0, 0))
    fitting = sum(part.fitting for part in chosen)
    data = _render(dataset, indexes, choice, fitting, _in_turn(shown)).encode()
    remove_abandoned(path)
    write_atomically(path, data)
    rows = sum(index.num_rows for index in indexes.values())
    return Preview(path, len(shown), fitting, rows, len(data))


def _in_turn(rows: Iterable[Row]) -> list[Row]:
    """Interleave the rows of each task and split, keeping the order within each."""
    seen: Counter[tuple[str, str]] = Counter()
    turns = []
    for row in rows:
        seen[row.split, row.task] += 1
        turns.append((seen[row.split, row.task], row.color, row.task, row.split, row))
    return [row for *_, row in sorted(turns, key=lambda turn: turn[:4])]


def _check_path(path: Path) -> None:
    if path.is_dir():
        msg = f"{path} is a folder; --out takes the name of a file."
        raise OutputRefused(msg)
    inside = next(filter(DatasetFolder.is_built, path.absolute().parents), None)
    if inside:
        msg = f"{inside} is a dataset folder, which a page does not belong in: give another --out."
        raise OutputRefused(msg)
    if path.exists():
        with path.open("rb") as file:
            if f'content="{GENERATOR}'.encode() not in file.read(_HEAD_BYTES):
                msg = f"{path} exists and is not a page of `mico preview`: give another --out."
                raise OutputRefused(msg)


def _read_rows(dataset: Dataset, chosen: Chosen) -> Iterator[Row]:
    """Yield the rows, each built on its own core: Pillow releases the interpreter lock."""
    samples = dataset.samples(chosen.rows, chosen.split, chosen.config)
    with closing(samples) as groups:
        marked = zip(chain.from_iterable(groups), _marks(chosen.rows), strict=True)
        calls = (partial(_row, chosen.split, sample, marks) for sample, marks in marked)
        with closing(map_ordered(calls, cores())) as rows:
            yield from rows


def _row(split: str, sample: Sample, marks: list[Mark]) -> Row:
    tiles = [_tile(image, INPUT_SIDE) for image in sample.inputs]
    tiles.append(_tile(sample.output, OUTPUT_SIDE))
    for place, tile in enumerate(tiles, start=1):
        where = "output" if place == len(tiles) else f"image {place}"
        if tile.changes:
            marks.append(Mark("re-encoded", f"{where} re-encoded: {', '.join(tile.changes)}"))
        if tile.thumbnail.fault:
            marks.append(Mark("broken", f"{where} cannot be shown: {tile.thumbnail.fault}"))
    return Row(
        split=split,
        id=sample.id,
        task=sample.task.value,
        subtask=sample.subtask,
        instruction=tuple(spans(sample.instruction)),
        inputs=tuple(tiles[:-1]),
        output=tiles[-1],
        marks=tuple(marks),
    )


def _tile(image: Image, side: int) -> Tile:
    return Tile(
        make_thumbnail(image.data, side), image.width, image.height, image.format,
        len(image.data), image.digest, _changes(image.actions),
    )  # fmt: skip


def _changes(actions: Iterable[str]) -> tuple[str, ...]:
    """Return the reasons why an image was re-encoded, in words."""
    known = {cause.name: f"{cause.name} → {cause.done}" for cause in CAUSES}
    return tuple(known.get(cause, cause) for cause in actions)


def _marks(index: pa.Table) -> Iterator[list[Mark]]:
    """Yield what is unusual about each row according to its metadata."""
    texts = index.select(["instruction", "num_inputs", "overlap"]).to_pylist()
    for row, exceeded in zip(texts, exceeded_limits(index), strict=True):
        marks = [Mark("overlap", f"in the benchmark: {row['overlap']}")] if row["overlap"] else []
        # If a row exceeds several limits of a trainer, the last counts: the widest budget.
        over = {limit.trainer: f"{limit.trainer}: {words}" for limit, words in exceeded}
        marks += [Mark("limit", words) for words in over.values()]
        named = named_images(row["instruction"])
        if missing := sorted(number for number in named if number > row["num_inputs"]):
            numbers = ", ".join(map(str, missing))
            marks.append(Mark("dangling", f"names image {numbers} of {row['num_inputs']}"))
        yield marks


def _render(
    dataset: Dataset,
    indexes: Mapping[str, pa.Table],
    choice: Choice,
    fitting: int,
    rows: Sequence[Row],
) -> str:
    statistics = make_statistics(pa.concat_tables(indexes.values()))
    folder = files("mico_150k.inspection")
    style = folder.joinpath("page.css").read_text()
    script = folder.joinpath("page.js").read_text()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["size"] = gigabytes
    environment.filters["task"] = task_words
    environment.filters["counted"] = counted
    environment.globals["color_of"] = color_of
    environment.globals["task_names"] = TASKS
    reasons = count_skipped(dataset)
    template = environment.from_string(folder.joinpath("page.html.jinja").read_text())
    return template.render(
        generator=f"{GENERATOR} {__version__}",
        name=dataset.location,
        rows=rows,
        tasks=sorted({row.task for row in rows}, key=lambda task: (color_of(task), task)),
        kinds={
            kind: words
            for kind, words in KINDS.items()
            if any(mark.kind == kind for row in rows for mark in row.marks)
        },
        formats=_sum(statistics.input_images.formats, statistics.output_images.formats),
        statistics=statistics,
        charts=make_charts(statistics),
        bubbles=bubbles(statistics.input_images, statistics.output_images),
        splits={split: index.num_rows for split, index in indexes.items()},
        reasons=reasons,
        skipped=read_skipped(dataset) if reasons else [],
        skipped_rows=sum(reasons.values()),
        fitting=fitting,
        where=choice.where,
        seed=choice.seed,
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=_hash(style),
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=_hash(script),
    )


def _sum(*counts: dict[str, int]) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter()).most_common())


def _hash(text: str) -> str:
    """Return the hash by which a content security policy allows a script or style."""
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"
