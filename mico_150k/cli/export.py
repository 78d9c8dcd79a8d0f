"""`mico export`, with a subcommand for each trainer, and `mico relocate`."""

from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from mico_150k.api.export import default_format, export_dataset, relocate_export
from mico_150k.builders import TRAINERS, get_trainer
from mico_150k.cli.command import Command, Group, make_typer
from mico_150k.cli.options import AsJson, Where
from mico_150k.cli.terminal import progress, say, show_json, showing
from mico_150k.cli.unused import is_given, refuse
from mico_150k.core.errors import UsageError
from mico_150k.core.plural import counted
from mico_150k.core.trainer import (
    CodesTrainer,
    Exported,
    Option,
    PathTrainer,
    ShardTrainer,
    Trainer,
    flag,
)
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset, open_dataset
from mico_150k.export.folder import START, ExportFolder
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.limits import OverLimitPolicy
from mico_150k.io.machine import gigabytes

_CHOICE = ("where", "sample", "limit", "max_inputs")
_ONLY: dict[str, type] = {"in_place": ShardTrainer, "images": PathTrainer}
"""Options that only one kind of trainer has, with that kind."""


class _Trainers(Group):
    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - click's, or a copy
        """Return the subcommand of a trainer. Raises `UnknownConfig` if there is none."""
        return super().get_command(ctx, cmd_name) or get_trainer(cmd_name)


export = make_typer(
    cls=_Trainers,
    no_args_is_help=True,
    subcommand_metavar="TRAINER DATASET --out DIR",
    help="Write what a trainer reads: its files, configs and a launch script.\n\n"
    "Each trainer has options of its own: `mico export TRAINER --help`.",
)


def _export(
    trainer: Trainer,
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="A dataset: a folder, `USER/NAME` on the Hub (with `@revision`), or a URL.",
        ),
    ] = layout.DATASET,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder to write.", show_default=False)
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place",
            help="Use the dataset folder's own shards, and write only the files beside them.",
        ),
    ] = False,
    where: Where = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Keep that many rows at random.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Keep only the first rows, that many.")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Decides --sample, and the order of records of codes.")
    ] = 0,
    over_limit: Annotated[
        OverLimitPolicy,
        typer.Option(
            help="What to do with rows that the trainer cannot take: drop them, stop with an "
            "error, or truncate them to the first inputs if the text names no later one."
        ),
    ] = OverLimitPolicy.DROP,
    max_inputs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="A lower limit for inputs than the trainer's own.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder for images that several exports share; `images` in --out by default.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another export in the folder.")
    ] = False,
    as_json: AsJson = False,
    **own: Any,  # noqa: ANN401 - whatever the trainer declares
) -> None:
    """Export, for one trainer."""
    values = {name: getattr(value, "value", value) for name, value in own.items()}
    opened: str | Dataset = dataset
    if trainer.other_formats and not values["format"]:
        opened = open_dataset(dataset)
        values["format"] = default_format(trainer.name, opened)
    kind = get_trainer(trainer.name, values.get("format", ""))
    _refuse_unused(context, kind, over_limit, in_place=in_place)
    if in_place == (out is not None):
        where_to = "--out DIR, or --in-place" if "in_place" in _own(type(kind)) else "--out DIR"
        msg = f"say where: {where_to}."
        raise UsageError(msg)
    say("reading the index of {}", dataset)
    with progress("exporting") as on_progress:
        exported = export_dataset(
            trainer.name,
            opened,
            out,
            where=where,
            sample=sample,
            limit=limit,
            seed=seed,
            over_limit=over_limit.value,
            max_inputs=max_inputs,
            images=images,
            overwrite=overwrite,
            on_progress=on_progress,
            on_forecast=_say_forecast,
            **{name: values[name] for name in values.keys() & {"format", *_own(type(kind))}},
        )
    _report(exported, as_json=as_json)


def _own(kind: type[Trainer]) -> set[str]:
    """Return the options that only this kind of files has."""
    of_files = {name for name, reads in _ONLY.items() if issubclass(kind, reads)}
    return of_files | {option.name for option in kind.options}


