"""`mico build`."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer

from mico_150k.api.build import BuildOutlook, build_dataset, default_out
from mico_150k.api.build_to_hub import HubBuildResult
from mico_150k.build.build import CONFIGS, BuildResult
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.partition import PartitionResult
from mico_150k.build.plan import SHARD_BYTES
from mico_150k.card.file import License
from mico_150k.cli.build_result import first_rows, say_built, say_next, say_published
from mico_150k.cli.clock import elapsed
from mico_150k.cli.hub import say_transfer, say_wait
from mico_150k.cli.options import (
    AllowOutside,
    AsJson,
    Exclude,
    LicenseOption,
    Map,
    RayAddress,
    TaskMap,
    VerifyOption,
    make_reading,
)
from mico_150k.cli.push import say_progress
from mico_150k.cli.terminal import duration, progress, say, show, show_json, showing
from mico_150k.cli.unused import is_given, refuse
from mico_150k.core.plural import counted
from mico_150k.hub.push_forecast import PushForecast
from mico_150k.images.header import Verify
from mico_150k.io.hub import BUCKETS
from mico_150k.io.machine import gigabytes
from mico_150k.io.places import HUB
from mico_150k.io.storage import is_url
from mico_150k.sources import DEMO, Source, is_demo, open_source

_OF_A_FOLDER = ("overwrite", "recheck", "show_rows")
_OF_PARTITIONS = ("partition", "finish")
_OF_WORKERS = ("workers", "max_memory")
AROUND = "auto"
"""Ray's word for the cluster that this machine belongs to."""


TO_THE_HUB = "With --out hf://datasets/USER/NAME"


class ExecutorName(str, Enum):
    """The values of `--executor`."""

    LOCAL = "local"
    RAY = "ray"


