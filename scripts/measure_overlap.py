#!/usr/bin/env python3
"""How many copies of a benchmark's cases `--bench` finds among rows, and how many it takes wrongly.

    scripts/measure_overlap.py --at FOLDER --rows 2000

Makes a benchmark in MICo-Bench's form and a release of drawn pictures, of which every input stands
in some four rows. Among its rows lie 50 copies of cases: encoded again, resized, inputs in another
order; and 50 that only resemble a case: an input too few, an input of another's, other colours.
All are built and marked, and the marks compared with what was planted. Needs the extra `bench`.
"""

import argparse
import io
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from mico_150k.build.build import Build, BuildOptions
from mico_150k.dataset.reader import open_dataset
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.sources import open_source

SIDE = 384
CASES = 100
PLANTED = 50
USES = 4
"""Rows that an input stands in, about: 3.8 in MICo-150K."""
TASK = "hoi"
CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
rng = random.Random(0)  # noqa: S311 - pictures, no secret


@dataclass(frozen=True)
class Row:
    """Pictures of a row; `kind` says what of a case it has, and is empty where nothing."""

    inputs: list[bytes]
    output: bytes
    kind: str = ""


def draw() -> Image.Image:
    """A picture like no other: soft fields, and things of many colours before them."""
    ground = Image.new("RGB", (6, 6))
    ground.putdata([_colour() for _ in range(36)])
    image = ground.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(8):
        left, top = rng.randrange(SIDE - 60), rng.randrange(SIDE - 60)
        box = (left, top, left + rng.randrange(40, 200), top + rng.randrange(40, 200))
        rng.choice((pen.ellipse, pen.rectangle))(box, fill=_colour())
    return image


def _colour() -> tuple[int, ...]:
    return tuple(rng.randrange(256) for _ in range(3))


def encode(image: Image.Image, kind: str = "JPEG", quality: int = 92) -> bytes:
    """The picture as bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return buffer.getvalue()


def again(data: bytes, kind: str, quality: int, scale: float = 1.0) -> bytes:
    """The same picture in other bytes, and perhaps another size."""
    image = decode(data)
    return encode(image.resize((round(SIDE * scale),) * 2), kind, quality)


def decode(data: bytes) -> Image.Image:
    """The picture in some bytes."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def recolour(data: bytes) -> bytes:
    """The same shapes: what was red is green."""
    red, green, blue = decode(data).split()
    return encode(Image.merge("RGB", (green, blue, red)))


