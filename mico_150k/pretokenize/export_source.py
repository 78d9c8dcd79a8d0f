"""Records and pictures of what `mico export dimoo` writes: a JSON of paths, and files.

Of a picture no more is read than its header.
"""

import mmap
import os
import stat
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from mico_150k.builders.dimoo import DimooTrainer
from mico_150k.core.errors import BrokenFile, EmptySource, UnusableImage
from mico_150k.core.excerpt import excerpt
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import is_text
from mico_150k.images.header import Verify
from mico_150k.images.probe import probe
from mico_150k.io.json_lines import parse_json, read_json_lines
from mico_150k.io.prefetch import map_ordered
from mico_150k.io.regular import open_regular
from mico_150k.pretokenize.material import EncodeInputs, Fault, FilePlace, Picture, Record

_PROBES = 16  # threads that read headers: they wait for the disk


def open_export(manifest: Path) -> EncodeInputs:
    """All of it; `manifest` is the file of records. Raises `BrokenFile`, `EmptySource`."""
    entries = _entries(manifest)
    if not entries:
        msg = f"{manifest}: no records in it."
        raise EmptySource(msg)
    numbers: dict[str, int] = {}
    records: list[Record] = []
    unusable: dict[int, Fault] = {}
    for row, (entry, id_) in enumerate(zip(entries, _ids(manifest, len(entries)), strict=True)):
        paths, prompt = _checked(entry, f"{manifest}, record {row}")
        if len(paths) == 1:
            unusable[row] = Fault(Reason.NO_INPUTS)
        elif not prompt.strip():
            unusable[row] = Fault(Reason.NO_INSTRUCTION)
        elif not is_text(prompt):
            unusable[row] = Fault(Reason.BAD_TEXT)
        whole = [str(manifest.parent / path) for path in paths]
        pictures = tuple(numbers.setdefault(path, len(numbers)) for path in whole)
        records.append(Record(id_, prompt, pictures))
    pictures_, faults = [], {}
    with closing(map_ordered((partial(_probe, path) for path in numbers), _PROBES)) as probed:
        for number, found in enumerate(probed):
            if isinstance(found, Fault):
                faults[number] = found
                found = Picture(FilePlace(""), 1, 1, "")  # noqa: PLW2901 - keeps its number
            pictures_.append(found)
    return EncodeInputs(str(manifest), tuple(records), tuple(pictures_), faults, unusable)


def _entries(manifest: Path) -> list[dict[str, Any]]:
    try:
        if manifest.suffix == ".jsonl":
            entries = [entry for _, entry in read_json_lines(manifest)]
        else:
            with open_regular(manifest) as file:
                entries = parse_json(file.read())
    except (OSError, ValueError) as error:
        msg = f"{manifest}: not JSON: {excerpt(error)}"
        raise BrokenFile(msg) from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"{manifest}: not a list of records such as `mico export dimoo` writes."
        raise BrokenFile(msg)
    return entries


def _checked(entry: dict[str, Any], where: str) -> tuple[list[str], str]:
    """Paths of the inputs, then of the output; and the prompt."""
    inputs, output, prompt = (entry.get(key) for key in ("image_path", "edit_path", "prompt"))
    listed = [inputs] if isinstance(inputs, str) else inputs or []
    if (
        not isinstance(listed, list)
        or not all(isinstance(path, str) for path in (*listed, output))
        or not isinstance(prompt, str)
    ):
        msg = f"{where}: image_path must be a list of paths, edit_path and prompt texts."
        raise BrokenFile(msg)
    return [*listed, output], prompt


def _ids(manifest: Path, records: int) -> list[str]:
    """The samples' ids, which an export has in a file of their own; else the records' numbers."""
    file = manifest.with_name(DimooTrainer.ids)
    if manifest.name != DimooTrainer.records or not file.exists():
        return [str(row) for row in range(records)]
    try:
        with open_regular(file) as opened:
            ids = parse_json(opened.read())
    except (OSError, ValueError) as error:
        msg = f"{file}: not JSON: {excerpt(error)}"
        raise BrokenFile(msg) from error
    if not isinstance(ids, list) or not all(isinstance(id_, str) and is_text(id_) for id_ in ids):
        msg = f"{file}: not a list of ids."
        raise BrokenFile(msg)
    if len(ids) != records:
        msg = (
            f"{file}: {len(ids)} ids, where {manifest.name} has {records} records: export again, "
            "or remove it, and records have their numbers as ids."
        )
        raise BrokenFile(msg)
    if repeated := [id_ for id_, count in Counter(ids).most_common(1) if count > 1]:
        msg = f"{file}: {repeated[0]} is in it more than once."
        raise BrokenFile(msg)
    return ids


def _probe(path: str) -> Picture | Fault:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # or a pipe would be waited for
        try:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode):
                return Fault(Reason.FILE_MISSING, f"{path}: no regular file")
            # Mapped, so that of a megabyte no more than the header's pages are read.
            data = memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
        finally:
            os.close(handle)
    except FileNotFoundError:
        return Fault(Reason.FILE_MISSING, path)
    except (OSError, ValueError) as error:  # an empty file, a path with a NUL
        reason = Reason.EMPTY if "empty file" in str(error) else Reason.FILE_MISSING
        return Fault(reason, f"{path}: {error}")
    try:
        header = probe(data, Verify.HEADER)
    except UnusableImage as error:
        return Fault(error.reason, f"{path}: {error.detail}")
    stamp = f"{state.st_size} {state.st_mtime_ns}"
    return Picture(FilePlace(path), header.width, header.height, stamp)
