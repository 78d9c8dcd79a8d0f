"""What Lumina-DiMOO's training reads, made of codes: no GPU, and not one picture.

files/00000/00000000.pkl …   one for each picture at each size that it is used at
and the records (`records`)
"""

import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.builders.dimoo_tokens import CODE
from mico_150k.core.errors import OutputRefused
from mico_150k.dataset.codes import CodedPicture, CodesFolder
from mico_150k.export.codes_records import (
    CONFIG,
    RECORDS,
    RecordOptions,
    relocate_records,
    write_records,
)
from mico_150k.io.files import disk_errors, read_json, write_atomically, write_json
from mico_150k.io.hold import hold
from mico_150k.io.machine import check_room
from mico_150k.io.temporary import partial

FIRST_TOKEN = 126_356
"""Of code 0."""
PROTOCOL = 4
"""Of pickle: the same bytes in every version of Python."""
FILES_A_FOLDER = 10_000
CODE_BYTES = 5
"""Of a code in a pickle."""
FILE_BYTES = 4096
"""What a file system rounds a pickle up by, with its entry."""

FILES = "files"
_MADE_OF = "made-of.json"


@dataclass(frozen=True, slots=True)
class PicklesResult:
    """What was written. `too_long` are records that were not, by their number of inputs."""

    folder: Path
    records: int
    pickles: int
    too_long: dict[int, int]


def write_pickles(
    codes: CodesFolder,
    to: Path,
    options: RecordOptions | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PicklesResult:
    """Make training's files of `dimoo-codes`; `on_progress` takes rows done and rows in all.

    Records hold absolute paths. Stopped and called again it goes on where it was, and other
    `options` write other records over the same pickles. Raises `BrokenFile`, `OutputRefused`,
    `UsageError`.
    """
    options = options or RecordOptions()
    to = to.absolute()
    _claim(to, codes, overwrite=overwrite)
    pickles = _Pickles(to / FILES)
    records: list[dict[str, Any]] = []
    too_long: Counter[int] = Counter()
    for done, row in enumerate(codes.read()):
        paths = [pickles.add(picture) for picture in row.pictures]
        tokens = options.tokens(row.prompt, row.grids)
        if tokens > options.max_seq_len:
            too_long[len(paths) - 1] += 1
        else:
            records.append(options.record(row, paths, tokens))
        on_progress(done + 1, codes.rows)
    pickles.finish()
    options.check(too_long.total(), codes.rows)
    write_records(to, records, options.seed)
    return PicklesResult(to, len(records), pickles.count, dict(sorted(too_long.items())))


def relocate_pickles(folder: Path) -> None:
    """Rewrite the absolute paths of training's files, if there are any, in a folder that has moved.

    Raises `BrokenFile`, and `OutputRefused` where another run writes there.
    """
    folder = folder.absolute()
    if (folder / FILES / _MADE_OF).exists() and (folder / RECORDS).exists():
        with hold(folder):
            relocate_records(folder, folder / FILES)


def check_disk(codes: CodesFolder, to: Path) -> None:
    """Raise `DiskTooSmall` where the pickles that are not there yet will not fit."""
    pickles, tokens = codes.size_of_pictures()
    there = sum(1 for _ in (to / FILES).rglob("*.pkl")) if is_begun(to, codes) else 0
    needed = bytes_of_pickles(pickles, tokens) * max(0, pickles - there) // max(1, pickles)
    check_room(to, needed)


def is_begun(to: Path, codes: CodesFolder) -> bool:
    """Whether there are pickles of these codes in a folder, or will be."""
    return read_json(to / FILES / _MADE_OF) == {"codes": codes.digest()}


def bytes_of_pickles(pickles: int, codes: int) -> int:
    """What so many take on a disk, with so many codes in them."""
    return codes * CODE_BYTES + pickles * FILE_BYTES


def _claim(to: Path, codes: CodesFolder, *, overwrite: bool) -> None:
    """Make the folder these codes'. Raises `OutputRefused` where it is something else's."""
    if is_begun(to, codes):
        return
    folder = to / FILES
    # An empty folder is left of a run that was killed before it could write whose it is.
    is_others = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    is_others |= any((to / name).exists() for name in (RECORDS, CONFIG))
    if is_others and not overwrite:
        msg = (
            f"{to}: there are {FILES}, {RECORDS} or {CONFIG} that were not made of these codes.\n"
            "Choose another folder with --to, or write over them with --overwrite."
        )
        raise OutputRefused(msg)
    shutil.rmtree(to / FILES, ignore_errors=True)
    write_json(to / FILES / _MADE_OF, {"codes": codes.digest()})


class _Pickles:
    """Numbers pictures by first use, and writes each one's file, a whole folder at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[tuple[str, int], int] = {}
        self._current: Path | None = None
        self._is_finished = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._numbers)

    def add(self, picture: CodedPicture) -> str:
        """The path of a picture's file, which is written by the time of `finish`."""
        key = picture.digest, picture.size
        is_new = key not in self._numbers
        number = self._numbers.setdefault(key, len(self._numbers))
        place = self._folder / f"{number // FILES_A_FOLDER:05d}"
        name = f"{number:08d}.pkl"
        if is_new:
            self._write(place, name, to_pickle(picture))
        return str(place / name)

    def finish(self) -> None:
        """Bring the last folder to its end."""
        if self._current and not self._is_finished:
            # One call for all of its files: to wait for each would take most of the time.
            os.sync()
            partial(self._current).replace(self._current)
        self._current = None

    def _write(self, place: Path, name: str, data: bytes) -> None:
        """Write a file, unless it is there, whole, in a folder that was finished before."""
        with disk_errors(place):
            if place != self._current:
                self._begin(place)
            if not self._is_finished:
                (partial(place) / name).write_bytes(data)
            elif not _holds(place / name, data):
                write_atomically(place / name, data)

    def _begin(self, place: Path) -> None:
        self.finish()
        self._current = place
        self._is_finished = place.exists()
        if not self._is_finished:
            shutil.rmtree(partial(place), ignore_errors=True)
            partial(place).mkdir(parents=True)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False


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