def build(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A release: a folder, a file, `USER/NAME` on the Hub (with `@revision`), such as "
            "`kr-cen/MICo-150K`, or a URL. `demo` is built in.",
        ),
    ] = DEMO,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where the dataset goes: a folder; a URL that fsspec writes to, such as "
            "`s3://bucket/name`, or `hf://buckets/USER/BUCKET/FOLDER`; or "
            "`hf://datasets/USER/NAME`, a new repository on the Hub. Anywhere but in a folder, "
            "shards arrive as they finish, and none stays on this machine. By default "
            "`mico-150k`, or `mico-demo` for the demo.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(help=f"Write only this configuration; repeatable: {', '.join(CONFIGS)}."),
    ] = None,
    map_: Map = None,
    task_map: TaskMap = None,
    exclude: Exclude = None,
    allow_outside: AllowOutside = False,
    verify: VerifyOption = Verify.STRUCTURE,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Stop when more than this share of rows is skipped.")
    ] = TOLERANCE,
    shard_mb: Annotated[
        int, typer.Option(min=1, help="Size of a shard: about this many MiB of images.")
    ] = SHARD_BYTES >> 20,
    seed: Annotated[
        int, typer.Option(help="Decides the order of shards and the configuration `sample`.")
    ] = 0,
    license: LicenseOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another dataset in the folder.")
    ] = False,
    recheck: Annotated[
        bool,
        typer.Option("--recheck", help="When resuming, read finished shards again."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Worker processes; by default as many as cores, work and memory allow. Their "
            "number changes no byte of the result.",
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Memory to use, such as 12GB; by default all that is free."
        ),
    ] = None,
    partition: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Build partition I of N, for N machines that share one folder, bucket or object "
            "store; run `--finish` when all are done.",
        ),
    ] = None,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="Complete what was built with --partition."),
    ] = False,
    executor: Annotated[
        ExecutorName, typer.Option(help="Where the build runs: on this machine, or on Ray.")
    ] = ExecutorName.LOCAL,
    ray_address: RayAddress = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="Create a private repository or bucket.", rich_help_panel=TO_THE_HUB
        ),
    ] = False,
    work: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder for shards that wait to be sent, and for what a resumed run needs; by "
            "default in the cache. It is removed at the end.",
            rich_help_panel=TO_THE_HUB,
        ),
    ] = None,
    show_rows: Annotated[
        bool,
        typer.Option(
            "--show-rows",
            help="At the end, print the first row of each configuration, as "
            "`load_dataset` reads it.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build a dataset that `load_dataset`, the Hub's viewer and the trainers read.

    Re-run the command to resume after an interruption. The dataset's `quarantine.jsonl` lists the
    skipped rows with their reasons.
    """
    is_ray = executor is ExecutorName.RAY
    configs = tuple(config or CONFIGS)
    if out is None:
        out = default_out(DEMO if is_demo(source) else "")
    _refuse_unused(context, out, is_ray=is_ray)
    stated = License(license) if license is not None else None
    reading = make_reading(map_, task_map, exclude, allow_outside=allow_outside)

    def opened() -> Source:
        say("reading headers of {}", source)
        return open_source(source, reading)

    with progress("building") as on_progress:
        result = build_dataset(
            opened,
            out,
            configs=configs,
            verify=verify.value,
            tolerance=tolerance,
            shard_mb=shard_mb,
            seed=seed,
            license=stated,
            workers=workers,
            max_memory=max_memory,
            ray_address=(ray_address or AROUND) if is_ray else None,
            partition=partition,
            finish=finish,
            overwrite=overwrite,
            recheck=recheck,
            private=private,
            work=work,
            on_outlook=_say_outlook,
            on_progress=on_progress,
            on_forecast=_say_forecast,
            on_transfer=say_progress,
            on_wait=say_wait,
        )
    _show(result, configs, partition, show_rows=show_rows, as_json=as_json)


def _refuse_unused(context: typer.Context, out: str, *, is_ray: bool) -> None:
    """Raise `UsageError` for options that have no effect in combination with others."""
    if out.startswith(HUB) and not out.startswith(BUCKETS):
        of_others = (
            *_OF_PARTITIONS,
            *_OF_A_FOLDER,
            *(("executor", "ray_address") if is_ray else ()),
        )
        refuse(context, of_others, f"a build into a folder: {out} gets each shard as it is done.")
    else:
        of_hub = ("work",) if out.startswith(BUCKETS) else ("private", "work")
        refuse(context, of_hub, "--out hf://datasets/USER/NAME.")
        if is_url(out):
            refuse(context, _OF_A_FOLDER, f"a folder on this machine, which --out {out} is not.")
    if is_given(context, "partition"):
        alone = ("finish", "overwrite", "show_rows")
        refuse(context, alone, "a build without --partition.")
    if is_given(context, "as_json"):
        refuse(context, ("show_rows",), "a build without --json.")
    if is_given(context, "finish"):
        of_work = (*_OF_WORKERS, "executor", "ray_address", "overwrite")
        refuse(context, of_work, "a build without --finish, which writes no shard.")
    if is_given(context, "overwrite"):
        refuse(context, ("recheck",), "a build without --overwrite, which keeps no shard.")
    if is_ray:
        refuse(context, _OF_WORKERS, "--executor local; Ray knows its nodes.")
    else:
        refuse(context, ("ray_address",), "--executor ray.")


def _say_outlook(outlook: BuildOutlook) -> None:
    planned = outlook.build
    say(
        "{} from {}, {} of images → {}, {} in {}; {}, about {} memory and {}",
        counted(planned.forecast.rows, "row"),
        counted(len(planned.plan.files), "file"),
        gigabytes(planned.forecast.images),
        counted(planned.plan.shards, "shard"),
        gigabytes(planned.forecast.output),
        planned.location or planned.out,
        outlook.executor,
        gigabytes(outlook.memory),
        duration(outlook.seconds),
    )
    if planned.location.startswith(HUB) and not planned.location.startswith(BUCKETS):
        say("shards wait in {} until they are sent", planned.out)


def _say_forecast(forecast: PushForecast) -> None:
    say_transfer(forecast, f"about {counted(forecast.files, 'shard')} to send")


def _show(
    result: BuildResult | PartitionResult | HubBuildResult,
    configs: Sequence[str],
    partition: str | None,
    *,
    show_rows: bool,
    as_json: bool,
) -> None:
    with showing():
        if as_json:
            show_json(asdict(result))
        elif show_rows and isinstance(result, BuildResult):
            show(first_rows(result.folder))
    if isinstance(result, BuildResult):
        say_built(result)
    elif isinstance(result, HubBuildResult):
        say_published(result)
    else:
        say(
            "[green]done[/green]: partition {}, {} ({} finished before), {}; "
            "`--finish` completes {} when all partitions are done",
            partition,
            counted(result.shards, "shard"),
            result.resumed,
            elapsed(),
            result.location,
        )
    if not as_json and not isinstance(result, PartitionResult):
        say_next(result, configs)
