"""The records that Lumina-DiMOO's training reads, and the config that names them.

all_records.json   one record a line, shuffled, with absolute paths
data.yaml          what `--data_config` takes
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mico_150k.builders.dimoo_tokens import (
    MAX_SEQ_LEN,
    SYSTEM_PROMPT,
    TextLength,
    estimate,
    instruction,
    record_tokens,
)
from mico_150k.core.errors import BrokenFile, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.dataset.codes import CodedRow
from mico_150k.io.files import write_atomically
from mico_150k.io.json_lines import parse_json, to_json_line
from mico_150k.io.regular import open_regular

RECORDS = "all_records.json"
CONFIG = "data.yaml"

OVER_LIMIT = ("drop", "error")


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What records say besides their pictures, and which are kept.

    `over_limit` is one of `OVER_LIMIT`: what becomes of records of more than `max_seq_len`
    tokens. `seed` shuffles: training cuts the end of the file off, always the same one.
    """

    system_prompt: str = SYSTEM_PROMPT
    max_seq_len: int = MAX_SEQ_LEN
    over_limit: str = "drop"
    seed: int = 0
    text_length: TextLength = field(default=estimate)

    def tokens(self, prompt: str, grids: Iterable[tuple[int, int]]) -> int:
        """A record's length in training, of its text and its pictures' columns and rows."""
        text = self.text_length(instruction(self.system_prompt, prompt))
        return record_tokens(text, grids)

    def check(self, too_long: int, records: int) -> None:
        """Raise `UsageError` where records are too long, and none may be; or where all are."""
        if too_long and self.over_limit == "error":
            msg = (
                f"{too_long} records are longer than --max-seq-len {self.max_seq_len}.\n"
                "Leave them out with --over-limit drop, or make inputs smaller with --sizes."
            )
            raise UsageError(msg)
        if too_long == records:
            msg = (
                f"all {records} records are longer than --max-seq-len {self.max_seq_len}.\n"
                "Give a larger one, or make pictures smaller with --sizes and --output-size."
            )
            raise UsageError(msg)

    def record(self, row: CodedRow, paths: list[str], tokens: int) -> dict[str, Any]:
        """A row whose pictures are in these files."""
        return {
            "system_prompt": self.system_prompt,
            "user_prompt": row.prompt,
            "user_image": paths[:-1],
            "answer_text": "",
            "answer_image": paths[-1],
            "answer_thinking": "",
            "id": row.id,
            "len": tokens,
        }


def write_records(folder: Path, records: list[dict[str, Any]], seed: int) -> None:
    """Write both files, with the records in an order that the seed decides."""
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, and no secret
    _write(folder, shuffled)


def relocate_records(folder: Path, pickles: Path) -> None:
    """Rewrite the absolute paths in both files after their folder has moved.

    `pickles` is where the folders of pickles are now. Raises `BrokenFile`.
    """
    path = folder / RECORDS
    try:
        with open_regular(path) as file:
            records = parse_json(file.read())
        for record in records:
            inputs, output = record["user_image"], record["answer_image"]
            record["user_image"] = [_moved(image, pickles) for image in inputs]
            record["answer_image"] = _moved(output, pickles)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: no records such as `mico pretokenize` writes: {excerpt(error)}"
        raise BrokenFile(msg) from error
    _write(folder, records)


def _write(folder: Path, records: list[dict[str, Any]]) -> None:
    lines = ",\n".join(to_json_line(record)[:-1] for record in records)
    write_atomically(folder / RECORDS, f"[\n{lines}\n]\n".encode())
    config = yaml.safe_dump({"META": [{"path": str(folder / RECORDS)}]}, width=10_000)
    write_atomically(folder / CONFIG, (_CONFIG_HEAD + config).encode())


def _moved(path: str, pickles: Path) -> str:
    _, folder, name = path.rsplit("/", 2)
    return f"{pickles}/{folder}/{name}"


_CONFIG_HEAD = (
    "# For Lumina-DiMOO's train.sh. With --cache_ann_on_disk, remove ./xllmx_data_cache whenever\n"
    "# the records have changed: it goes by this file's path alone.\n"
)
