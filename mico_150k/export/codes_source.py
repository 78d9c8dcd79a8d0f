"""Where codes are read of: a folder of them, or a dataset that has them, here or on the Hub."""

from functools import partial
from pathlib import Path
from typing import Any

from mico_150k.core.errors import BrokenFile
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodesFolder
from mico_150k.dataset.reader import Dataset, open_dataset
from mico_150k.io.files import sha256, written_whole
from mico_150k.io.machine import check_room


def find_codes(location: str, to: Path) -> CodesFolder:
    """The codes at a path, or those of a dataset elsewhere, brought to `to / "dimoo-codes"`.

    Fetched again they are compared by SHA-256. Raises `NotADataset`, `UnknownConfig`, `BrokenFile`,
    `DiskTooSmall`.
    """
    if Path(location).exists():
        return CodesFolder.open(Path(location))
    dataset = open_dataset(location)
    folder = to / layout.CODES
    records = dataset.manifest["configs"]
    missing = []
    for name in dataset.files(layout.CODES):
        record = records[layout.CODES][Path(name).name]
        if not _is(to / name, record):
            missing.append((name, record))
    check_room(to, sum(record["bytes"] for _, record in missing))
    for name, record in missing:
        _fetch(dataset, name, record, to / name)
    for path in folder.glob(f"{layout.SPLIT}-*.parquet*"):
        if path.name not in records[layout.CODES]:
            path.unlink()
    return CodesFolder.open(folder)


def _is(path: Path, record: dict[str, Any]) -> bool:
    if not path.is_file() or path.stat().st_size != record["bytes"]:
        return False
    return sha256(path) == str(record["sha256"])


def _fetch(dataset: Dataset, name: str, record: dict[str, Any], path: Path) -> None:
    storage = dataset.storage
    with written_whole(path) as temporary:
        try:
            storage.again(partial(storage.fs.get_file, storage.path(name), str(temporary)))
        except Exception as error:  # every file system has its own way to say no
            msg = f"{dataset.location}: {name} cannot be fetched: {error}"
            raise BrokenFile(msg) from error
        if not _is(temporary, record):
            msg = f"{dataset.location}: {name} is not the file that its {layout.MANIFEST} tells of."
            raise BrokenFile(msg)
