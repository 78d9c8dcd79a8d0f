"""Files that are whole or not there: written under another name, then renamed."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mico_150k.errors import DiskTooSmall
from mico_150k.names import partial

_HASH_BYTES = 1 << 20


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(path):
        with partial(path).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial(path).replace(path)


def write_json(path: Path, plain: Any) -> None:  # noqa: ANN401 - any JSON value
    """The same, for JSON that a person may read; the same value gives the same bytes."""
    text = json.dumps(plain, indent=2, ensure_ascii=False, sort_keys=True)
    write_atomically(path, (text + "\n").encode())


def settle(path: Path) -> None:
    """Rename `partial(path)`, which is written and closed, to `path`; it is on the disk then."""
    with disk_errors(path):
        with partial(path).open("rb") as file:
            os.fsync(file.fileno())
        partial(path).replace(path)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    digest = hashlib.sha256()
    buffer = bytearray(_HASH_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            msg = (
                f"{path}: the disk is full. Finished shards are kept: "
                "make room and run the same command again, and it goes on from there."
            )
            raise DiskTooSmall(msg) from error
        raise
