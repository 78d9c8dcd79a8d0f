#!/usr/bin/env python3
"""How fast pictures become codes, against upstream's way: one after the other, each for itself.

    scripts/benchmark_pretokenize.py --rows 40

A VQ of aMUSEd's layers, as Lumina-DiMOO's is one, with random weights, and pictures of 1024 pixels
a side, made here. Both ways have the same weights and images, upstream's as files and ours in a
dataset, and read, decode, crop, encode and fetch. They take turns in one process, after one that is
not counted; the median of each is printed. Quote the ratio, not the seconds. `--channels 128` is as
wide as the real one: of fewer, a GPU makes nothing, and the ratio tells of the rest.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import VQModel
from diffusers.image_processor import VaeImageProcessor
from mico_150k.builders.dimoo_tokens import SizeTable, shape_for
from PIL import Image

from mico_150k.build.build import Build, BuildOptions
from mico_150k.dataset.codes import CODEBOOK
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.pretokenize.crop import crop
from mico_150k.pretokenize.dataset_images import EncodeInputs
from mico_150k.pretokenize.encoder import Encoder, EncoderOptions
from mico_150k.pretokenize.plan import EncodingPlan
from mico_150k.pretokenize.vq import Precision
from mico_150k.sources import open_source

SIDE = 1024
SIZE = 512


def main() -> None:
    """Parse, make pictures and a VQ, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40, help="records, with two images each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--channels", type=int, default=8, help="the VQ's least; 128 is real")
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_pictures(folder / "source", asked.rows)
        dataset = make_dataset(folder / "source", folder / "dataset")
        model = make_vq(folder / "vq", asked.channels).to(asked.device)
        precision = Precision("fp32", asked.batch_size, torch.get_num_threads())
        encoder = Encoder.load(
            EncoderOptions(str(folder / "vq"), precision, asked.readers), asked.device
        )
        plan = EncodingPlan(EncodeInputs.of(dataset), SizeTable.parse(str(SIZE), SIZE), 10**6)
        ways: dict[str, Callable[[], object]] = {
            "upstream's way": lambda: one_by_one(model, paths, asked.device),
            "mico pretokenize": lambda: encoder.encode(plan.chunk(0), lambda _: None),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(asked.turns + 1):
            for way, work in ways.items():
                started = time.perf_counter()
                work()
                if turn:  # in the first one, kernels are chosen and memory is taken
                    seconds[way].append(time.perf_counter() - started)
        encoder.close()
    medians = {way: statistics.median(times) for way, times in seconds.items()}
    for way, median in medians.items():
        print(f"{way}: {len(paths) / median:.2f} images per second")
    ratio = medians["upstream's way"] / medians["mico pretokenize"]
    print(f"ratio: {ratio:.2f}")


def make_pictures(folder: Path, rows: int) -> list[Path]:
    """Write pictures of noise, and a manifest over them."""
    folder.mkdir()
    random = np.random.default_rng(0)
    paths = [folder / f"{number}.jpg" for number in range(2 * rows)]
    for path in paths:
        noise = random.integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
    records = [
        {"image_path": [first.name], "edit_path": second.name, "prompt": "do"}
        for first, second in zip(paths[::2], paths[1::2], strict=True)
    ]
    (folder / "hoi.json").write_text(json.dumps(records))
    return paths


def make_dataset(source: Path, folder: Path) -> DatasetFolder:
    """Build it of them: their bytes stay as they are."""
    Build.prepare(open_source(str(source)), folder, BuildOptions(configs=("default",))).run()
    return DatasetFolder(folder)


def make_vq(folder: Path, channels: int) -> VQModel:
    """Write a VQ with random weights."""
    torch.manual_seed(0)
    model = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        block_out_channels=tuple(times * channels for times in (1, 2, 2, 4, 6)),
        layers_per_block=2,
        latent_channels=64,
        num_vq_embeddings=CODEBOOK,
        vq_embed_dim=64,
        norm_num_groups=min(32, channels),
        mid_block_add_attention=False,
    )
    model.save_pretrained(folder)
    return model.eval()


@torch.no_grad()
def one_by_one(model: VQModel, paths: list[Path], device: str) -> list[list[int]]:
    """A picture is read, cropped, encoded and fetched before the next one is looked at."""
    processor = VaeImageProcessor(vae_scale_factor=16, do_normalize=False)
    found = []
    for path in paths:
        with Image.open(path) as image:
            pixels = crop(image.convert("RGB"), shape_for(*image.size, SIZE))
        latents = model.encode(processor.preprocess(pixels).to(device)).latents
        found.append(model.quantize(latents)[2][2].tolist())
    return found


if __name__ == "__main__":
    main()
