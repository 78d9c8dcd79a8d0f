"""`mico export`, and `mico relocate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.builders import TRAINERS, get_trainer
from mico_150k.builders.dimoo import DimooRecords
from mico_150k.builders.dimoo_tokens import MAX_SEQ_LEN, SYSTEM_PROMPT, estimate
from mico_150k.cli.options import AsJson
from mico_150k.cli.terminal import progress, say, show_json, showing
from mico_150k.cli.unused import is_given, refuse
from mico_150k.core.errors import UsageError
from mico_150k.core.trainer import CodesTrainer, Exported, ShardTrainer, Trainer
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset, open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.codes_export import trainer_on_codes
from mico_150k.export.folder import START, ExportFolder
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.limits import OverLimitPolicy
from mico_150k.export.run import relocate as relocate_export
from mico_150k.export.run import run_export
from mico_150k.export.tokenizer import load_tokenizer
from mico_150k.io.machine import gigabytes

_CHOICE = ("where", "sample", "limit")
_OF_SHARDS = ("ranks", "workers")
_OF_RECORDS = ("max_seq_len", "system_prompt", "tokenizer")
_CODES = "codes"


def export(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help=f"The trainer: {', '.join(TRAINERS)}.")
    ],
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="DATASET",
            help="A folder that `mico build` has written, `USER/NAME` on the Hub, or a URL.",
        ),
    ] = layout.DATASET,
    to: Annotated[
        Path | None, typer.Option(help="The folder to write.", show_default=False)
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place",
            help="For bagel: write only what belongs beside the dataset folder's own files.",
        ),
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="Which rows, by the columns of `index`: `\"task = 'hoi' and num_inputs <= 3\"`.",
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many rows at random, the same for a --seed.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many rows.")] = None,
    seed: Annotated[
        int, typer.Option(help="Decides --sample, and the order of codes' records.")
    ] = 0,
    over_limit: Annotated[
        OverLimitPolicy,
        typer.Option(
            help="What becomes of rows that the trainer cannot take: left out; an error; or, of "
            "too many inputs, the first, where the text names no later one."
        ),
    ] = OverLimitPolicy.DROP,
    max_inputs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Fewer inputs than the trainer takes: rows with more are over the limit as well.",
            show_default=False,
        ),
    ] = None,
    ranks: Annotated[
        int, typer.Option(min=0, help="For bagel: GPUs that will train, so that none starves.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=0, help="For bagel: reading processes for each GPU.")
    ] = 0,
    images: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the images that several exports share; `images` in --to by default.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="codes|images",
            help="For dimoo: `codes`, of the codes that `mico pretokenize` has made, which a "
            "dataset that has them gives by default; or `images`, for upstream's own "
            "pre-tokenizer.",
            show_default=False,
        ),
    ] = None,
    max_seq_len: Annotated[
        int,
        typer.Option(
            min=1, help="For dimoo's codes: tokens a record may have; training has no limit."
        ),
    ] = MAX_SEQ_LEN,
    system_prompt: Annotated[
        str,
        typer.Option(
            help="For dimoo's codes: said before every prompt; by default what inference says."
        ),
    ] = SYSTEM_PROMPT,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="For dimoo's codes: a folder with tokenizer.json or a Hub id, to count a text's "
            "tokens; without, a third of its bytes, which is more than there are.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another export in the folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write what a trainer reads: its files, configs and a launch script.

    Run again after an interruption, it goes on where it was. `START.md` in the folder says what is
    in it, what was left out and why, and how a training starts.
    """
    trainer = get_trainer(model, format_ or "")
    if format_ is None and trainer.format:  # the dataset decides it
        _refuse_for_all(context, trainer)
        format_ = _default_format(open_dataset(from_), trainer)
        trainer = get_trainer(model, format_)
    _refuse_unused(context, trainer, over_limit, in_place=in_place)
    if in_place == (to is not None):
        msg = "say where: --to FOLDER, or --in-place for bagel."
        raise UsageError(msg)
    records = DimooRecords(
        system_prompt=system_prompt,
        max_seq_len=max_seq_len,
        tokenizer=tokenizer or "",
        text_length=load_tokenizer(tokenizer) if tokenizer else estimate,
    )
    options = ExportOptions(
        Selection(where, sample, limit, seed), over_limit, max_inputs, ranks, workers, images
    )
    say("reading the index of {}", from_)
    dataset = open_dataset(from_)
    if isinstance(trainer, CodesTrainer):
        trainer = trainer_on_codes(dataset, records)
    job = ExportJob.prepare(dataset, trainer, to, options)
    fitted = job.fitted
    say("{} rows chosen, {} to export to {}", fitted.chosen, fitted.index.num_rows, job.to)
    with progress("exporting") as on_progress:
        exported = run_export(
            job, overwrite=overwrite, on_forecast=_say_forecast, on_progress=on_progress
        )
    _report(trainer, exported, as_json=as_json)


