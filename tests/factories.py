"""Makes the files that tests read: real pictures, small releases in every layout, manifests."""

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from mico_150k.core.configuration import Builder
from mico_150k.core.sample import Image as SampleImage
from mico_150k.core.sample import Sample
from mico_150k.core.task import Task
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader
from mico_150k.sources.demo import DemoSource

CELLS = {
    "struct": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "path": pa.string(),
}
FOLDERS = {
    "object_centric": "Object_Centric",
    "human_centric": "Human-centric",
    "hoi": "HumanObjectInteraction",
    "de_re": "Decompose&Recompose",
}


@dataclass(frozen=True)
class Case:
    """One sample as a test knows it."""

    task: str
    id: int
    instruction: str
    inputs: tuple[bytes, ...]
    output: bytes


def picture(seed: int = 0, size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    """A picture with edges, colours and a gradient, another one for each seed."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    width, height = size
    for x in range(width):
        shade = 255 * x // width
        draw.line((x, 0, x, height), fill=(shade, (seed * 37) % 256, 255 - shade))
    draw.ellipse((width // 8, height // 8, width // 2, height // 2), fill=(250, 200, seed % 256))
    draw.rectangle((width // 2, height // 2, width - 3, height - 2), fill=(10, 120, 60))
    return image.convert(mode)


def garment(colour: str, logo: str = "") -> Image.Image:
    """A shirt of one colour on a pale ground."""
    image = Image.new("RGB", (384, 512), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    outline = [(110, 90), (274, 90), (350, 170), (305, 215), (272, 185), (276, 440), (108, 440),
               (112, 185), (79, 215), (34, 170)]  # fmt: skip
    draw.polygon(outline, fill=colour)
    draw.ellipse((160, 50, 224, 100), fill=(245, 245, 245))
    if logo:
        draw.rectangle((160, 200, 224, 250), fill=logo)
    return image


def encode(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """The picture in a format."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def signed_view(data: bytes) -> memoryview:
    """A view as Arrow gives it, of signed bytes: what C code takes for bytes it may refuse."""
    return memoryview(pa.py_buffer(data))


def unique_png(data: bytes, text: str) -> bytes:
    """A PNG with the same pixels and other bytes: one text chunk before the end."""
    body = b"tEXtComment\0" + text.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:-12] + chunk + data[-12:]


def cases(per_task: int = 4) -> list[Case]:
    """Samples of all tasks; the demo's pictures, so that formats and numbers of inputs vary."""
    made: dict[str, list[Case]] = {task: [] for task in FOLDERS}
    rows = list(DemoSource().files[0].read())
    number = 0
    while any(len(of_task) < per_task for of_task in made.values()):
        row = rows[number % len(rows)]
        of_task = made[row.task.value]
        if len(of_task) < per_task:
            output = unique_png(bytes(row.output), f"{row.task}/{len(of_task)}")
            case = Case(
                row.task.value,
                len(of_task),
                f"{row.instruction} ({len(of_task)})",
                tuple(map(bytes, row.inputs)),
                output,
            )
            of_task.append(case)
        number += 1
    return [case for of_task in made.values() for case in of_task]


def write_release(
    folder: Path,
    samples: Sequence[Case],
    *,
    cells: str = "struct",
    inputs: str = "list",
    rows_per_file: int = 1000,
    **writer: Any,
) -> Path:
    """A release of these samples, with pyarrow's defaults unless `writer` says otherwise."""
    for task, name in FOLDERS.items():
        rows = [sample for sample in samples if sample.task == task]
        for number, start in enumerate(range(0, len(rows), rows_per_file)):
            path = folder / name / f"part-{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            table = release_table(rows[start : start + rows_per_file], path.parent, cells, inputs)
            pq.write_table(table, path, **writer)
    return folder


