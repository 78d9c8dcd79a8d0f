"""What `mico build` shows at its end: what became of the rows, and the first of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from mico_150k.build import BuildResult
from mico_150k.cli.terminal import say
from mico_150k.first_row import read_first_row
from mico_150k.forecast import gigabytes

_MOST_SHOWN = 90
"""Characters of a value."""


def say_built(result: BuildResult, location: str = "") -> None:
    """The last line of a build. `location` is where it lies, if not in its folder."""
    report = result.report
    say(
        "[green]done[/green]: {} rows read, {} written, {} left out{}; {} files, {} in {}, {} s{}",
        report.rows_read,
        report.rows,
        report.rows_read - report.rows,
        "".join(f", {count} {reason}" for reason, count in report.reasons.items()),
        result.files,
        gigabytes(result.bytes),
        location or result.folder,
        f"{result.seconds:.1f}",
        f" ({result.resumed} of {result.shards} shards were there)" if result.resumed else "",
    )


def first_rows(folder: Path, configs: list[str]) -> Table:
    """The first row of each configuration, as `load_dataset` gives it."""
    table = Table(title=f'load_dataset("{folder}", configuration, split="train"): the first row')
    table.add_column("configuration", style="bold")
    table.add_column("row")
    for config in configs:
        row = read_first_row(str(folder.absolute()), config) or {}
        table.add_row(config, "\n".join(_lines(row)))
    return table


def _lines(row: dict[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        yield f"{name}: {_short(value)}"


def _short(value: Any) -> str:  # noqa: ANN401 - any column's value
    """A picture by its format and size, a text by its beginning."""
    if hasattr(value, "size") and hasattr(value, "format"):
        return f"{value.format} {value.size[0]}×{value.size[1]}"
    text = f"[{', '.join(map(_short, value))}]" if isinstance(value, list) else str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
