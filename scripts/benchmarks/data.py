"""The data of a benchmark: a release as pyarrow writes it, with pictures of real sizes."""

import io
import random
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

BASE_PICTURES = 12
SIDE = 1024


def base_pictures() -> Iterator[bytes]:
    """Pictures with soft shapes and grain: PNG of about 1.2 MB and JPEG of about 0.3 MB."""
    rng = random.Random(0)  # noqa: S311 - pictures, no secret
    for number in range(BASE_PICTURES):
        shapes = Image.new("RGB", (8, 8))
        shapes.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(64)])
        soft = shapes.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        soft = soft.filter(ImageFilter.GaussianBlur(6))
        grain = Image.merge("RGB", [Image.effect_noise((SIDE, SIDE), 4) for _ in range(3)])
        picture = Image.blend(soft, grain, 0.3)
        encoded = io.BytesIO()
        if number % 3:
            picture.save(encoded, "JPEG", quality=93)
        else:
            picture.save(encoded, "PNG", compress_level=1)
        yield encoded.getvalue()


def unique(data: bytes, text: str) -> bytes:
    """The same picture with bytes of its own: a comment at the start, so that none repeats."""
    words = text.encode().ljust(64)
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + struct.pack(">H", len(words) + 2) + words + data[2:]
    body = b"tEXtComment\0" + words
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


def make_source(folder: Path, size: int, rows_per_file: int) -> None:
    """A release of about `size` bytes, one row group a file; 100 rows are about 250 MB."""
    if folder.exists():
        return
    final, folder = folder, folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
    pictures = list(base_pictures())
    written = number = 0
    while written < size:
        task = ("object_centric", "human_centric", "hoi", "de_re")[number % 4]
        path = folder / task / f"{number:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(list(_rows(pictures, number, rows_per_file)))
        pq.write_table(table, path)
        written += path.stat().st_size
        number += 1
    folder.rename(final)


def _rows(pictures: list[bytes], file: int, rows: int) -> Iterator[dict[str, Any]]:
    for row in range(rows):
        count = 2 + row % 4
        images = [
            unique(pictures[(row + place * 5) % BASE_PICTURES], f"{file}/{row}/{place}")
            for place in range(count + 1)
        ]
        yield {
            "idx": file * rows + row,
            "instruction": f"Put image 1 into image {count}, number {row}.",
            "input_images": [{"bytes": data, "path": None} for data in images[:-1]],
            "output_image": {"bytes": images[-1], "path": None},
        }


def plain_rows(source: str) -> Iterator[dict[str, Any]]:
    """Rows as anybody would read them: pyarrow's batches as Python objects."""
    for path in sorted(Path(source).rglob("*.parquet")):
        for batch in pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20).iter_batches(8):
            yield from batch.to_pylist()


def bagel_rows(source: str) -> Iterator[dict[str, Any]]:
    """The same as rows of the configuration `bagel`."""
    for row in plain_rows(source):
        images = [cell["bytes"] for cell in (*row["input_images"], row["output_image"])]
        yield {"image_list": images, "instruction": row["instruction"]}