def release_table(
    rows: Sequence[Case], folder: Path, cells: str = "struct", inputs: str = "list"
) -> pa.Table:
    """The rows as one table; with path cells the images are written beside it."""
    kind = CELLS[cells]
    id_name = "ed_idx" if rows[0].task == "de_re" else "idx"
    columns: dict[str, Any] = {
        id_name: pa.array([row.id for row in rows], pa.int64()),
        "instruction": [row.instruction for row in rows],
        "output_image": pa.array([_cell(row.output, cells, folder) for row in rows], kind),
    }
    lists = [[_cell(image, cells, folder) for image in row.inputs] for row in rows]
    if inputs == "list":
        columns["input_images"] = pa.array(lists, pa.list_(kind))
    else:
        for place in range(max(map(len, lists))):
            values = [images[place] if place < len(images) else None for images in lists]
            columns[f"input_image_{place + 1}"] = pa.array(values, kind)
    return pa.table(columns)


def _cell(data: bytes, cells: str, folder: Path) -> Any:
    if cells == "struct":
        return {"bytes": data, "path": "picture"}
    return write_image(folder, data) if cells == "path" else data


def write_image(folder: Path, data: bytes) -> str:
    """The image in a file below the folder; its path relative to that."""
    path = folder / "images" / f"{zlib.crc32(data):08x}.img"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return f"images/{path.name}"


def manifest_rows(folder: Path, samples: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """Rows with BLIP3o's and OmniGen2's keys, their images written below the folder."""
    for sample in samples:
        yield {
            "input_images": [write_image(folder, image) for image in sample.inputs],
            "output_image": write_image(folder, sample.output),
            "instruction": sample.instruction,
        }


def write_json(path: Path, rows: Any) -> Path:
    """A JSON file, or JSONL by the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text(json.dumps(list(rows)))
    return path


BENCH_FILES = {
    "object_centric": ("Object-Centric", "Object + Scene"),
    "human_centric": ("Human-Centric", "1 male character and 2 female characters"),
    "hoi": ("HOI", "Human + 2 Clothes + 1 Object"),
    "de_re": ("DeRe", None),
}


def write_bench(folder: Path, samples: Sequence[Case]) -> Path:
    """These samples as MICo-Bench has its cases: a JSONL a task, each with its own spelling."""
    for task, (name, editing_type) in BENCH_FILES.items():
        stem = f"mico_bench_{task.replace('de_re', 'dere')}"
        rows = []
        for case in (case for case in samples if case.task == task):
            paths = [f"{stem}/{case.id}/{place}.png" for place in range(len(case.inputs))]
            reference = f"{stem}/{case.id}/reference.{'png' if task == 'de_re' else 'jpg'}"
            images = (*case.inputs, case.output)
            for path, data in zip((*paths, reference), images, strict=True):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
            row: dict[str, Any] = {
                "ed_idx" if task == "de_re" else "idx": case.id,
                "input": paths,
                "Task": name,
                "prompt": case.instruction,
                "reference": reference,
                "human_indices": [0] if task != "object_centric" else [],
            }
            if task == "de_re":
                row["refined_prompt"] = f"{case.instruction}, refined"
            else:
                row |= {"original_idx": 4000 + case.id, "editing_type": editing_type}
            rows.append(row)
        write_json(folder / f"{stem}.jsonl", rows)
    return folder


def sample_of(
    builder: Builder, row: Mapping[str, Any], *, task: Task = Task.UNKNOWN, source_id: str = ""
) -> Sample:
    """The sample that a row holds; `task` and `source_id` serve where it has no column for them."""
    held = {
        column.attribute: row[name] for name, column in builder.columns.items() if column.attribute
    }
    if "images" in held:
        held["inputs"], held["output"] = held["images"][:-1], held["images"][-1]
    cells = [*held["inputs"], held["output"]]
    actions = held.get("actions") or [""] * len(cells)
    images = [_image(cell, action) for cell, action in zip(cells, actions, strict=True)]
    return Sample(
        source_id=held.get("source_id", source_id),
        task=Task(held.get("task", task)),
        subtask=held.get("subtask", ""),
        instruction=held["instruction"],
        inputs=tuple(images[:-1]),
        output=images[-1],
    )


def _image(cell: Any, action: str) -> SampleImage:
    image = ImageReader(Verify.HEADER).read(cell["bytes"] if isinstance(cell, Mapping) else cell)
    return replace(image, actions=tuple(action.split("+")) if action else ())
