#!/usr/bin/env python3
"""What Xet stores anew, with the real hf_xet, as configurations and changed rows are pushed.

    scripts/measure_xet.py --at FOLDER --mb 520 --image-kb 1200

Makes rows of three inputs and an output whose bytes do not repeat (PNGs of noise, uncompressed), a
file for each task as a release has them, builds one configuration after another, and sends each to
a store in a folder (`local://`), which chunks and deduplicates as the Hub's does. New bytes are
those of the store's chunk files. Needs about three times `--mb` on the disk, and hf_xet.
"""

import argparse
import random
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.task import Task
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.sources import open_source

IMAGES_PER_ROW = 4
TASKS = (Task.DE_RE, Task.HOI, Task.HUMAN_CENTRIC, Task.OBJECT_CENTRIC)
CONFIGS = ("bagel", "blip3o", "dimoo", "omnigen2", "default")
CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [
        ("idx", pa.int64()),
        ("instruction", pa.string()),
        ("input_images", pa.list_(CELL)),
        ("output_image", CELL),
    ]
)


def picture(seed: int, size: int) -> bytes:
    """A square PNG of noise of about `size` bytes, another one for each seed."""
    side = round((size / 3) ** 0.5)
    noise = random.Random(seed).randbytes(side * side * 3)  # noqa: S311 - pixels, no secret
    lines = b"".join(
        b"\0" + noise[start : start + side * 3] for start in range(0, len(noise), side * 3)
    )
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 0)), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


Row = tuple[int, int, int]
"""A row's id, and the seeds of its inputs and of its output and instruction."""


def write_source(folder: Path, rows: list[Row], size: int) -> None:
    """The rows as a release: each has its task by its id, so that a new row moves no other."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, task in enumerate(TASKS):
        of_task = [row for row in rows if row[0] % len(TASKS) == place]
        _write_file(folder / f"{task.value}.parquet", of_task, size)


def _write_file(path: Path, rows: list[Row], size: int) -> None:
    """In row groups small enough to hold."""
    with pq.ParquetWriter(path, SCHEMA, compression="none", use_dictionary=False) as writer:
        for start in range(0, len(rows), 20):
            plain = [_plain(row, size) for row in rows[start : start + 20]]
            writer.write_table(pa.Table.from_pylist(plain, SCHEMA))


def _plain(row: Row, size: int) -> dict[str, object]:
    number, inputs, output = row
    cells = [
        {"bytes": picture(seed, size), "path": None}
        for seed in (*(inputs * IMAGES_PER_ROW + place for place in range(3)), output * 4 + 3)
    ]
    return {
        "idx": number,
        "instruction": f"Put the things from image 1 and image 2 into image 3 ({output}).",
        "input_images": cells[:3],
        "output_image": cells[3],
    }


class Store:
    """A Xet store in a folder."""

    def __init__(self, folder: Path) -> None:
        """An empty one."""
        self.folder = folder
        folder.mkdir(parents=True)

    def send(self, files: list[Path]) -> int:
        """Send files; the bytes that are new."""
        import hf_xet

        before = self._bytes()
        commit = hf_xet.XetSession().new_upload_commit(
            endpoint=f"local://{self.folder}",
            token="none",  # noqa: S106 - a folder asks for none
            token_expiry_unix_secs=int(time.time()) + 86_400,
        )
        for file in files:
            commit.start_upload_file(str(file), sha256=hf_xet.COMPUTE_SHA256)
        commit.wait_to_finish()
        return self._bytes() - before

    def _bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("xet/xorbs/xorbs/default.*"))


def measure(store: Store, source: Path, config: str, shard_mb: int) -> tuple[int, int]:
    """Build one configuration and send it: its bytes, and the new ones among them."""
    out = source.parent / "out"
    options = BuildOptions(configs=(config,), shard_bytes=shard_mb << 20)
    Build.prepare(open_source(str(source)), out, options).run()
    files = DatasetFolder(out).files(config)
    size = sum(file.stat().st_size for file in files)
    new = store.send(files)
    shutil.rmtree(out)
    return size, new


def states(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The same rows with a hundredth of them other or new, after it was sent as it is."""
    rng = random.Random(1)  # noqa: S311 - a choice of rows
    count = max(1, len(rows) // 100)
    chosen = {row[0] for row in rng.sample(rows, count)}
    fresh = len(rows)
    yield (
        f"{count} rows with another output",
        [(n, i, o + fresh) if n in chosen else (n, i, o) for n, i, o in rows],
    )
    yield (
        f"{count} rows with all images other",
        [(n, i + 2 * fresh, o + 2 * fresh) if n in chosen else (n, i, o) for n, i, o in rows],
    )
    inserted = list(rows)
    for new in range(count):
        seed = 3 * fresh + new
        inserted.insert(rng.randrange(len(inserted)), (seed, seed, seed))
    yield f"{count} rows inserted, all images new", inserted
    reused = list(rows)
    for new in range(count):
        seed = 4 * fresh + new
        old = rng.randrange(fresh)
        reused.insert(rng.randrange(len(reused)), (seed, old, seed))
    yield f"{count} rows inserted, inputs used before", reused


def main() -> None:
    """Make the data, send it, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--at", type=Path, required=True, help="an empty folder for all files")
    parser.add_argument("--mb", type=int, default=520, help="megabytes of images")
    parser.add_argument("--image-kb", type=int, default=1200, help="kilobytes of one image")
    parser.add_argument("--shard-mb", type=int, default=128)
    arguments = parser.parse_args()
    size = arguments.image_kb * 1000
    count = arguments.mb * 10**6 // (size * IMAGES_PER_ROW)
    rows = [(number, number, number) for number in range(count)]
    source = arguments.at / "source"
    write_source(source, rows, size)
    store = Store(arguments.at / "store")
    print(f"{count} rows of {IMAGES_PER_ROW} images of {arguments.image_kb} kB")
    print(f"{'sent':44} {'MB':>8} {'new MB':>8} {'new':>7}")
    for config in CONFIGS:
        _show(config, *measure(store, source, config, arguments.shard_mb))
    for what, changed in states(rows):
        write_source(source, changed, size)
        _show(f"bagel, {what}", *measure(store, source, "bagel", arguments.shard_mb))


def _show(what: str, size: int, new: int) -> None:
    print(f"{what:44} {size / 1e6:8.1f} {new / 1e6:8.1f} {new / size:7.2%}", flush=True)


if __name__ == "__main__":
    main()
