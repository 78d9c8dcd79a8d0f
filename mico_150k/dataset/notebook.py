"""Shows a dataset in a notebook: its configurations, and a few rows with their images.

Everything in a dataset was written by strangers: all text is escaped.
"""

from contextlib import closing
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from mico_150k.core.errors import MicoError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted
from mico_150k.core.sample import Image
from mico_150k.io.machine import gigabytes

if TYPE_CHECKING:
    from mico_150k.dataset.reader import Dataset

ROWS = 3
SIDE = 96
"""Pixels of a thumbnail's longest side."""
MOST_INPUTS = 6
"""Images of a row that are shown; a row may have a thousand."""
_SHOWN = 200
"""Characters of an instruction."""


def summary(dataset: "Dataset") -> str:
    """Return a dataset in one line."""
    rows = dataset.manifest["rows"]
    return f"<Dataset {dataset.location}: {counted(rows, 'row')}; {', '.join(dataset.configs)}>"


def to_html(dataset: "Dataset") -> str:
    """Return a dataset as HTML; from a remote dataset nothing is fetched."""
    parts = [
        f"<p><b>{escape(dataset.location)}</b>, {counted(dataset.manifest['rows'], 'row')}</p>"
    ]
    parts.append(_configs(dataset))
    if dataset.folder is not None:
        try:
            parts.append(_rows(dataset))
        except MicoError as error:  # it is only looked at
            parts.append(f"<p>{escape(excerpt(error))}</p>")
    return "".join(parts)


def _configs(dataset: "Dataset") -> str:
    lines = []
    for config in dataset.configs:
        files = dataset.manifest["configs"][config].values()
        rows, size = (sum(file[key] for file in files) for key in ("rows", "bytes"))
        cells = (escape(config), f"{rows:,}", f"{len(files)}", gigabytes(size))
        lines.append(_line("td", *cells))
    head = _line("th", "configuration", "rows", "files", "size")
    return f"<table>{head}{''.join(lines)}</table>"


def _rows(dataset: "Dataset") -> str:
    chosen = dataset.index().slice(0, ROWS)
    with closing(dataset.samples(chosen)) as groups:
        samples = list(islice((sample for group in groups for sample in group), ROWS))
    lines = (
        _line(
            "td",
            escape(sample.id),
            "".join(map(_picture, sample.inputs[:MOST_INPUTS]))
            + ("…" if len(sample.inputs) > MOST_INPUTS else ""),
            escape(excerpt(sample.instruction, _SHOWN)),
            _picture(sample.output),
        )
        for sample in samples
    )
    head = _line("th", "id", "inputs", "instruction", "output")
    return f"<table>{head}{''.join(lines)}</table>"


def _picture(image: Image) -> str:
    # Here, because every command opens datasets, and few draw one.
    from mico_150k.images.thumbnail import make_thumbnail

    thumbnail = make_thumbnail(image.data, SIDE)
    if thumbnail.fault:
        return f"<i>{escape(excerpt(thumbnail.fault))}</i>"
    return f'<img src="{thumbnail.uri}" width="{thumbnail.width}" height="{thumbnail.height}">'


def _line(tag: str, *cells: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"
