"""`mico build`."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mico_150k import names
from mico_150k.build import CONFIGS, Build, BuildOptions, BuildResult
from mico_150k.cli.options import (
    AllowOutside,
    AsJson,
    Exclude,
    Map,
    TaskMap,
    VerifyOption,
    make_reading,
)
from mico_150k.cli.terminal import progress, say, show, show_json
from mico_150k.forecast import gigabytes
from mico_150k.images.header import Verify
from mico_150k.plan import SHARD_BYTES
from mico_150k.sources import DEMO, open_source
from mico_150k.watch import TOLERANCE


def build(
    source: Annotated[
        str,
        typer.Argument(help="A folder or file of samples, here or `hf://…`; `demo` is built in."),
    ] = DEMO,
    out: Annotated[Path, typer.Option(help="The dataset folder to write.")] = Path(names.DATASET),
    config: Annotated[
        list[str] | None,
        typer.Option(help=f"A configuration to write; all by default: {', '.join(CONFIGS)}."),
    ] = None,
    map_: Map = None,
    task_map: TaskMap = None,
    exclude: Exclude = None,
    allow_outside: AllowOutside = False,
    verify: VerifyOption = Verify.STRUCTURE,
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="The share of rows that may be unusable and left out."),
    ] = TOLERANCE,
    shard_mb: Annotated[
        int, typer.Option(min=1, help="MiB of images in a shard, about.")
    ] = SHARD_BYTES >> 20,
    seed: Annotated[int, typer.Option(help="Decides the shards' order and the sample.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what a build has written in the folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a dataset folder that `load_dataset`, the viewer and the trainers read.

    Run again after an interruption, it goes on where it was. What it leaves out, and why, is in
    `quarantine.jsonl` and `report.json` in the folder.
    """
    reading = make_reading(map_, task_map, exclude, allow_outside=allow_outside)
    options = BuildOptions(
        configs=tuple(name for name in CONFIGS if not config or name in config)
        if set(config or ()) <= set(CONFIGS)
        else tuple(config or ()),
        verify=verify,
        shard_bytes=shard_mb << 20,
        seed=seed,
    )
    say("reading headers of {}", source)
    planned = Build.prepare(open_source(source, reading), out, options)
    forecast = planned.forecast
    say(
        "{} rows of {} files, {} of images → {} shards, {} in {}; about {} memory",
        forecast.rows,
        len(planned.plan.files),
        gigabytes(forecast.images),
        planned.plan.shards,
        gigabytes(forecast.output),
        out,
        gigabytes(forecast.memory),
    )
    with progress("building") as on_progress:
        result = planned.run(overwrite=overwrite, tolerance=tolerance, on_progress=on_progress)
    if as_json:
        show_json({**asdict(result), "folder": str(result.folder)})
    else:
        show(_first_rows(result.folder, [*options.configs, names.INDEX]))
    say(_summary(result))


def _summary(result: BuildResult) -> str:
    report = result.report
    left_out = "".join(f", {count} {reason}" for reason, count in report.reasons.items())
    resumed = f" ({result.resumed} of {result.shards} shards were there)" if result.resumed else ""
    return (
        f"[green]done[/green]: {report.rows_read} rows read, {report.rows} written, "
        f"{report.rows_read - report.rows} left out{left_out}; {result.files} files, "
        f"{gigabytes(result.bytes)} in {result.folder}, {result.seconds:.1f} s{resumed}"
    )


def _first_rows(folder: Path, configs: list[str]) -> Table:
    """The first row of each configuration, as `load_dataset` gives it."""
    from datasets import load_dataset

    table = Table(title=f'load_dataset("{folder}", configuration, split="train"): the first row')
    table.add_column("configuration", style="bold")
    table.add_column("row")
    for config in configs:
        rows = load_dataset(str(folder), config, split=names.SPLIT, streaming=True)
        row: dict[str, Any] = next(iter(rows), {})
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


_MOST_SHOWN = 90
