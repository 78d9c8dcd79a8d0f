"""What is mutated: a small release in several layouts, manifests of it, and a dataset built of it.

Every row of it is good: what a build leaves out of the rows that were not mutated is a fault.
"""

import json
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzzing.pictures import Picture, pictures
from mico_150k.cli import main as mico

ROWS = 12
TASKS = ("object_centric", "hoi")
LAYOUTS = ("structs", "numbered", "bagel", "paged", "beside")
STYLES = ("blip3o", "dimoo", "omnigen2")
TRAINERS = (
    "ai-toolkit", "bagel", "blip3o", "diffsynth", "diffsynth-flux2", "dimoo", "musubi",
    "musubi-flux2", "omnigen2", "simpletuner",
)  # fmt: skip
FORMATS = {"dimoo": ("--format", "images")}
"""What an export says besides: there is no VQ to make codes with."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the base data. `images` are its inputs in order, then its output."""

    number: int
    task: str
    instruction: str
    images: tuple[Picture, ...]


def rows() -> list[Row]:
    """The rows, first those of one task and then those of the other."""
    drawn = list(pictures())
    made = []
    for number in range(ROWS * len(TASKS)):
        inputs = 1 + number % 4
        chosen = tuple(drawn[(number * 3 + place * 5) % len(drawn)] for place in range(inputs + 1))
        words = f"Put “image 1” — nº {number} — into image {inputs}.\u2028Second line, 画像."
        made.append(Row(1000 + number, TASKS[number // ROWS], words, chosen))
    return made


def table_of(layout: str, some: list[Row]) -> pa.Table:
    """The rows in one of the layouts that are read."""
    if layout == "numbered":
        most = max(len(row.images) for row in some) - 1
        plain = [
            {
                "ed_idx": row.number,
                "prompt": row.instruction,
                **{
                    f"input_image_{place + 1}": row.images[place].data
                    if place < len(row.images) - 1
                    else None
                    for place in range(most)
                },
                "output_image": row.images[-1].data,
            }
            for row in some
        ]
    elif layout == "bagel":
        plain = [
            {
                "image_list": [image.data for image in row.images],
                "instruction_list": [[row.instruction, "another wording"]],
                "idx": str(row.number),
            }
            for row in some
        ]
    else:
        cell = _beside if layout == "beside" else _embedded
        plain = [
            {
                "idx": row.number,
                "instruction": row.instruction,
                "input_images": [cell(image) for image in row.images[:-1]],
                "output_image": cell(row.images[-1]),
                "subtask": None if row.number % 3 else "two things",
            }
            for row in some
        ]
    return pa.Table.from_pylist(plain)


def _embedded(image: Picture) -> dict[str, Any]:
    return {"bytes": image.data, "path": f"{image.name}.img"}


def _beside(image: Picture) -> dict[str, Any]:
    """Some images lie beside the file, as the paths say."""
    return {"bytes": None if image.plain else image.data, "path": f"images/{image.name}.img"}


WRITING: dict[str, dict[str, Any]] = {
    "structs": {},
    "numbered": {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 5},
    "bagel": {"compression": "gzip", "use_dictionary": False},
    "paged": {
        "compression": "none",
        "data_page_size": 1024,
        "write_batch_size": 1,
        "write_page_checksum": True,
        "write_page_index": True,
        "row_group_size": 4,
    },
    "beside": {"compression": "snappy", "row_group_size": 7, "version": "1.0"},
}


def write_release(folder: Path, layout: str, made: list[Row]) -> None:
    """A release in this layout: a folder for each task, with one file."""
    for task in TASKS:
        some = [row for row in made if row.task == task]
        path = folder / task / "part-0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table_of(layout, some), path, **WRITING[layout])
        if layout == "beside":
            write_images(path.parent / "images", some)


def write_images(folder: Path, some: list[Row]) -> None:
    """The rows' images as files."""
    folder.mkdir(exist_ok=True)
    for row in some:
        for image in row.images:
            (folder / f"{image.name}.img").write_bytes(image.data)


def entries(style: str, some: list[Row]) -> list[dict[str, Any]]:
    """The rows of a manifest as BLIP3o-Next, Lumina-DiMOO or OmniGen2 read it."""
    keys = {
        "blip3o": ("input_images", "output_image", "instruction"),
        "dimoo": ("image_path", "edit_path", "prompt"),
        "omnigen2": ("input_images", "output_image", "instruction"),
    }[style]
    return [
        {
            "id": row.number,
            **({"task_type": "edit"} if style == "omnigen2" else {}),
            keys[0]: [f"images/{image.name}.img" for image in row.images[:-1]],
            keys[1]: f"images/{row.images[-1].name}.img",
            keys[2]: row.instruction,
        }
        for row in some
    ]


def write_manifest(folder: Path, style: str, made: list[Row]) -> None:
    """A manifest for each task, in a folder that names it, and the images beside it."""
    for task in TASKS:
        some = [row for row in made if row.task == task]
        (folder / task).mkdir(parents=True)
        write_images(folder / task / "images", some)
        plain = entries(style, some)
        if style == "omnigen2":
            lines = (json.dumps(entry, ensure_ascii=False) for entry in plain)
            (folder / task / "rows.jsonl").write_text("\n".join(lines) + "\n")
        else:
            (folder / task / "rows.json").write_text(json.dumps(plain, indent=1))


def run_mico(*arguments: object) -> None:
    """`mico` with these arguments, in this process; ends it as the command does."""
    sys.argv = ["mico", *map(str, arguments)]
    mico()


def succeed(*arguments: object) -> None:
    """The same, and go on. Raises `RuntimeError` where the command fails."""
    try:
        run_mico(*arguments)
    except SystemExit as end:
        if end.code:
            msg = f"mico {' '.join(map(str, arguments))}: exit status {end.code}"
            raise RuntimeError(msg) from end


def make(folder: Path) -> None:
    """Write all of it below a folder."""
    made = rows()
    (folder / "rows.pickle").write_bytes(pickle.dumps(made))
    for layout in LAYOUTS:
        write_release(folder / layout, layout, made)
    for style in STYLES:
        write_manifest(folder / style, style, made)
    broken = pa.Table.from_pylist(
        [
            *table_of("structs", made[:ROWS]).to_pylist(),
            {"idx": 1, "instruction": "no images", "input_images": [], "output_image": None},
            {
                "idx": 2,
                "instruction": "a lost one",
                "input_images": [{"bytes": None, "path": "lost-one.png"}],
                "output_image": {"bytes": b"", "path": ""},
            },
        ]
    )
    release = folder / "release" / "object_centric" / "part-0.parquet"
    release.parent.mkdir(parents=True)
    pq.write_table(broken, release)
    os.chdir(folder)
    build = ("--shard-mb", 1, "--tolerance", 1, "--workers", 1)
    succeed("build", folder / "release", "--out", "dataset", *build, "--json")
    (folder / "dataset" / "assets").mkdir()
    (folder / "dataset" / "assets" / "plot.png").write_bytes(made[0].images[0].data)
    succeed("card", "dataset")
    split = ("--validation", 2, "--max-loss", 1, "--json")
    succeed("refine", "dataset", "--out", "split", *split)
    for trainer in TRAINERS:
        to = ("--out", f"exports/{trainer}", *FORMATS.get(trainer, ()))
        succeed("export", trainer, "dataset", *to, "--json")


def read_rows(folder: Path) -> list[Row]:
    """The rows that `make` has made."""
    found: list[Row] = pickle.loads((folder / "rows.pickle").read_bytes())  # noqa: S301 - our own
    return found
