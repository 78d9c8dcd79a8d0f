"""Lists the files of a source in a folder.

Links to folders are followed, and no folder is read twice. Hidden and excluded files are skipped,
and so are dataset folders: a build may have written into its source.
"""

import logging
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from mico_150k.core.errors import SourceError, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out, matches
from mico_150k.dataset import layout
from mico_150k.dataset.formats import is_manifest
from mico_150k.io.json_lines import parse_json
from mico_150k.io.regular import read_small
from mico_150k.io.storage import Storage, is_hidden, leads_out
from mico_150k.sources.source import ReadOptions

logger = logging.getLogger(__name__)

_MARKS = (layout.MANIFEST, f"{layout.WORK}/{layout.BUILD}")
"""Names that identify a dataset folder, of a finished or an unfinished build."""


def list_files(storage: Storage, reading: ReadOptions) -> list[str]:
    """Return the files of a source, sorted.

    Raises `UsageError` for a pattern that excludes nothing, `PathOutsideSource` for a link that
    leaves the source, and `SourceError` for a folder that cannot be read.
    """
    found = sorted(_Walk(storage, reading).files() if storage.is_local else storage.all_files())
    for pattern in reading.exclude:
        if not any(_excludes(pattern, name) for name in found):
            msg = f"--exclude {pattern!r} matches no file of {storage.location}."
            raise UsageError(msg)
    ours = [name for name in found if not is_hidden(name) and not _is_excluded(name, reading)]
    marked = {name.removesuffix(f"/{mark}") for name in found for mark in _MARKS}
    datasets = tuple(f"{folder}/" for folder in marked - set(found) if is_dataset(storage, folder))
    for folder in datasets:
        if any(name.startswith(folder) for name in ours):
            logger.warning("%s is a dataset folder of `mico build`: skipped", folder)
    return [name for name in ours if not name.startswith(datasets)]


def is_dataset(storage: Storage, folder: str = "") -> bool:
    """Return whether `mico build` began or finished a dataset in this folder of a source."""
    manifest, begun = (storage.path(posixpath.join(folder, mark)) for mark in _MARKS)
    try:
        if storage.fs.exists(begun):
            return True
        data = read_small(manifest) if storage.is_local else storage.fs.cat_file(manifest)
        found = parse_json(data)
    except Exception:  # noqa: BLE001 - every file system has its own error for a missing file
        return False
    return is_manifest(found)


def _excludes(pattern: str, name: str) -> bool:
    """Return whether a pattern matches a file, or a folder that contains it."""
    return name.startswith(f"{pattern.rstrip('/')}/") or matches(name, pattern)


def _is_excluded(name: str, reading: ReadOptions) -> bool:
    return any(_excludes(pattern, name) for pattern in reading.exclude)


class _Walk:
    """Walks through a local folder and the targets of its links."""

    def __init__(self, storage: Storage, reading: ReadOptions) -> None:
        """Start with nothing visited."""
        self._storage = storage
        self._reading = reading
        self._seen: set[str] = set()
        self._links: list[str] = []

    def files(self) -> Iterator[str]:
        """Yield all files, including hidden ones, and with a slash the folders that are skipped."""
        yield from self._below("")
        while self._links:  # last: most link targets also have a path of their own
            yield from self._follow(self._links.pop(0))

    def _below(self, start: str) -> Iterator[str]:
        for path, folders, files in os.walk(self._storage.path(start), onerror=self._refuse):
            real = os.path.realpath(path)
            if real in self._seen:
                folders.clear()
                continue
            self._seen.add(real)
            yield from (self._name(path, file) for file in files)
            passed_by = [name for name in folders if self._passes_by(self._name(path, name))]
            yield from (f"{self._name(path, name)}/" for name in passed_by)
            folders[:] = [name for name in folders if name not in passed_by]
            links = [name for name in folders if Path(path, name).is_symlink()]
            self._links += sorted(self._name(path, name) for name in links)

    def _passes_by(self, folder: str) -> bool:
        if is_hidden(folder):
            return posixpath.basename(folder) != layout.WORK
        return _is_excluded(f"{folder}/whatever is in it", self._reading)

    def _follow(self, link: str) -> Iterator[str]:
        if self._storage.holds(link):
            yield from self._below(link)
        elif is_dataset(self._storage, link):
            yield f"{link}/{layout.MANIFEST}"
        else:
            raise leads_out(self._storage, link)

    def _name(self, path: str, below: str = "") -> str:
        return posixpath.relpath(posixpath.join(path, below), self._storage.root)

    def _refuse(self, error: OSError) -> None:
        folder = self._name(str(error.filename))
        msg = f"{excerpt(folder)}: cannot be read: {error.strerror}. {leave_out(folder)}"
        raise SourceError(msg) from error
