"""BLIP3o-Next: `BLIP3o-MICo.json` as the table that its `LazySupervisedMixDataset` reads.

`mico patch blip3o` makes the clone call it for `--data_list mico`, which stands for the export at
`$MICO_150K_DATA`, and for the path of such a file.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mico_150k.core.errors import ExportRefused
from mico_150k.core.plural import counted
from mico_150k.trainers import DATA_VARIABLE

if TYPE_CHECKING:
    from datasets import Dataset

NAME = "mico"
FILE = "BLIP3o-MICo.json"
TYPE = "X2I_nano_banana"
"""The type whose prompt takes several images; its base folder is joined, and ours are absolute."""

MOST_INPUTS = 4
"""The clone cuts longer lists without a word, while the text still names the images cut."""

IMAGE_TOKEN = "<image>"  # noqa: S105 - not a password
"""Each one in a text becomes all the images, so that an instruction must have none."""


def is_mico(dataset_path: str) -> bool:
    """Whether an entry of `--data_list` is ours: `mico`, or a file called like the export's."""
    name = os.path.basename(dataset_path.rstrip("/")).lower()  # noqa: PTH119 - it may be a pattern
    return name == NAME or name == FILE.lower()


def load_mico(dataset_path: str, weight: int = 1) -> "Dataset":
    """The export's rows, `weight` times, in the columns of the clone's other branches.

    Raises `ExportRefused`, also for a row that the clone would cut or break silently.
    """
    from datasets import Dataset, concatenate_datasets

    path = _file(dataset_path)
    rows = list(_rows(path))
    columns: dict[str, list[Any]] = {
        "image_path": [row[1] for row in rows],
        "input_images_paths": [row[0] for row in rows],
        "input_images": [[] for _ in rows],
        "txt": [row[2] for row in rows],
        "type": [TYPE for _ in rows],
        "image": [None for _ in rows],
    }
    return concatenate_datasets([Dataset.from_dict(columns)] * weight)


def _file(dataset_path: str) -> Path:
    if os.path.basename(dataset_path.rstrip("/")).lower() != NAME:  # noqa: PTH119
        path = Path(dataset_path)
    elif os.environ.get(DATA_VARIABLE):
        path = Path(os.environ[DATA_VARIABLE], FILE)
    else:
        msg = (
            f"--data_list {dataset_path}: set {DATA_VARIABLE} to the folder of `mico export "
            f"blip3o`, or give the path of its {FILE}."
        )
        raise ExportRefused(msg)
    if not path.is_file():
        msg = f"{path}: no such file; `mico export blip3o` writes it."
        raise ExportRefused(msg)
    return path


def _rows(path: Path) -> Iterator[tuple[list[str], str, str]]:
    """Inputs, output and instruction of each row; a relative path is relative to the file."""
    folder = path.resolve().parent
    for number, row in enumerate(json.loads(path.read_text(encoding="utf-8"))):
        try:
            inputs, output, text = row["input_images"], row["output_image"], row["instruction"]
        except (KeyError, TypeError) as error:
            msg = f"{path}, row {number}: input_images, output_image and instruction are needed."
            raise ExportRefused(msg) from error
        if not 1 <= len(inputs) <= MOST_INPUTS or IMAGE_TOKEN in text:
            msg = (
                f"{path}, row {number}: {counted(len(inputs), 'input')}, where the trainer takes "
                "1 to "
                f"{MOST_INPUTS}, or {IMAGE_TOKEN} in the instruction. `mico export blip3o` skips "
                "such rows."
            )
            raise ExportRefused(msg)
        yield [str(folder / image) for image in inputs], str(folder / output), text
