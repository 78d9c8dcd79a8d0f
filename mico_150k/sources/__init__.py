"""Sources: where samples come from. `open_source` finds out of which kind one is."""

import json
from pathlib import Path

from mico_150k.errors import EmptySource, SourceError, UsageError
from mico_150k.names import MANIFEST, MANIFEST_FORMAT
from mico_150k.sources.demo import DEMO, DemoSource
from mico_150k.sources.manifest import ManifestSource
from mico_150k.sources.parquet import ParquetSource
from mico_150k.sources.source import Reading, Source, SourceFile
from mico_150k.sources.storage import Storage

__all__ = ["DEMO", "Reading", "Source", "SourceFile", "open_source"]


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
        return DemoSource()
    storage, name = Storage.at(location)
    if name is not None:
        if name.endswith(".parquet"):
            return ParquetSource.open(storage, [name], reading, problems)
        return ManifestSource.open(storage, [name], reading, problems)
    _refuse_dataset(storage)
    if tables := storage.find(".parquet", exclude=reading.exclude):
        return ParquetSource.open(storage, tables, reading, problems)
    if manifests := storage.find(".json", ".jsonl", exclude=reading.exclude):
        return ManifestSource.open(storage, manifests, reading, problems)
    msg = (
        f"{location}: no .parquet, .json or .jsonl file in this folder or below it.\n"
        "A source is a folder of Parquet files, or of manifests of image paths."
    )
    raise EmptySource(msg)


def _refuse_dataset(storage: Storage) -> None:
    if not storage.fs.exists(storage.path(MANIFEST)):
        return
    with storage.open(MANIFEST) as handle:
        try:
            manifest = json.load(handle)
        except ValueError:
            return
    if isinstance(manifest, dict) and manifest.get("format") == MANIFEST_FORMAT:
        msg = (
            f"{storage.location} is a dataset folder that `mico build` has written, "
            "not a source. `mico check` looks at such a folder."
        )
        raise UsageError(msg)
