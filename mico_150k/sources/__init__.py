"""Sources of samples; `open_source` detects the kind of a source and opens it."""

import shlex
from pathlib import Path

from mico_150k.core.errors import BrokenFile, EmptySource, SourceError, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out
from mico_150k.core.plural import counted
from mico_150k.core.recognize import TO_PARQUET, recognize_name
from mico_150k.core.sample import is_text
from mico_150k.io.storage import Storage
from mico_150k.sources.demo import DEMO, DemoSource
from mico_150k.sources.layouts import (
    is_manifest,
    is_source_file,
    is_table,
    refuse_two_snapshots,
    saved_to_disk,
    what_is_there,
)
from mico_150k.sources.listing import is_dataset, list_files
from mico_150k.sources.manifest import open_manifest
from mico_150k.sources.parquet import FOOTER_THREADS, open_parquet
from mico_150k.sources.source import FileSource, ReadOptions, Source, SourceFile

__all__ = ["DEMO", "ReadOptions", "Source", "SourceFile", "is_demo", "open_source"]


def open_source(
    location: str = DEMO,
    reading: ReadOptions | None = None,
    problems: list[SourceError] | None = None,
) -> Source:
    """Open a source of samples.

    A folder with Parquet files is read as Parquet, and its JSON is ignored; any other folder is
    read by its manifests.

    Args:
        location: A folder or a file: a path, `USER/NAME` on the Hub (with `@revision`), or a URL.
            `demo` is the built-in source, unless a folder has that name.
        reading: How to read it.
        problems: Collects the errors of single files, which are then excluded. This is for
            inspection, never for builds.

    Raises:
        SourceError: It cannot be read.
        UsageError: It is a dataset folder, or an option does not fit it.
    """
    reading = reading or ReadOptions()
    if is_demo(location):
        if reading != ReadOptions():
            msg = "--map, --task-map, --exclude and --allow-outside do not apply to the demo."
            raise UsageError(msg)
        return DemoSource()
    source = _open(location, reading, problems)
    if not problems and not any(file.rows for file in source.files):
        msg = f"{location}: no row in its {counted(len(source.files), 'file')}."
        raise EmptySource(msg)
    return source


def is_demo(location: str) -> bool:
    """Return whether a location is the built-in source: a folder of that name takes precedence."""
    return location == DEMO and not Path(DEMO).exists()


def _open(location: str, reading: ReadOptions, problems: list[SourceError] | None) -> Source:
    storage, name = Storage.at(location, allow_outside=reading.allow_outside)
    names = _in_folder(storage, reading, problems) if name is None else [name]
    if name is not None:
        if reading.exclude:
            msg = f"--exclude is for a folder, and {location} is a file."
            raise UsageError(msg)
        if not is_source_file(name) and (kind := recognize_name(name)):
            msg = f"{location} is {kind.one}, not a source: {kind.advice}."
            raise EmptySource(msg)
    if any(map(is_table, names)):
        return FileSource.open(
            "parquet", open_parquet, FOOTER_THREADS, storage, names, reading, problems
        )
    return FileSource.open("manifest", open_manifest, 1, storage, names, reading, problems)


def _in_folder(
    storage: Storage, reading: ReadOptions, problems: list[SourceError] | None
) -> list[str]:
    """Return the files that hold a folder's rows. Raises `EmptySource`, `UsageError`."""
    location = storage.location
    if is_dataset(storage):
        msg = (
            f"{location} is a dataset, and `mico build` reads a release.\n"
            f"`mico refine {shlex.quote(location)} --out FOLDER` derives a new dataset from it; "
            "`mico check` checks it."
        )
        raise UsageError(msg)
    files = list_files(storage, reading)
    if tables := [name for name in files if is_table(name)]:
        return _checked(storage, tables, problems)
    if saved := saved_to_disk(files):
        msg = (
            f"{location} is not a source: `save_to_disk` has written {excerpt(saved)}. "
            f"{TO_PARQUET}."
        )
        raise EmptySource(msg)
    if manifests := [name for name in files if is_manifest(name)]:
        return _checked(storage, manifests, problems)
    msg = (
        f"{location}: no .parquet, .json or .jsonl file in this folder or its "
        f"subfolders{what_is_there(files)}.\n"
        "A source is a folder of Parquet files, or of manifests of image paths."
    )
    raise EmptySource(msg)


def _checked(storage: Storage, files: list[str], problems: list[SourceError] | None) -> list[str]:
    """Return the files that can be read together; files with unusable names become problems."""
    refuse_two_snapshots(storage, files)
    named = [name for name in files if is_text(name)]
    for name in files:
        if not is_text(name):
            msg = (
                f"{excerpt(name)}: this name is not UTF-8, and cannot be stored in a dataset. "
                f"Rename it, for example with convmv. {leave_out(name)}"
            )
            if problems is None:
                raise BrokenFile(msg)
            problems.append(BrokenFile(msg))
    return named
