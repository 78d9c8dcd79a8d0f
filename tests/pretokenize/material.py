"""A small VQ with random weights, a dataset of small pictures, and codes made up by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mico_150k.builders.dimoo_tokens import SizeTable

from mico_150k.build.build import Build, BuildOptions
from mico_150k.card.file import License, write_card
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodedPicture, CodedRow, CodesFolder, write_codes
from mico_150k.dataset.folder import DatasetFolder, read_rows
from mico_150k.pretokenize.add_config import CodesConfig
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.pretokenize.run import PretokenizeOptions
from mico_150k.pretokenize.vq import Precision
from mico_150k.sources import open_source

from ..factories import encode, picture

VQ_EXTRA = "needs torch and diffusers: pip install '.[vq]' in the clone of mico-150k"
SMALL = SizeTable.parse("2:96,64", 128)
MADE_WITH = {"vq_sha256": "ab", "sizes": "3:512,320", "output_size": 512}
SIDES = [(200, 150), (64, 64), (90, 200), (300, 80), (128, 128), (70, 65), (160, 120), (50, 190)]


def write_vq(folder: Path, blocks: int = 5, embeddings: int = 8192) -> Path:
    """A VQ of Lumina-DiMOO's kind, a thousandth of its weights."""
    torch = pytest.importorskip("torch", reason=VQ_EXTRA)
    diffusers = pytest.importorskip("diffusers", reason=VQ_EXTRA)
    torch.manual_seed(0)
    model = diffusers.VQModel(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(8,) * blocks,
        latent_channels=4,
        num_vq_embeddings=embeddings,
        vq_embed_dim=4,
        norm_num_groups=4,
    )
    model.quantize.embedding.weight.data.normal_(std=0.3)
    model.save_pretrained(folder / "vqvae")
    return folder


def write_dataset(folder: Path, records: int = 8) -> DatasetFolder:
    """Rows of 1 to 4 inputs, whose pictures are shared."""
    source = folder.with_name(f"{folder.name}-source")
    source.mkdir(parents=True)
    images = [encode(picture(n, sides)) for n, sides in enumerate(SIDES)]
    for number, data in enumerate(images):
        (source / f"{number}.png").write_bytes(data)
    rows = [
        {
            "image_path": [f"{(row + n) % len(SIDES)}.png" for n in range(1 + row % 4)],
            "edit_path": f"{(row + 5) % len(SIDES)}.png",
            "prompt": f"Put “this” into picture {row}.",
        }
        for row in range(records)
    ]
    (source / "hoi.json").write_text(json.dumps(rows))
    Build.prepare(open_source(str(source)), folder, BuildOptions()).run()
    write_card(DatasetFolder(folder), License("mit"))
    return DatasetFolder(folder)


def options(vq: Path | str, **changes: Any) -> PretokenizeOptions:
    """Options for small pictures on the CPU; `batch` and `readers` are the encoder's."""
    dtype = changes.pop("dtype", "fp32")
    precision = Precision(dtype, changes.pop("batch", 2), changes.pop("threads", 1))
    encoder = EncoderOptions(str(vq), precision, changes.pop("readers", 2))
    return PretokenizeOptions(
        **{"encoder": encoder, "devices": ("cpu",), "sizes": SMALL, "batches_a_chunk": 2, **changes}
    )


def coded(digest: str, columns: int = 3, rows: int = 2, size: int = 96) -> CodedPicture:
    """A picture whose codes tell it from others."""
    first = int(digest, 16)
    codes = (np.arange(columns * rows, dtype=np.uint16) + first) % 8192
    return CodedPicture(codes.reshape(rows, columns), size, digest)


def coded_rows(count: int = 6) -> list[CodedRow]:
    """Rows that share their first input."""
    return [
        CodedRow(f"hoi/{row}", f"prompt {row}", (coded("0a"), coded(f"{row:x}b", 2, 4)))
        for row in range(count)
    ]


def write_rows(folder: Path, rows: list[CodedRow], vq: str = "ab") -> CodesFolder:
    """A folder of codes."""
    write_codes(folder, rows, len(rows), {"vq_sha256": vq})
    return CodesFolder.open(folder)


def ids(dataset: DatasetFolder) -> list[str]:
    """Of a dataset's rows in order."""
    return [row["id"] for path in dataset.files(layout.INDEX) for row in read_rows(path)]


def make_codes(dataset: DatasetFolder, first: int = 0) -> CodesFolder:
    """Codes beside the dataset, of all its rows."""
    folder = dataset.path.with_name("mico-150k-codes")
    rows = [
        CodedRow(row, f"prompt {row}", (coded("0a"), coded(f"{place + first:x}b", 2, 4)))
        for place, row in enumerate(ids(dataset))
    ]
    write_codes(folder / layout.CODES, rows, len(rows), MADE_WITH)
    return CodesFolder.open(folder)


def add_codes(dataset: DatasetFolder, first: int = 0) -> None:
    """The same, added to the dataset as a configuration."""
    CodesConfig.prepare(dataset).add(make_codes(dataset, first))


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their relative path, with the folder's own path taken out."""
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"@")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
