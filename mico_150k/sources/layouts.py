"""Recognizes what a folder holds from the names in it: a source, or another known layout."""

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from mico_150k.core.errors import UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.recognize import recognize_name
from mico_150k.io.storage import Storage, is_hidden
from mico_150k.sources.source import MANIFEST_ENDINGS, TABLE_ENDING

OF_EXPORTS = {"export.json", "parquet_info.json", "all_records.json", "made-of.json"}
"""Files that `mico export` writes besides manifests."""

_SAVED = {"state.json", "dataset_info.json", "dataset_dict.json"}
"""Files that `Dataset.save_to_disk` writes beside its Arrow files."""
_SNAPSHOT = re.compile(r"(?P<repository>(?:.*/)?datasets--[^/]+)/snapshots/(?P<revision>[^/]+)/")
_MOST_KINDS = 3


def is_manifest(name: str) -> bool:
    """Return whether a file may be a manifest of image paths, by its name."""
    return name.lower().endswith(MANIFEST_ENDINGS) and posixpath.basename(name) not in OF_EXPORTS


def is_table(name: str) -> bool:
    """Return whether a file is Parquet, by its name."""
    return name.lower().endswith(TABLE_ENDING)


def is_source_file(name: str) -> bool:
    """Return whether a file with this name may be part of a source."""
    return is_table(name) or is_manifest(name)


def saved_to_disk(files: Iterable[str]) -> str:
    """Return the path of the first folder that `save_to_disk` wrote; "" if there is none."""
    arrows = {posixpath.dirname(name) for name in files if name.lower().endswith(".arrow")}
    for name in files:
        folder, base = posixpath.split(name)
        if base in _SAVED and folder in arrows:
            return folder or "what is in it"
    return ""


def what_is_there(files: Sequence[str]) -> str:
    """Return the end of a message about a folder without a source: the files found instead."""
    if not files:
        return ", nor any other that is neither hidden nor excluded"
    kinds = Counter(filter(None, map(recognize_name, files)))
    if not kinds:
        return f"; there are others, such as {excerpt(files[0])}"
    told = [
        f"there is {kind.one} ({kind.advice})"
        if count == 1
        else f"there are {count} {kind.several} ({kind.advice})"
        for kind, count in kinds.most_common(_MOST_KINDS)
    ]
    return f"; {', and '.join(told)}"


def refuse_two_snapshots(storage: Storage, files: Iterable[str]) -> None:
    """Raise `UsageError` if a Hub cache folder has several snapshots of one repository."""
    seen: dict[str, str] = {}
    for name in files:
        if not (found := _SNAPSHOT.match(storage.path(name))):
            continue
        revision = seen.setdefault(found["repository"], found["revision"])
        if revision != found["revision"]:
            folder = f"{found['repository']}/snapshots"
            msg = (
                f"{excerpt(storage.location)} has several snapshots of one repository, and each "
                "row would appear more than once. Name one of them:\n"
                + "\n".join(excerpt(f"{folder}/{one}") for one in (revision, found["revision"]))
            )
            raise UsageError(msg)


def looks_like_source(path: Path) -> bool:
    """Return whether a local file or folder may be a source, by the names in it."""
    if not path.is_dir():
        return path.is_file() and is_source_file(path.name)
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not is_hidden(name)]
        if OF_EXPORTS.intersection(files) and Path(folder) == path:
            return False
        if any(is_source_file(name) and not is_hidden(name) for name in files):
            return True
    return False