def _default_format(dataset: Dataset, trainer: Trainer) -> str:
    """`codes` where the dataset has them. Raises `UsageError`."""
    if layout.CODES in dataset.configs:
        return _CODES
    msg = (
        f"{dataset.location} has no {layout.CODES}, which {trainer.title} trains on.\n"
        f"`mico pretokenize {dataset.location} --vq …` makes them; `mico export {trainer.name} "
        f"--format {trainer.format}` writes images for upstream's own pre-tokenizer."
    )
    raise UsageError(msg)


def _refuse_for_all(context: typer.Context, trainer: Trainer) -> None:
    """Raise `UsageError` for options without effect for a trainer that reads files."""
    refuse(
        context,
        (*_OF_SHARDS, "in_place"),
        f"trainers that read Parquet; {trainer.title} reads files, and shares rows out by itself.",
    )


def _refuse_unused(
    context: typer.Context, trainer: Trainer, over_limit: OverLimitPolicy, *, in_place: bool
) -> None:
    """Raise `UsageError` for options without effect in this export."""
    is_codes = isinstance(trainer, CodesTrainer)
    if not trainer.format:
        refuse(context, ("format_",), f"dimoo: {trainer.title} reads one kind of files.")
    if is_codes:
        refuse(context, ("images",), "an export of images: --format codes reads none.")
    else:
        refuse(context, _OF_RECORDS, "dimoo, with --format codes.")
    if in_place:
        refuse(context, (*_CHOICE, "max_inputs"), "--to: --in-place exports every row.")
        refuse(context, ("overwrite",), "--to: --in-place writes its files anew each time.")
        if over_limit is not OverLimitPolicy.ERROR:
            refuse(context, ("over_limit",), "--to, or an error: --in-place exports every row.")
    if not is_codes and not is_given(context, "sample"):
        refuse(context, ("seed",), "--sample, or --format codes.")
    if isinstance(trainer, ShardTrainer):
        refuse(context, ("images",), f"other trainers: {trainer.title} reads Parquet.")
        if not is_given(context, "ranks"):
            refuse(context, ("workers",), "--ranks: they are those of each rank.")
    else:
        _refuse_for_all(context, trainer)


def _say_forecast(forecast: ExportForecast) -> None:
    fetched = f"{gigabytes(forecast.fetched)} to fetch, " if forecast.fetched else ""
    free = "" if forecast.free is None else f", which has {gigabytes(forecast.free)} free"
    say("about {}{} to write to {}{}", fetched, gigabytes(forecast.written), forecast.folder, free)


def relocate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The export, where it is now.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Where its images are now, if not in it.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rewrite the absolute paths of an export that was moved."""
    found = ExportFolder(folder).exported
    trainer = get_trainer(found.trainer, found.identity.get("format", ""))
    if isinstance(trainer, ShardTrainer):
        refuse(context, ("images",), f"other trainers: {trainer.title} reads Parquet.")
    _report(trainer, relocate_export(folder, trainer, images), as_json=as_json)


def _report(trainer: Trainer, exported: Exported, *, as_json: bool) -> None:
    with showing():
        if as_json:
            show_json(asdict(exported))
    for name, rows in exported.skipped.items():
        say("left out: {} rows ({})", rows, name)
    for remark in (*trainer.remarks, *trainer.limits):
        if remark.name in exported.remarks:
            say("{} rows with {}", exported.remarks[remark.name], remark.why)
    for note in trainer.notes(exported):
        say("{}", note)
    most = exported.identity["max_inputs"]
    say(
        "[green]done[/green]: {} of {} rows for {}{}{}; {} says how to start",
        exported.rows,
        exported.rows_chosen,
        trainer.title,
        f", {exported.truncated} cut to {most} inputs" if exported.truncated else "",
        f", {exported.unique_images} images" if exported.unique_images else "",
        Path(exported.root) / START,
    )
