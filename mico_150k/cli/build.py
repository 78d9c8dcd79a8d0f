"""`mico build`."""

from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from mico_150k.build.build import CONFIGS, Build, BuildOptions, BuildResult
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.executors import Executor, InProcess
from mico_150k.build.forecast import building_memory, choose_workers, image_room
from mico_150k.build.partition import Share, ShareResult
from mico_150k.build.plan import SHARD_BYTES
from mico_150k.build.processes import Processes
from mico_150k.cli.build_elsewhere import build_elsewhere
from mico_150k.cli.build_push import build_and_push
from mico_150k.cli.build_refusals import checked_out, refuse_of_dataset, refuse_of_release
from mico_150k.cli.build_result import first_rows, say_built
from mico_150k.cli.options import (
    AllowOutside,
    AsJson,
    Exclude,
    LicenseLink,
    LicenseName,
    LicenseOption,
    Map,
    TaskMap,
    VerifyOption,
    make_license,
    make_reading,
)
from mico_150k.cli.refine import OF_A_DATASET, refine
from mico_150k.cli.terminal import duration, progress, say, show, show_json, showing
from mico_150k.core.errors import NoLicense
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.selection import Selection
from mico_150k.images.header import Verify
from mico_150k.io.machine import gigabytes, parse_size
from mico_150k.io.storage import is_url
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.validation_split import MAX_LOSS
from mico_150k.sources import DEMO, open_source

TO_THE_HUB = "To the Hub meanwhile"


class Keep(str, Enum):
    """What stays of shards that are pushed."""

    ALL = "all"
    NONE = "none"


class ExecutorName(str, Enum):
    """What `--executor` knows."""

    LOCAL = "local"
    RAY = "ray"


def build(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(help="A folder or file of samples, here or `hf://…`; `demo` is built in."),
    ] = DEMO,
    out: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            help="The dataset folder to write, here or by a URL that fsspec writes to, such as "
            "`s3://bucket/name`.",
        ),
    ] = layout.DATASET,
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
    seed: Annotated[
        int, typer.Option(help="Decides the shards' order, samples and the validation split.")
    ] = 0,
    bench: Annotated[
        str | None,
        typer.Option(
            metavar="MICO_BENCH",
            help="Of a dataset folder: leave out what is in the benchmark, and add it as `bench`.",
            rich_help_panel=OF_A_DATASET,
        ),
    ] = None,
    mark: Annotated[
        bool,
        typer.Option(
            "--mark",
            help="Keep those rows, and say so in the column `overlap` of `index`.",
            rich_help_panel=OF_A_DATASET,
        ),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Take images for the same by their bytes alone: nothing is decoded.",
            rich_help_panel=OF_A_DATASET,
        ),
    ] = False,
    validation: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="ROWS",
            help="Set that many rows apart as split `validation`, of all tasks; rows that share "
            "an input image with them are left out.",
            rich_help_panel=OF_A_DATASET,
        ),
    ] = None,
    max_loss: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="The share of the rows that --validation may cost.",
            rich_help_panel=OF_A_DATASET,
        ),
    ] = MAX_LOSS,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="Rows for which this holds of `index`, such as `task = 'hoi'`.",
            rich_help_panel=OF_A_DATASET,
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="ROWS", help="That many rows at random.", rich_help_panel=OF_A_DATASET
        ),
    ] = None,
    remove: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST",
            help="A takedown: a file with an id of a row or a digest of an image a line.",
            rich_help_panel=OF_A_DATASET,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what a build has written in the folder.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes at work; by default as many as there are cores, work and memory for. "
            "The bytes are the same.",
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="What the build may take, such as 12GB; else all free."),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Build this share alone, on one of N machines with one folder; "
            "`--finish` when all are done.",
        ),
    ] = None,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="Complete what was built with --units; nothing is read."),
    ] = False,
    executor: Annotated[
        ExecutorName, typer.Option(help="Who works: processes of this machine, or a Ray cluster.")
    ] = ExecutorName.LOCAL,
    address: Annotated[
        str | None, typer.Option(help="The Ray cluster's; `auto` for the one around.")
    ] = None,
    recheck: Annotated[
        bool,
        typer.Option(
            "--recheck", help="Going on, read finished shards again instead of trusting their size."
        ),
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="USER/NAME",
            help="Send each shard to this new repository as it is finished, and the card last.",
            rich_help_panel=TO_THE_HUB,
        ),
    ] = None,
    keep: Annotated[
        Keep,
        typer.Option(
            help="With --push, whether shards stay here: `none` is for a disk smaller than the "
            "data.",
            rich_help_panel=TO_THE_HUB,
        ),
    ] = Keep.ALL,
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="Create it for its owner's eyes.", rich_help_panel=TO_THE_HUB
        ),
    ] = False,
    license: LicenseOption = None,
    license_name: LicenseName = None,
    license_link: LicenseLink = None,
    as_json: AsJson = False,
) -> None:
    """Write a dataset folder that `load_dataset`, the viewer and the trainers read.

    SOURCE is a release, or a dataset folder: of that, another one is made, without what must not
    be in it. Shards that stay as they are become links.

    Run again after an interruption, it goes on where it was. What it leaves out, and why, is in
    `quarantine.jsonl` and `report.json` in the folder.
    """
    is_refined = DatasetFolder.is_built(Path(source))
    out = checked_out(
        out, as_folder=bool(is_refined or units or finish or overwrite or recheck or push)
    )
    if is_refined:
        refuse_of_dataset(context, source)
        refining = RefineOptions(
            remove=remove,
            selection=Selection(where=where, sample=sample, seed=seed),
            bench=bench,
            mark=mark,
            exact=exact,
            validation=validation,
            max_loss=max_loss,
            seed=seed,
        )
        refine(source, Path(out), refining, tolerance, overwrite=overwrite, as_json=as_json)
        return
    refuse_of_release(context, source, is_ray=executor is ExecutorName.RAY)
    share = Share.parse(units) if units is not None else None
    memory = parse_size(max_memory) if max_memory is not None else None
    stated = make_license(license, license_name, license_link)
    if push is not None and not stated:
        msg = "--push publishes: say under which licence, as `--licence cc-by-nc-4.0`."
        raise NoLicense(msg)
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
    read = open_source(source, reading)

    def choose(planned: Build) -> Executor:
        return _executor(planned, workers, memory, executor, address)

    if is_url(out):
        build_elsewhere(read, out, options, choose, stated, tolerance=tolerance, as_json=as_json)
        return
    planned = Build.prepare(read, Path(out), options, license=stated)
    if push is not None and stated:
        build_and_push(
            planned, push, stated, keep=keep is Keep.ALL, private=private, tolerance=tolerance
        )
    elif finish:
        _show(planned.complete(recheck=recheck, tolerance=tolerance), options, as_json=as_json)
    else:
        who = choose(planned)
        with progress("building") as on_progress:
            how = _How(executor=who, recheck=recheck, tolerance=tolerance, on_progress=on_progress)
            done = planned.run_share(share, **how) if share else None
            result = None if share else planned.run(overwrite=overwrite, **how)
        if share and done:
            _show_share(done, share, as_json=as_json)
        elif result:
            _show(result, options, as_json=as_json)


