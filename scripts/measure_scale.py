#!/usr/bin/env python3
"""Run every command on more and more rows of tiny images: nothing may grow faster than the rows.

    scripts/measure_scale.py --at FOLDER --rows 20000 60000 180000

Prints seconds, CPU seconds and peak memory of each command, and what a row costs in comparison
with the fewest rows: 1.00 is as much, less is better.
"""

import argparse
import io
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 16
ROWS_PER_GROUP = 5000
TASKS = ("object_centric", "human_centric", "hoi", "de_re")
STARTER = """
import os, sys
child = os.posix_spawn(sys.executable, [sys.executable, "-m", "mico_150k", *sys.argv[1:]],
    os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 1, 2)])
_, status, used = os.wait4(child, 0)
print("\\nused", used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, flush=True)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process between, since Linux counts a starter's memory as its child's."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one command took. `cpu` counts its workers, `peak` is its largest process in MB."""

    seconds: float
    cpu: float
    peak: float


def image(number: int) -> bytes:
    """A tiny image, another for each number."""
    pixels = random.Random(number).randbytes(SIDE * SIDE * 3)  # noqa: S311 - no secret
    encoded = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), pixels).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def make_release(folder: Path, rows: int) -> None:
    """Make a file for each task, and as many images as rows, each used about four times."""
    images = [image(number) for number in range(rows)]
    for task_number, task in enumerate(TASKS):
        path = folder / task / "part-0.parquet"
        path.parent.mkdir(parents=True)
        numbers = range(task_number, rows, len(TASKS))
        writer = None
        for start in range(0, len(numbers), ROWS_PER_GROUP):
            group = numbers[start : start + ROWS_PER_GROUP]
            table = pa.Table.from_pylist(list(_rows(images, group)))
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer:
            writer.close()


def _rows(images: list[bytes], numbers: range) -> Iterator[dict[str, Any]]:
    for number in numbers:
        chosen = random.Random(number).sample(range(len(images)), 3 + number % 3)  # noqa: S311 - the same
        *inputs, output = [{"bytes": images[place], "path": None} for place in chosen]
        yield {
            "idx": number,
            "instruction": f"Put image 1 into image {len(inputs)}, number {number}.",
            "input_images": inputs,
            "output_image": output,
        }


def commands(at: Path) -> Iterator[tuple[str, list[str]]]:
    """Every command that goes over all rows, in an order in which each has what it needs."""
    built = str(at / "built")
    configs = ("--config", "default", "--config", "omnigen2")
    yield "build", ["build", str(at / "release"), "--out", built, *configs]
    yield "check", ["check", built]
    yield "inspect", ["inspect", built]
    yield (
        "refine",
        ["refine", built, "--out", str(at / "refined"), "--validation", "100", "--max-loss", "1"],
    )
    yield "export", ["export", "omnigen2", built, "--out", str(at / "export")]
    yield "preview", ["preview", built, "--out", str(at / "preview.html")]
    yield "card", ["card", built]


def run(arguments: list[str]) -> Used:
    """Run one command of `mico`."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", STARTER, *arguments],
        stdout=subprocess.PIPE, text=True, check=False, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    seconds = time.perf_counter() - started
    said, _, used = done.stdout.rpartition("\nused ")
    if done.returncode:
        sys.exit(f"mico {' '.join(arguments)} failed:\n{said}")
    cpu, peak = map(float, used.split())
    return Used(seconds, cpu, peak)


def main() -> None:
    """Measure each number of rows, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--at", type=Path, required=True, help="a folder with room for it")
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 60_000, 180_000])
    arguments = parser.parse_args()
    first: dict[str, tuple[int, Used]] = {}
    print(f"{'':10} {'rows':>8} {'seconds':>8} {'CPU s':>8} {'peak MB':>8} {'CPU a row':>10}")
    for rows in sorted(arguments.rows):
        at = arguments.at / f"scale-{rows}"
        shutil.rmtree(at, ignore_errors=True)
        make_release(at / "release", rows)
        for name, words in commands(at):
            used = run(words)
            fewest, then = first.setdefault(name, (rows, used))
            ratio = (used.cpu / rows) / (then.cpu / fewest)
            print(
                f"{name:10} {rows:8} {used.seconds:8.1f} {used.cpu:8.1f} {used.peak:8.0f} "
                f"{ratio:10.2f}",
                flush=True,
            )
        shutil.rmtree(at)


if __name__ == "__main__":
    main()
