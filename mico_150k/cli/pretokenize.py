"""`mico pretokenize`."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.builders.dimoo_tokens import (
    DEFAULT_SIZES,
    MAX_SEQ_LEN,
    OUTPUT_SIZE,
    SYSTEM_PROMPT,
    SizeTable,
    estimate,
)
from mico_150k.cli.options import AsJson
from mico_150k.cli.terminal import say, show, show_json, showing, tally
from mico_150k.cli.unused import refuse
from mico_150k.core.errors import UsageError
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodesFolder
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.export.codes_records import CONFIG, OVER_LIMIT, RecordOptions
from mico_150k.pretokenize.add_config import CodesConfig
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.pretokenize.ray_workers import Cluster
from mico_150k.pretokenize.run import (
    Lengths,
    Pretokenization,
    PretokenizeOptions,
    PretokenizeResult,
)
from mico_150k.pretokenize.source import EXPORT, open_material
from mico_150k.pretokenize.text import load_tokenizer
from mico_150k.pretokenize.vq import DTYPES, Precision

GPU_BATCH = 64
CPU_BATCH = 1  # one by one, codes are upstream's to the last bit; there is little to gain
MOST_READERS = 16


MaxSeqLen = Annotated[
    int, typer.Option(min=1, help="Tokens a record may have; training itself has no limit.")
]
SystemPrompt = Annotated[
    str, typer.Option(help="Said before every prompt; by default what inference says.")
]
TokenizerOption = Annotated[
    str | None,
    typer.Option(
        help="A folder with tokenizer.json or a Hub id, to count a text's tokens; without, "
        "a third of its bytes, which is more than there are.",
        show_default=False,
    ),
]


def pretokenize(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="What `mico export dimoo` wrote, or a dataset folder.")
    ],
    vq: Annotated[
        str,
        typer.Option(help="The VQ checkpoint: a folder, or a Hub id such as Lumina-DiMOO's own."),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="The folder to write; `codes` in an export by default, where its train.sh looks.",
            show_default=False,
        ),
    ] = None,
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
    max_seq_len: MaxSeqLen = MAX_SEQ_LEN,
    over_limit: Annotated[
        str, typer.Option(help=f"What becomes of longer records: {' or '.join(OVER_LIMIT)}.")
    ] = OVER_LIMIT[0],
    system_prompt: SystemPrompt = SYSTEM_PROMPT,
    tokenizer: TokenizerOption = None,
    seed: Annotated[int, typer.Option(help="Shuffles the records.")] = 0,
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="The share of records that may be unusable and left out."),
    ] = TOLERANCE,
    threads: Annotated[
        int, typer.Option(min=0, help="torch's on each CPU device; all cores by default.")
    ] = 0,
    readers: Annotated[
        int, typer.Option(min=0, help="Threads a device that read, decode and crop.")
    ] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Work on a Ray cluster, one actor a GPU; `auto` joins the one that runs here, "
            "`local` starts one.",
        ),
    ] = None,
    actors: Annotated[
        int, typer.Option(min=0, help="How many actors; by default one for each of its GPUs.")
    ] = 0,
    add: Annotated[
        bool,
        typer.Option(
            "--add",
            help="Of a dataset folder: add the codes to it as its configuration `dimoo-codes`, "
            "which `mico push` sends along.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace what was written in the folder before; its codes are used again where "
            "records are other ones, or some were left out.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make what Lumina-DiMOO trains on: every picture as VQ codes, and its records.

    Stopped by anything, the same command goes on where it was.
    """
    _one_of("--dtype", dtype, DTYPES)
    _one_of("--over-limit", over_limit, OVER_LIMIT)
    devices = tuple(name.strip() for name in device.split(","))
    kind = devices[0].partition(":")[0]
    if any(name.partition(":")[0] != kind for name in devices):
        msg = f"--device {device}: all must be of one kind, or the codes would depend on chance."
        raise UsageError(msg)
    if ray is None:
        refuse(context, ("actors",), "--ray.")
    if kind != "cpu":
        refuse(context, ("threads",), f"CPU devices; --device is {device}.")
    cores = os.cpu_count() or 1
    on_cpu = kind == "cpu"
    options = PretokenizeOptions(
        encoder=EncoderOptions(
            vq=vq,
            precision=Precision(
                dtype=dtype,
                batch=batch_size or (CPU_BATCH if on_cpu else GPU_BATCH),
                threads=(threads or cores) if on_cpu else 0,
            ),
            readers=readers or max(1, min(MOST_READERS, cores // len(devices))),
        ),
        devices=devices,
        sizes=SizeTable.parse(sizes, output_size),
        records=RecordOptions(
            system_prompt=system_prompt,
            max_seq_len=max_seq_len,
            over_limit=over_limit,
            seed=seed,
            text_length=load_tokenizer(tokenizer) if tokenizer else estimate,
        ),
        tolerance=tolerance,
        cluster=Cluster(ray, actors) if ray is not None else None,
    )
    if add and not _is_dataset(source):
        msg = f"--add: {source} is no dataset folder, and has no configurations."
        raise UsageError(msg)
    config = CodesConfig.prepare(DatasetFolder(source)) if add else None
    say("reading headers of {}", source)
    material = open_material(source)
    work = Pretokenization(material, to or _default_folder(source), options)
    lengths = work.lengths()
    if not as_json:
        show(_table(lengths, max_seq_len))
    say(
        "{} pictures of {} records → {} encodings; tokens of text {}",
        len(material.pictures),
        len(material.records),
        work.plan.encodings,
        "by the tokenizer" if tokenizer else "are estimated",
    )
    with (
        tally("encoding", "pictures") as on_encoded,
        tally("writing", "records") as on_written,
    ):
        result = work.run(overwrite=overwrite, on_encoded=on_encoded, on_written=on_written)
    if config:
        config.add(CodesFolder.open(result.folder))
        say("added to {} as its configuration {}", source, layout.CODES)
    with showing():
        if as_json:
            plain = {**asdict(result), "folder": str(result.folder)}
            show_json({**plain, "lengths": [asdict(line) for line in lengths]})
    _say_done(result)


def _one_of(option: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        msg = f"{option} {given}: it is {' or '.join(allowed)}."
        raise UsageError(msg)


def _is_dataset(source: Path) -> bool:
    return DatasetFolder.is_one(source) and not (source / EXPORT).is_file()


def _default_folder(source: Path) -> Path:
    """`codes` in an export, where its launch script looks; beside a dataset.

    A dataset folder is what the Hub is to hold, and pickles are not.
    """
    folder = source.absolute()
    if _is_dataset(folder):
        return folder.with_name(f"{folder.name}-codes")
    return (folder.parent if source.is_file() else folder) / "codes"


def _table(lengths: list[Lengths], limit: int) -> Table:
    table = Table(title="tokens a record, by its number of inputs")
    for name in ("inputs", "records", "pixels", "least", "median", "most", f"above {limit}"):
        table.add_column(name, justify="right")
    for line in lengths:
        table.add_row(*(str(value) for value in asdict(line).values()))
    return table


def _say_done(result: PretokenizeResult) -> None:
    left_out = "".join(f", {count} left out: {reason}" for reason, count in result.left_out.items())
    too_long = sum(result.too_long.values())
    before = f" ({result.encoded_before} were there)" if result.encoded_before else ""
    if result.left_out:
        say(
            "what was left out, and why, is in {}; with --overwrite it is tried again, and the "
            "codes of all else are kept",
            result.folder / layout.QUARANTINE,
        )
    say(
        "[green]done[/green]: {} records read, {} written{}, {} too long; {} encodings{}, "
        "{} pickles, {} s; for training: --data_config {}",
        result.records_read,
        result.records,
        left_out,
        too_long,
        result.encodings,
        before,
        result.pickles,
        f"{result.seconds:.1f}",
        result.folder / CONFIG,
    )
