"""`pretokenize_dataset`: Lumina-DiMOO's codes, as `mico pretokenize` makes them."""

from collections.abc import Callable

from mico_150k.api.locations import AnyDataset, as_folder
from mico_150k.api.progress_bar import OnCount, count_bar
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.builders.dimoo_tokens import DEFAULT_SIZES, OUTPUT_SIZE, SizeTable
from mico_150k.core.errors import UsageError
from mico_150k.io.machine import cores
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.pretokenize.run import Pretokenization, PretokenizeOptions, PretokenizeResult
from mico_150k.pretokenize.vq import DTYPES, Precision

GPU_BATCH = 64
CPU_BATCH = 1
"""One by one, codes are upstream's to the last bit; on a CPU there is little to gain by more."""
MOST_READERS = 16

OnPretokenizeOutlook = Callable[[Pretokenization], None]


def pretokenize_dataset(
    dataset: AnyDataset,
    vq: str,
    *,
    device: str = "cuda",
    batch_size: int = 0,
    dtype: str = DTYPES[0],
    sizes: str = DEFAULT_SIZES,
    output_size: int = OUTPUT_SIZE,
    tolerance: float = TOLERANCE,
    ray_address: str | None = None,
    overwrite: bool = False,
    on_outlook: OnPretokenizeOutlook = lambda _: None,
    on_encoded: OnCount | None = None,
) -> PretokenizeResult:
    """Add the configuration `dimoo-codes` to a dataset, or resume where that was interrupted.

    Args:
        dataset: A dataset folder on this machine.
        vq: The VQ checkpoint: a folder, or a Hub id such as Lumina-DiMOO's own.
        device: torch's name, or several: `cuda:0,cuda:1`. Each has a process of its own.
        batch_size: Images encoded at once; 0 for 64 on a GPU and 1 on a CPU. With 1, the codes are
            upstream's to the last bit.
        dtype: The VQ's.
        sizes: Pixels a side of the inputs, by their number: `3:512,4:448,6:384,320`.
        output_size: Pixels a side of the output.
        tolerance: The share of records that may be skipped, 0 to 1.
        ray_address: Work on a Ray cluster: its address, `auto` for the one around, or `local`.
        overwrite: Replace the dataset's codes by others.
        on_outlook: Called with the planned work before anything is encoded.
        on_encoded: Called with the encodings done, and all. Without it, a bar is drawn on a
            terminal and in a notebook.

    Raises:
        NotADataset: There is no dataset of this format.
        UsageError: An argument is wrong.
        MissingPackage: torch or diffusers is not installed.
    """
    work = Pretokenization(
        as_folder(dataset, "mico pretokenize"),
        PretokenizeOptions(
            encoder=_encoder_options(vq, device, batch_size, dtype),
            devices=_devices(device),
            sizes=SizeTable.parse(sizes, output_size),
            tolerance=tolerance,
            ray=ray_address or "",
        ),
    )
    on_outlook(work)
    if on_encoded:
        return work.run(overwrite=overwrite, on_encoded=on_encoded)
    with count_bar("encoding", "images") as tell:
        return work.run(overwrite=overwrite, on_encoded=tell)


def _devices(device: str) -> tuple[str, ...]:
    devices = tuple(name.strip() for name in device.split(","))
    if len({name.partition(":")[0] for name in devices}) > 1:
        msg = f"--device {device}: all must be of one kind, or the codes would depend on chance."
        raise UsageError(msg)
    return devices


def _encoder_options(vq: str, device: str, batch_size: int, dtype: str) -> EncoderOptions:
    if dtype not in DTYPES:
        msg = f"--dtype {dtype}: it is {' or '.join(DTYPES)}."
        raise UsageError(msg)
    devices = _devices(device)
    on_cpu = devices[0].partition(":")[0] == "cpu"
    batch = batch_size or (CPU_BATCH if on_cpu else GPU_BATCH)
    return EncoderOptions(
        vq=vq,
        precision=Precision(dtype=dtype, batch=batch, threads=cores() if on_cpu else 0),
        readers=max(1, min(MOST_READERS, cores() // len(devices))),
    )
