"""Sources: where samples come from. `open_source` finds out of which kind one is."""

import posixpath
from pathlib import Path

from mico_150k.errors import EmptySource, SourceError, UsageError
from mico_150k.sources.demo import DEMO, DemoSource
from mico_150k.sources.listing import is_dataset, list_files
from mico_150k.sources.manifest import ManifestSource
from mico_150k.sources.parquet import ParquetSource
from mico_150k.sources.source import Reading, Source, SourceFile
from mico_150k.sources.storage import Storage

__all__ = ["DEMO", "Reading", "Source", "SourceFile", "open_source"]

TABLE = ".parquet"
OF_EXPORTS = {
    "export.json", "parquet_info.json", "pretokenize.json", "all_records.json", "made-of.json",
    "dimoo-mico.ids.json",
}  # fmt: skip
"""What `mico export` and `mico pretokenize` write besides manifests."""


def open_source(
    location: str = DEMO,
    reading: Reading | None = None,
    problems: list[SourceError] | None = None,
) -> Source:
    """Open a folder or a file of samples, local or such as `hf://datasets/USER/NAME`.

    A folder with Parquet files is read as such, and its JSON as something else; a folder
    without, by its manifests. `demo` is the built-in source, unless there is such a folder.

    Raises `SourceError` of every kind, and `UsageError` for a dataset folder of our own. Where
    a list of `problems` is given, what is wrong with single files goes there, and they are left
    out: for looking, never for building.
    """
    reading = reading or Reading()
    if location == DEMO and not Path(DEMO).exists():
        if reading != Reading():
            msg = "--map, --task-map, --exclude and --allow-outside have no use for the demo."
            raise UsageError(msg)
        return DemoSource()
    source = _open(location, reading, problems)
    if not problems and not any(file.rows for file in source.files):
        msg = f"{location}: no row in its {len(source.files)} files."
        raise EmptySource(msg)
    return source


def _open(location: str, reading: Reading, problems: list[SourceError] | None) -> Source:
    storage, name = Storage.at(location)
    if name is not None:
        if reading.exclude:
            msg = f"--exclude is for a folder, and {location} is a file."
            raise UsageError(msg)
        if name.lower().endswith(TABLE):
            return ParquetSource.open(storage, [name], reading, problems)
        return ManifestSource.open(storage, [name], reading, problems)
    if is_dataset(storage):
        msg = (
            f"{location} is a dataset folder that `mico build` writes, not a source. "
            "`mico check` looks at such a folder."
        )
        raise UsageError(msg)
    files = list_files(storage, reading)
    if tables := [name for name in files if name.lower().endswith(TABLE)]:
        return ParquetSource.open(storage, tables, reading, problems)
    if manifests := [name for name in files if _is_manifest(name)]:
        return ManifestSource.open(storage, manifests, reading, problems)
    msg = (
        f"{location}: no .parquet, .json or .jsonl file in this folder or below it.\n"
        "A source is a folder of Parquet files, or of manifests of image paths."
    )
    raise EmptySource(msg)


def _is_manifest(name: str) -> bool:
    return name.lower().endswith((".json", ".jsonl")) and posixpath.basename(name) not in OF_EXPORTS
