"""What Lumina-DiMOO's training reads, made of codes: no GPU, and not one picture.

files/00000/00000000.pkl …   one for each picture at each size that it is used at
all_records.json             one record a line, shuffled
data.yaml                    what `--data_config` takes
"""

import json
import pickle
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mico_150k.errors import OutputRefused, UsageError
from mico_150k.files import disk_errors, read_json, write_atomically, write_json
from mico_150k.names import partial
from mico_150k.pretokenize.codes import CodedPicture, CodedRow, CodesFolder
from mico_150k.pretokenize.sizes import CODE, picture_tokens
from mico_150k.pretokenize.text import SYSTEM_PROMPT, TextLength, estimate, instruction

FIRST_TOKEN = 126_356
"""Of code 0."""
PROTOCOL = 4
"""Of pickle: the same bytes in every version of Python."""
FILES_A_FOLDER = 10_000

FILES = "files"
RECORDS = "all_records.json"
CONFIG = "data.yaml"
_MADE_OF = "made-of.json"

MAX_SEQ_LEN = 5120
"""What upstream's `train.sh` says. Its code reads it nowhere: what is longer takes more memory."""
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

    def tokens(self, prompt: str, grids: list[tuple[int, int]]) -> int:
        """A record's length in training, of its text and its pictures' columns and rows."""
        text = self.text_length(instruction(self.system_prompt, prompt))
        return text + sum(picture_tokens(*grid) for grid in grids) + _ANSWER_MARKS

    def refuse(self, over: int) -> None:
        """Raise `UsageError` where so many records are too long, and none may be."""
        if over and self.over_limit == "error":
            msg = (
                f"{over} records are longer than --max-seq-len {self.max_seq_len}.\n"
                "Leave them out with --over-limit drop, or make inputs smaller with --sizes."
            )
            raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class PicklesResult:
    """What was written. `too_long` are records that were not, by their number of inputs."""

    folder: Path
    records: int
    pickles: int
    too_long: dict[int, int]


def write_pickles(
    codes: Path,
    to: Path,
    options: RecordOptions | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PicklesResult:
    """Make training's files of `dimoo-codes`; `on_progress` takes rows done and rows in all.

    `codes` is the folder of the shards or the one above it. Records hold absolute paths. Stopped
    and called again it goes on where it was, and other `options` write other records over the
    same pickles. Raises `NotADataset`, `BrokenFile`, `OutputRefused`, `UsageError`.
    """
    options = options or RecordOptions()
    source = CodesFolder.open(codes)
    to = to.absolute()
    _claim(to, source.digest(), overwrite=overwrite)
    total = source.rows
    pickles = _Pickles(to / FILES)
    records: list[dict[str, Any]] = []
    too_long: Counter[int] = Counter()
    for done, row in enumerate(source.read()):
        paths = [pickles.add(picture) for picture in row.pictures]
        tokens = options.tokens(row.prompt, row.grids)
        if tokens > options.max_seq_len:
            too_long[len(paths) - 1] += 1
        else:
            records.append(_record(row, paths, tokens, options.system_prompt))
        on_progress(done + 1, total)
    pickles.finish()
    options.refuse(too_long.total())
    random.Random(options.seed).shuffle(records)  # noqa: S311 - an order, and no secret
    _write_records(to, records)
    return PicklesResult(to, len(records), pickles.count, dict(sorted(too_long.items())))


def relocate_pickles(folder: Path, old: str) -> None:
    """Put the paths of the records here, if there are any, below `folder` instead of `old`."""
    if not (folder / RECORDS).exists():
        return
    records = json.loads((folder / RECORDS).read_text(encoding="utf-8"))
    for record in records:
        paths = [*record["user_image"], record["answer_image"]]
        *record["user_image"], record["answer_image"] = [
            f"{folder}{path.removeprefix(old)}" if path.startswith(f"{old}/") else path
            for path in paths
        ]
    _write_records(folder, records)


def _write_records(to: Path, records: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    write_atomically(to / RECORDS, f"[\n{lines}\n]\n".encode())
    config = yaml.safe_dump({"META": [{"path": str(to / RECORDS)}]}, width=10_000)
    write_atomically(to / CONFIG, (_CONFIG_HEAD + config).encode())


def _record(row: CodedRow, paths: list[str], tokens: int, system_prompt: str) -> dict[str, Any]:
    return {
        "system_prompt": system_prompt,
        "user_prompt": row.prompt,
        "user_image": paths[:-1],
        "answer_text": "",
        "answer_image": paths[-1],
        "answer_thinking": "",
        "id": row.id,
        "len": tokens,
    }


def _claim(to: Path, digest: str, *, overwrite: bool) -> None:
    """Make the folder these codes'. Raises `OutputRefused` where it is something else's."""
    marker = to / FILES / _MADE_OF
    wanted = {"codes": digest}
    if read_json(marker) == wanted:
        return
    if any((to / name).exists() for name in (FILES, RECORDS, CONFIG)) and not overwrite:
        msg = (
            f"{to}: there are {FILES}, {RECORDS} or {CONFIG} that were not made of these codes.\n"
            "Choose another folder with --to, or write over them with --overwrite."
        )
        raise OutputRefused(msg)
    shutil.rmtree(to / FILES, ignore_errors=True)
    write_json(marker, wanted)


class _Pickles:
    """Numbers pictures by first use, and writes each one's file, a whole folder at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[tuple[str, int], int] = {}
        self._current: Path | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._numbers)

    def add(self, picture: CodedPicture) -> str:
        """The path of a picture's file, which is written by the time of `finish`."""
        key = picture.digest, picture.size
        known = key in self._numbers
        number = self._numbers.setdefault(key, len(self._numbers))
        place = self._folder / f"{number // FILES_A_FOLDER:05d}"
        name = f"{number:08d}.pkl"
        if not known:
            self._write(place, name, picture)
        return str(place / name)

    def finish(self) -> None:
        """Bring the last folder to its end."""
        if self._current:
            partial(self._current).replace(self._current)
            self._current = None

    def _write(self, place: Path, name: str, picture: CodedPicture) -> None:
        if place != self._current:
            if place.exists():  # whole, since it has its name
                return
            self.finish()
            shutil.rmtree(partial(place), ignore_errors=True)
            partial(place).mkdir(parents=True)
            self._current = place
        with disk_errors(place):
            (partial(place) / name).write_bytes(to_pickle(picture))


def to_pickle(picture: CodedPicture) -> bytes:
    """One file of training's. `height` and `width` are exchanged, as upstream writes them.

    Upstream takes PIL's (width, height) for (height, width) here, and exchanges them again when
    it reads: honest names would be cut into rows of the wrong length.
    """
    rows, columns = picture.codes.shape
    return pickle.dumps(
        {
            "input_ids": [FIRST_TOKEN + code for code in picture.codes.ravel().tolist()],
            "length": rows * columns,
            "height": columns * CODE,
            "width": rows * CODE,
        },
        protocol=PROTOCOL,
    )


_ANSWER_MARKS = 2  # <answer> and </answer>, about the output and its two marks
_CONFIG_HEAD = (
    "# For Lumina-DiMOO's train.sh. With --cache_ann_on_disk, remove ./xllmx_data_cache whenever\n"
    "# the records have changed: it goes by this file's path alone.\n"
)