def pasted(inputs: list[bytes]) -> bytes:
    """An output that is made of its inputs, and has something of its own."""
    canvas = draw()
    width = SIDE // len(inputs)
    for place, data in enumerate(inputs):
        canvas.paste(decode(data).resize((width, SIDE * 2 // 3)), (place * width, SIDE // 3))
    return encode(canvas)


def shuffled(inputs: list[bytes]) -> list[bytes]:
    """In another order."""
    return [*inputs[1:], inputs[0]]


def own(inputs: int = 2) -> Row:
    """Pictures that nothing else has."""
    pictures = [encode(draw()) for _ in range(inputs)]
    return Row(pictures, pasted(pictures))


COPIES: dict[str, Callable[[Row], Row]] = {
    "inputs in another order": lambda case: replace(own(), inputs=shuffled(case.inputs)),
    "all as JPEG 70": lambda case: Row(
        [again(data, "JPEG", 70) for data in case.inputs], again(case.output, "JPEG", 70)
    ),
    "output as JPEG 85, half": lambda case: replace(
        own(), output=again(case.output, "JPEG", 85, 0.5)
    ),
    "inputs as JPEG 60, resized, in another order": lambda case: replace(
        own(), inputs=[again(data, "JPEG", 60, 0.6) for data in shuffled(case.inputs)]
    ),
    "inputs as WebP 40, twice as large": lambda case: replace(
        own(), inputs=[again(data, "WEBP", 40, 2) for data in case.inputs]
    ),
}
ALIKE: dict[str, Callable[[Row], Row]] = {
    "an input too few": lambda case: replace(own(), inputs=case.inputs[1:]),
    "an input more": lambda case: replace(own(), inputs=case.inputs + own(1).inputs),
    "an input of another's": lambda case: replace(
        own(), inputs=[*case.inputs[:-1], *own(1).inputs]
    ),
    "an output in other colors": lambda case: replace(own(), output=recolour(case.output)),
    "inputs in other colors": lambda case: replace(
        own(), inputs=[recolour(data) for data in case.inputs]
    ),
}


def planted(kinds: dict[str, Callable[[Row], Row]], cases: list[Row]) -> Iterator[Row]:
    """Rows made of the first cases, of each kind as many."""
    names = list(kinds)
    for number, case in enumerate(cases[:PLANTED]):
        kind = names[number % len(names)]
        yield replace(kinds[kind](case), kind=kind)


def clean(rows: int) -> Iterator[Row]:
    """Rows that share inputs with each other, and nothing with a case."""
    pool = [encode(draw()) for _ in range(max(3 * rows // USES, 8))]
    for _ in range(rows):
        inputs = rng.sample(pool, rng.randint(2, 5))
        yield Row(inputs, pasted(inputs))


def write_release(folder: Path, rows: list[Row]) -> None:
    """One file, as the release has them."""
    path = folder / TASK / "rows.parquet"
    path.parent.mkdir(parents=True)
    columns: dict[str, Any] = {
        "idx": range(len(rows)),
        "instruction": ["Put all of them into one picture."] * len(rows),
        "input_images": pa.array(
            [[{"bytes": data} for data in row.inputs] for row in rows], pa.list_(CELL)
        ),
        "output_image": pa.array([{"bytes": row.output} for row in rows], CELL),
    }
    pq.write_table(pa.table(columns), path)


def write_bench(folder: Path, cases: list[Row]) -> None:
    """The cases as MICo-Bench has them."""
    lines = []
    for number, case in enumerate(cases):
        paths = [f"{number}/{place}.jpg" for place in range(len(case.inputs))]
        reference = f"{number}/reference.jpg"
        (folder / str(number)).mkdir(parents=True)
        for path, data in zip((*paths, reference), (*case.inputs, case.output), strict=True):
            (folder / path).write_bytes(data)
        line = {"idx": number, "Task": "HOI", "prompt": "All of them.", "human_indices": []}
        lines.append(json.dumps({**line, "input": paths, "reference": reference}))
    (folder / "mico_bench_hoi.jsonl").write_text("\n".join(lines))


def main() -> None:
    """Make the rows, mark them, and count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--at", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--rows", type=int, default=2000, help="clean rows, besides the planted")
    arguments = parser.parse_args()
    at = arguments.at
    cases = [own(rng.randint(2, 4)) for _ in range(CASES)]
    rows = [*clean(arguments.rows), *planted(COPIES, cases), *planted(ALIKE, cases[PLANTED:])]
    rng.shuffle(rows)
    write_release(at / "release", rows)
    write_bench(at / "bench", cases)
    Build.prepare(open_source(str(at / "release")), at / "built", BuildOptions()).run()
    started = time.perf_counter()
    options = RefineOptions(bench=str(at / "bench"), mark=True)
    Refinement.prepare(at / "built", at / "marked", options).run()
    seconds = time.perf_counter() - started
    index = open_dataset(at / "marked").index(["source_id", "overlap"]).to_pylist()
    marked = Counter(rows[int(row["source_id"])].kind for row in index if row["overlap"])
    there = Counter(row.kind for row in rows)
    print(f"{len(rows)} rows against {CASES} cases in {seconds:.1f} s")
    for kinds, what in ((COPIES, "copies found"), (ALIKE, "rows like a case, wrongly taken")):
        print(f"{sum(marked[kind] for kind in kinds)} of {PLANTED} {what}")
        for kind in kinds:
            print(f"    {marked[kind]} of {there[kind]}: {kind}")
    print(f"{marked['']} of {there['']} clean rows wrongly taken")


if __name__ == "__main__":
    main()