def _refuse_unused(
    context: typer.Context, kind: Trainer, over_limit: OverLimitPolicy, *, in_place: bool
) -> None:
    """Raise `UsageError` for options without effect in this export."""
    for other in get_trainer(kind.name).formats():
        refuse(context, _own(other) - _own(type(kind)), f"--format {other.format}.")
    for option in kind.options:
        if option.needs and not is_given(context, option.needs):
            refuse(context, (option.name,), f"{flag(option.needs)}.")
    if in_place:
        refuse(context, _CHOICE, "--out: --in-place exports every row.")
        refuse(context, ("overwrite",), "--out: --in-place writes its files again each time.")
        if over_limit is not OverLimitPolicy.ERROR:
            refuse(context, ("over_limit",), "--out, or an error: --in-place exports every row.")
    if not isinstance(kind, CodesTrainer) and not is_given(context, "sample"):
        refuse(context, ("seed",), "--sample, or an export of codes.")


def _command(trainer: Trainer) -> Callable[..., None]:
    """Return the function of a trainer's subcommand, with its parameters."""
    of_some = set(_ONLY) - set().union(*map(_own, trainer.formats()))
    own = [_parameter(option, trainer) for option in trainer.all_options()]
    common = [
        parameter.replace(kind=Parameter.KEYWORD_ONLY)
        for name, parameter in signature(_export).parameters.items()
        if name not in {"trainer", "own", *of_some}
    ]
    parameters = [*common, *own]
    command: Any = partial(_export, trainer)
    command.__signature__ = Signature(parameters)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return cast("Callable[..., None]", command)


def _parameter(option: Option, trainer: Trainer) -> Parameter:
    """Return a trainer's option as a typer parameter."""
    kind: Any = option.type
    default: Any = option.default
    # Both are made by a call here, which a type checker takes for a definition.
    enum, annotated = cast("Any", Enum), cast("Any", Annotated)
    if option.choices:
        kind = enum(option.name, {choice: choice for choice in option.choices}, type=str)
        default = None if default is None else kind(default)
    declared = typer.Option(
        option.flag,
        metavar=option.metavar,
        min=option.minimum,
        help=option.help,
        show_default=default is not None,
        rich_help_panel=f"Options of {trainer.title}",
    )
    annotation = annotated[kind if default is not None else kind | None, declared]
    return Parameter(option.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


for _trainer in TRAINERS.values():
    _reads = ", or ".join(kind.reads for kind in _trainer.formats())
    export.command(
        _trainer.name,
        cls=Command,
        short_help=f"{_trainer.title}: {_reads}",
        help=f"Write what {_trainer.title} ({_trainer.url}) reads: {_reads}; and its configs and "
        "launch script.\n\n"
        "Re-run the command to resume. `START.md` in the folder says what is in it, which rows "
        "were skipped and why, and how to start the training.",
    )(_command(_trainer))


def _say_forecast(forecast: ExportForecast) -> None:
    say("{} chosen, {} to export", counted(forecast.chosen, "row"), f"{forecast.rows:,}")
    fetched = f"{gigabytes(forecast.fetched)} to fetch, " if forecast.fetched else ""
    free = "" if forecast.free is None else f", which has {gigabytes(forecast.free)} free"
    say("about {}{} to write to {}{}", fetched, gigabytes(forecast.written), forecast.folder, free)


def relocate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The export, where it is now.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Where its images are now, if not in the folder.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rewrite the absolute paths of an export that was moved."""
    if is_given(context, "images") and not ExportFolder(folder).exported.images:
        refuse(context, ("images",), "exports of image files: this one holds Parquet.")
    _report(relocate_export(folder, images), as_json=as_json)


def _report(exported: Exported, *, as_json: bool) -> None:
    trainer = get_trainer(exported.trainer, exported.identity["format"], **exported.options)
    with showing():
        if as_json:
            show_json(asdict(exported))
    for name, rows in exported.skipped.items():
        say("skipped: {} ({})", counted(rows, "row"), name)
    for remark in (*trainer.remarks, *trainer.limits):
        if remark.name in exported.remarks:
            say("{} with {}", counted(exported.remarks[remark.name], "row"), remark.why)
    for note in trainer.notes(exported):
        say("{}", note)
    most = exported.identity["max_inputs"]
    say(
        "[green]done[/green]: {} of {} for {}{}{}; {} says how to start",
        f"{exported.rows:,}",
        counted(exported.rows_chosen, "row"),
        trainer.title,
        f", {exported.truncated:,} cut to {counted(most, 'input')}" if exported.truncated else "",
        f", {counted(exported.unique_images, 'image')}" if exported.unique_images else "",
        Path(exported.root) / START,
    )