class _How(TypedDict):
    executor: Executor
    recheck: bool
    tolerance: float
    on_progress: Callable[[Progress], None]


def _executor(
    planned: Build,
    asked: int | None,
    max_memory: int | None,
    name: ExecutorName,
    address: str | None,
) -> Executor:
    """Who does the work; says what it will be. Raises `MemoryTooSmall`, `ExecutorMissing`."""
    executor: Executor
    if name is ExecutorName.RAY:
        from mico_150k.build.ray import RayCluster

        executor = RayCluster(address)
        workers = 1
        who = "{} nodes with {} cores, each unit at most".format(*executor.size)
    else:
        workers = choose_workers(planned.source, planned.plan, asked, max_memory)
        room = image_room(planned.source, planned.plan, workers, max_memory)
        executor = InProcess(room) if workers == 1 else Processes(workers, image_room=room)
        who = "1 worker" if workers == 1 else f"{workers} workers"
    forecast = planned.forecast
    say(
        "{} rows of {} files, {} of images → {} shards, {} in {}; {}, about {} memory and {}",
        forecast.rows,
        len(planned.plan.files),
        gigabytes(forecast.images),
        planned.plan.shards,
        gigabytes(forecast.output),
        planned.location or planned.out,
        who,
        gigabytes(building_memory(planned.source, planned.plan, workers)),
        duration(forecast.seconds / workers),
    )
    return executor


def _show(result: BuildResult, options: BuildOptions, *, as_json: bool) -> None:
    with showing():
        if as_json:
            show_json({**asdict(result), "folder": str(result.folder)})
        else:
            show(first_rows(result.folder, [*options.configs, layout.INDEX]))
    say_built(result)


def _show_share(result: ShareResult, share: Share, *, as_json: bool) -> None:
    with showing():
        if as_json:
            show_json({**asdict(result), "folder": str(result.folder)})
    say(
        "[green]done[/green]: share {} of {}, {} shards ({} were there), {} s; "
        "`--finish` completes {} when all shares are done",
        share.number,
        share.of,
        result.shards,
        result.resumed,
        f"{result.seconds:.1f}",
        result.folder,
    )
