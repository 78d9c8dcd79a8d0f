"""`mico pretokenize`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mico_150k.api.pretokenize import CPU_BATCH, GPU_BATCH, pretokenize_dataset
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.builders.dimoo_tokens import DEFAULT_SIZES, MAX_SEQ_LEN, OUTPUT_SIZE
from mico_150k.cli.build import AROUND, ExecutorName
from mico_150k.cli.options import AsJson, RayAddress
from mico_150k.cli.terminal import say, show, show_json, showing, tally
from mico_150k.cli.unused import refuse
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.pretokenize.run import Lengths, Pretokenization, PretokenizeResult
from mico_150k.pretokenize.vq import DTYPES


def pretokenize(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="A dataset folder on this machine.")],
    vq: Annotated[
        str,
        typer.Option(help="The VQ checkpoint: a folder, or a Hub id such as Lumina-DiMOO's own."),
    ],
    device: Annotated[
        str,
        typer.Option(
            help="torch's name of a device, or of several: `cuda:0,cuda:1`. Each gets a process."
        ),
    ] = "cuda",
    batch_size: Annotated[
        int,
        typer.Option(
            min=0,
            help=f"Images encoded at once; {GPU_BATCH} on a GPU and {CPU_BATCH} on a CPU by "
            "default. 1 gives upstream's codes to the last bit.",
        ),
    ] = 0,
    dtype: Annotated[
        str, typer.Option(help=f"The VQ model's precision: {' or '.join(DTYPES)}.")
    ] = DTYPES[0],
    sizes: Annotated[
        str,
        typer.Option(
            metavar="INPUTS:PIXELS,…,PIXELS",
            help="Pixels a side of the inputs, by their number; the last is for more.",
        ),
    ] = DEFAULT_SIZES,
    output_size: Annotated[int, typer.Option(help="Pixels a side of the output.")] = OUTPUT_SIZE,
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="Stop when more than this share of records is skipped."),
    ] = TOLERANCE,
    executor: Annotated[
        ExecutorName,
        typer.Option(help="Where it runs: on this machine, or on Ray with a GPU for each process."),
    ] = ExecutorName.LOCAL,
    ray_address: RayAddress = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace codes that were made otherwise.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add to a dataset what Lumina-DiMOO trains on: every image as VQ codes.

    They become its configuration `dimoo-codes`, which `mico export dimoo` and `mico push` take.
    Re-run the command to resume after an interruption.
    """
    is_ray = executor is ExecutorName.RAY
    if not is_ray:
        refuse(context, ("ray_address",), "--executor ray.")
    lengths: list[Lengths] = []

    def say_outlook(work: Pretokenization) -> None:
        lengths.extend(work.lengths())
        if not as_json:
            show(_table(lengths))
        say(
            "{} of {} → {}; tokens of text are estimated",
            counted(len(work.inputs.pictures), "image"),
            counted(len(work.inputs.records), "record"),
            counted(work.plan.encodings, "encoding"),
        )

    say("reading the index of {}", dataset)
    with tally("encoding", "images") as on_encoded:
        result = pretokenize_dataset(
            dataset,
            vq,
            device=device,
            batch_size=batch_size,
            dtype=dtype,
            sizes=sizes,
            output_size=output_size,
            tolerance=tolerance,
            ray_address=(ray_address or AROUND) if is_ray else None,
            overwrite=overwrite,
            on_outlook=say_outlook,
            on_encoded=on_encoded,
        )
    with showing():
        if as_json:
            show_json({**asdict(result), "lengths": [asdict(line) for line in lengths]})
    _say_done(result)


def _table(lengths: list[Lengths]) -> Table:
    table = Table(title="tokens a record, by its number of inputs")
    for name in ("inputs", "records", "pixels", "least", "median", "most", f"above {MAX_SEQ_LEN}"):
        table.add_column(name, justify="right")
    for line in lengths:
        table.add_row(*(str(value) for value in asdict(line).values()))
    return table


def _say_done(result: PretokenizeResult) -> None:
    skipped = "".join(f", {count} skipped: {reason}" for reason, count in result.skipped.items())
    before = f" ({result.encoded_before} were there)" if result.encoded_before else ""
    if result.skipped:
        say(
            "{} lists the skipped records with their reasons; --overwrite retries them",
            Path(result.dataset) / layout.CODES / layout.QUARANTINE,
        )
    say("next: mico export dimoo {} --out DIR", result.dataset)
    say(
        "[green]done[/green]: {} read, {} with codes{}; {}{}, {} s; the configuration {} of {}",
        counted(result.records_read, "record"),
        f"{result.records:,}",
        skipped,
        counted(result.encodings, "encoding"),
        before,
        f"{result.seconds:.1f}",
        layout.CODES,
        result.dataset,
    )
