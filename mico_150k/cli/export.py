"""`mico export`, and `mico relocate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mico_150k.builders import TRAINERS, get_trainer
from mico_150k.builders.dimoo_tokens import MAX_SEQ_LEN, SYSTEM_PROMPT, estimate
from mico_150k.cli.options import AsJson
from mico_150k.cli.pretokenize import MaxSeqLen, SystemPrompt, TokenizerOption
from mico_150k.cli.terminal import progress, say, show_json, showing, tally
from mico_150k.cli.unused import is_given, refuse
from mico_150k.core.errors import UsageError
from mico_150k.core.trainer import Exported, ShardTrainer, Trainer
from mico_150k.dataset import layout
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.codes_export import export_codes
from mico_150k.export.codes_records import OVER_LIMIT, RecordOptions
from mico_150k.export.folder import START, ExportFolder
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.limits import OverLimitPolicy
from mico_150k.export.run import relocate as relocate_export
from mico_150k.export.run import run_export
from mico_150k.io.machine import gigabytes
from mico_150k.pretokenize.text import load_tokenizer

_CHOICE = ("where", "sample", "limit")
_OF_SHARDS = ("ranks", "workers")
_OF_RECORDS = ("max_seq_len", "system_prompt", "tokenizer")
_OF_CODES = "dimoo"


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
    seed: Annotated[int, typer.Option(help="Decides --sample, and with --codes the order.")] = 0,
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
    codes: Annotated[
        bool,
        typer.Option(
            "--codes",
            help="For dimoo: of the codes that `mico pretokenize` has made, a folder of them or "
            "a dataset's configuration `dimoo-codes`; neither a GPU nor an image is needed. "
            "--max-seq-len, --system-prompt, --tokenizer, --over-limit and --seed decide its "
            "records.",
        ),
    ] = False,
    max_seq_len: MaxSeqLen = MAX_SEQ_LEN,
    system_prompt: SystemPrompt = SYSTEM_PROMPT,
    tokenizer: TokenizerOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another export in the folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write what a trainer reads: its files, configs and a launch script.

    Run again after an interruption, it goes on where it was. `START.md` in the folder says what is
    in it, what was left out and why, and how a training starts.
    """
    trainer = get_trainer(model)
    _refuse_unused(context, trainer, over_limit, codes=codes, in_place=in_place)
    if codes:
        if to is None:
            msg = "say where: --to FOLDER."
            raise UsageError(msg)
        records = RecordOptions(
            system_prompt=system_prompt,
            max_seq_len=max_seq_len,
            over_limit=over_limit.value,
            seed=seed,
            text_length=load_tokenizer(tokenizer) if tokenizer else estimate,
        )
        if records.over_limit not in OVER_LIMIT:
            msg = f"--over-limit {over_limit.value}: with --codes it is {' or '.join(OVER_LIMIT)}."
            raise UsageError(msg)
        _export_codes(from_, to, records, overwrite=overwrite, as_json=as_json)
        return
    if in_place == (to is not None):
        msg = "say where: --to FOLDER, or --in-place for bagel."
        raise UsageError(msg)
    options = ExportOptions(
        Selection(where, sample, limit, seed), over_limit, max_inputs, ranks, workers, images
    )
    say("reading the index of {}", from_)
    job = ExportJob.prepare(open_dataset(from_), trainer, to, options)
    fitted = job.fitted
    say("{} rows chosen, {} to export to {}", fitted.chosen, fitted.index.num_rows, job.to)
    with progress("exporting") as on_progress:
        exported = run_export(
            job, overwrite=overwrite, on_forecast=_say_forecast, on_progress=on_progress
        )
    _report(trainer, exported, as_json=as_json)


def _refuse_unused(
    context: typer.Context,
    trainer: Trainer,
    over_limit: OverLimitPolicy,
    *,
    codes: bool,
    in_place: bool,
) -> None:
    """Raise `UsageError` for options without effect in this export."""
    if codes:
        if trainer.name != _OF_CODES:
            refuse(context, ("codes",), f"{_OF_CODES}: {trainer.title} reads none.")
        refuse(
            context,
            (*_CHOICE, *_OF_SHARDS, "max_inputs", "images", "in_place"),
            f"an export of images: --codes makes all records of {layout.CODES}.",
        )
        return
    refuse(context, _OF_RECORDS, "--codes.")
    if in_place:
        refuse(context, (*_CHOICE, "max_inputs"), "--to: --in-place exports every row.")
        refuse(context, ("overwrite",), "--to: --in-place writes its files anew each time.")
        if over_limit is not OverLimitPolicy.ERROR:
            refuse(context, ("over_limit",), "--to, or an error: --in-place exports every row.")
    if not is_given(context, "sample"):
        refuse(context, ("seed",), "--sample, or --codes.")
    if isinstance(trainer, ShardTrainer):
        refuse(context, ("images",), f"other trainers: {trainer.title} reads Parquet.")
        if not is_given(context, "ranks"):
            refuse(context, ("workers",), "--ranks: they are those of each rank.")
    else:
        refuse(
            context,
            (*_OF_SHARDS, "in_place"),
            f"trainers that read Parquet; {trainer.title} reads files, and shares rows out by "
            "itself.",
        )


def _say_forecast(forecast: ExportForecast) -> None:
    fetched = f"{gigabytes(forecast.fetched)} to fetch, " if forecast.fetched else ""
    free = "" if forecast.free is None else f", which has {gigabytes(forecast.free)} free"
    say("about {}{} to write to {}{}", fetched, gigabytes(forecast.written), forecast.folder, free)


def _export_codes(
    location: str, to: Path, options: RecordOptions, *, overwrite: bool, as_json: bool
) -> None:
    """Write training's files of Lumina-DiMOO from its codes, where its launch script looks."""
    with tally("writing", "records") as on_written:
        result = export_codes(location, to, options, overwrite=overwrite, on_progress=on_written)
    with showing():
        if as_json:
            show_json({**asdict(result), "folder": str(result.folder)})
    say(
        "[green]done[/green]: {} records, {} too long, {} pictures; {} says how to start",
        result.records,
        sum(result.too_long.values()),
        result.pickles,
        to / START,
    )


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
    trainer = get_trainer(ExportFolder(folder).exported.trainer)
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
