"""`mico pretokenize`."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.builders.dimoo_tokens import DEFAULT_SIZES, MAX_SEQ_LEN, OUTPUT_SIZE, SizeTable
from mico_150k.cli.options import AsJson
from mico_150k.cli.terminal import say, show, show_json, showing, tally
from mico_150k.core.errors import UsageError
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.pretokenize.run import (
    Lengths,
    Pretokenization,
    PretokenizeOptions,
    PretokenizeResult,
)
from mico_150k.pretokenize.vq import DTYPES, Precision

GPU_BATCH = 64
CPU_BATCH = 1  # one by one, codes are upstream's to the last bit; there is little to gain
MOST_READERS = 16


def pretokenize(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder on this machine.")],
    vq: Annotated[
        str,
        typer.Option(help="The VQ checkpoint: a folder, or a Hub id such as Lumina-DiMOO's own."),
    ],
    device: Annotated[
        str, typer.Option(help="torch's name, or several: `cuda:0,cuda:1`. A process for each.")
    ] = "cuda",
    batch_size: Annotated[
        int,
        typer.Option(
            min=0,
            help=f"Pictures encoded at once; {GPU_BATCH} on a GPU and {CPU_BATCH} on a CPU by "
            "default. 1 gives upstream's codes to the last bit.",
        ),
    ] = 0,
    dtype: Annotated[str, typer.Option(help=f"Of the VQ: {' or '.join(DTYPES)}.")] = DTYPES[0],
    sizes: Annotated[
        str,
        typer.Option(
            metavar="INPUTS:PIXELS,…,PIXELS",
            help="Inputs' pixels a side by how many inputs there are, the last for all above.",
        ),
    ] = DEFAULT_SIZES,
    output_size: Annotated[int, typer.Option(help="The output's pixels a side.")] = OUTPUT_SIZE,
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="The share of records that may be unusable and left out."),
    ] = TOLERANCE,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Work on a Ray cluster, one process a GPU; `auto` joins the one that runs here, "
            "`local` starts one.",
            show_default=False,
        ),
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the dataset's codes by others.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add to a dataset what Lumina-DiMOO trains on: every image as VQ codes.

    They become its configuration `dimoo-codes`, which `mico export dimoo` and `mico push` take.
    Run the same command again after an interruption, and it resumes.
    """
    if dtype not in DTYPES:
        msg = f"--dtype {dtype}: it is {' or '.join(DTYPES)}."
        raise UsageError(msg)
    devices = tuple(name.strip() for name in device.split(","))
    kind = devices[0].partition(":")[0]
    if any(name.partition(":")[0] != kind for name in devices):
        msg = f"--device {device}: all must be of one kind, or the codes would depend on chance."
        raise UsageError(msg)
    cores = os.cpu_count() or 1
    on_cpu = kind == "cpu"
    options = PretokenizeOptions(
        encoder=EncoderOptions(
            vq=vq,
            precision=Precision(
                dtype=dtype,
                batch=batch_size or (CPU_BATCH if on_cpu else GPU_BATCH),
                threads=cores if on_cpu else 0,
            ),
            readers=max(1, min(MOST_READERS, cores // len(devices))),
        ),
        devices=devices,
        sizes=SizeTable.parse(sizes, output_size),
        tolerance=tolerance,
        ray=ray,
    )
    say("reading the index of {}", dataset)
    work = Pretokenization(DatasetFolder(dataset), options)
    lengths = work.lengths()
    if not as_json:
        show(_table(lengths))
    say(
        "{} pictures of {} records → {} encodings; tokens of text are estimated",
        len(work.inputs.pictures),
        len(work.inputs.records),
        work.plan.encodings,
    )
    with tally("encoding", "pictures") as on_encoded:
        result = work.run(overwrite=overwrite, on_encoded=on_encoded)
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
    skipped = "".join(f", {count} left out: {reason}" for reason, count in result.skipped.items())
    before = f" ({result.encoded_before} were there)" if result.encoded_before else ""
    if result.skipped:
        say(
            "what was left out, and why, is in {}; --overwrite tries it again",
            Path(result.dataset) / layout.CODES / layout.QUARANTINE,
        )
    say("next: mico export dimoo --from {} --to FOLDER", result.dataset)
    say(
        "[green]done[/green]: {} records read, {} with codes{}; {} encodings{}, {} s; the "
        "configuration {} of {}",
        result.records_read,
        result.records,
        skipped,
        result.encodings,
        before,
        f"{result.seconds:.1f}",
        layout.CODES,
        result.dataset,
    )
