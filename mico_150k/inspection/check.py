"""Checks a dataset: whether it matches its manifest, loads, and shows in the viewer.

The viewer's limits were read in huggingface/dataset-viewer (`libs/libcommon`, `services/worker`).
"""

import itertools
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.core.columns import arrow_schema, card_features
from mico_150k.core.errors import MicoError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import misread
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.manifest_rules import manifest_faults
from mico_150k.dataset.report_rules import report_faults
from mico_150k.inspection.dataset_files import DatasetFiles, FolderFiles, configs_of, shards_of
from mico_150k.io.json_lines import parse_json
from mico_150k.io.machine import gigabytes

VIEWER_READ_BYTES = 300_000_000
"""The most bytes of one row group that the viewer reads for a page of 100 rows."""
HUB_MAX_FOLDER_FILES = 10_000
HUB_MAX_FILES = 100_000
_FEATURES = b"huggingface"
"""The schema metadata key that `datasets` reads; codes have another key as well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check: whether it is a fault, where it is, and what was found."""

    fault: bool
    where: str
    what: str


def check_dataset(
    dataset: DatasetFolder | DatasetFiles, *, hashes: bool = True
) -> Iterator[Finding]:
    """Yield all findings about a dataset, good and bad.

    Args:
        dataset: The dataset folder, or its files.
        hashes: Whether to compare every file's SHA-256, rather than its size only.

    Raises:
        NotADataset: There is no manifest of ours.
    """
    files: DatasetFiles = FolderFiles(dataset) if isinstance(dataset, DatasetFolder) else dataset
    manifest = files.manifest()
    faults = manifest_faults(manifest)
    yield from (Finding(True, fault.where, fault.what) for fault in faults)
    if not faults:
        yield from _check_files(files, manifest, hashes=hashes)
        yield from _check_card(files, manifest)
        yield from _check_index(files, manifest)
    yield from _check_small(files, None if faults else manifest)
    footers = {config: list(_read_footers(files, config)) for config in configs_of(files)}
    for config, of_config in footers.items():
        yield from _check_config(config, of_config)
    yield from _check_cuts(footers)
    yield from _check_names(files)
    yield from _check_rests(files)


def check_place(folder: Path) -> Iterator[Finding]:
    """Check that `load_dataset` finds a dataset in this folder; on the Hub it has another name."""
    place = str(folder.resolve())
    if why := misread(place):
        yield Finding(True, excerpt(place), f"load_dataset {why}: rename the folder")


def _check_card(files: DatasetFiles, manifest: dict[str, Any]) -> Iterator[Finding]:
    try:
        header = files.card().header
    except MicoError as error:
        yield _of(layout.CARD, error)
        return
    yield from check_header(header, manifest)


def _check_index(files: DatasetFiles, manifest: dict[str, Any]) -> Iterator[Finding]:
    """Check every value of the index, and that its rows match the shards."""
    if not shards_of(files, layout.INDEX):
        return  # reported with the files, or the manifest does not list it
    try:
        faults = files.dataset(manifest).index_faults()
    except MicoError as error:
        yield _of(layout.INDEX, error)
        return
    yield from (Finding(True, fault.where, fault.what) for fault in faults)


def _check_small(files: DatasetFiles, manifest: dict[str, Any] | None) -> Iterator[Finding]:
    """Check the report and the quarantine file, which `mico refine` reads."""
    try:
        report = parse_json(files.small(layout.REPORT))
        for fault in report_faults(report, manifest):
            yield Finding(True, fault.where, fault.what)
    except FileNotFoundError:
        pass  # a part of a dataset, as it was downloaded
    except (MicoError, OSError, ValueError) as error:
        yield _of(layout.REPORT, error)
    try:
        for _ in files.quarantine():
            pass
    except (MicoError, OSError) as error:
        yield _of(layout.QUARANTINE, error)


def _of(where: str, error: Exception) -> Finding:
    """Return a finding for an error that stops a reader, in one line."""
    return Finding(True, where, excerpt(str(error).partition("\n")[0]))


def _check_files(
    files: DatasetFiles, manifest: dict[str, Any], *, hashes: bool
) -> Iterator[Finding]:
    """Compare the manifest with the files."""
    known = set()
    wrong = 0
    for config, records in manifest["configs"].items():
        for file, record in records.items():
            name = f"{config}/{file}"
            known.add(name)
            what = _file_fault(files, name, record, hashes=hashes)
            if what:
                wrong += 1
                yield Finding(True, name, what)
    for name in files.names:
        if name.endswith(".parquet") and name.count("/") == 1 and name not in known:
            wrong += 1
            yield Finding(True, excerpt(name), "is not in the manifest")
    for config, records in manifest["configs"].items():
        for split, rows in _rows_by_split(records).items():
            if not rows:
                wrong += 1
                what = f"no row in {split}: load_dataset rejects an empty split"
                yield Finding(True, config, what)
    if not wrong:
        compared = "SHA-256" if hashes else "size"
        yield Finding(
            False, layout.MANIFEST, f"{counted(len(known), 'file')}, each with its {compared}"
        )


def _file_fault(files: DatasetFiles, name: str, record: dict[str, Any], *, hashes: bool) -> str:
    try:
        size = files.size(name)
    except OSError:
        return "is missing"
    except MicoError as error:
        return str(error).partition("\n")[0]
    if size != record["bytes"]:
        return f"has {counted(size, 'byte')}, and {record['bytes']:,} in the manifest"
    if hashes and files.sha256(name) != record["sha256"]:
        return "has another SHA-256 than in the manifest: it was changed, or is damaged"
    return ""


def check_header(header: dict[str, Any] | None, manifest: dict[str, Any]) -> Iterator[Finding]:
    """Check a card's configurations, files, features and counts: errors stop `load_dataset`."""
    if header is None:
        yield Finding(True, layout.CARD, "has no YAML header")
        return
    try:
        faults = [*_header_faults(header, manifest)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        faults = [f"has configs or dataset_info of an unknown form: {error!r}"]
    yield from (Finding(True, layout.CARD, what) for what in faults)
    if not faults:
        count = len(header["configs"])
        what = f"{counted(count, 'configuration')}: files, features and counts agree"
        yield Finding(False, layout.CARD, what)


def _header_faults(header: dict[str, Any], manifest: dict[str, Any]) -> Iterator[str]:
    infos = {info["config_name"]: info for info in header.get("dataset_info", [])}
    cards = {config["config_name"]: config for config in header.get("configs", [])}
    for config, files in manifest["configs"].items():
        if config not in infos or config not in cards:
            yield f"does not name the configuration {config}"
            continue
        if config not in COLUMNS:
            yield f"names the configuration {config}, which this installation does not know"
            continue
        rows = _rows_by_split(files)
        said = {split["name"]: split["num_examples"] for split in infos[config]["splits"]}
        for split in sorted({*said, *rows}):
            if said.get(split) != rows.get(split):
                yield (
                    f"says {counted(said.get(split, 0), 'row')} of {config}, {split}; "
                    f"there are {rows.get(split, 0):,}"
                )
        if infos[config]["features"] != card_features(COLUMNS[config]):
            yield f"gives {config} other features than its columns"
        for split, patterns in _data_files(cards[config], rows).items():
            of_split = {f"{config}/{name}" for name in files if layout.split_of(name) == split}
            if of_split != _named_by(patterns, manifest):
                yield f"gives {config}, {split} the files {patterns}, which are not its files"
    for config in cards:
        if config not in manifest["configs"]:
            yield f"names the configuration {config}, which does not exist"


def _data_files(config: dict[str, Any], splits: Iterable[str]) -> dict[str, list[str]]:
    """Return the file patterns of a configuration's splits in the card, and the expected ones."""
    said: dict[str, list[str]] = {split: [] for split in splits}
    for entry in config["data_files"]:
        path = entry["path"]
        said.setdefault(entry["split"], []).extend([path] if isinstance(path, str) else path)
    return said


def _named_by(patterns: list[str], manifest: dict[str, Any]) -> set[str]:
    files = (f"{config}/{name}" for config, of in manifest["configs"].items() for name in of)
    return {file for file in files if any(fnmatchcase(file, pattern) for pattern in patterns)}


def _rows_by_split(files: dict[str, dict[str, Any]]) -> dict[str, int]:
    rows: Counter[str] = Counter()
    for name, file in files.items():
        rows[layout.split_of(name)] += file["rows"]
    return rows


@dataclass(frozen=True, slots=True)
class _Footer:
    """A shard's footer, or what is wrong with it."""

    where: str
    schema: pa.Schema | None
    groups: tuple[tuple[int, int], ...] = ()  # rows and bytes of each row group
    error: str = ""


def _read_footers(files: DatasetFiles, config: str) -> Iterator[_Footer]:
    for where in shards_of(files, config):
        try:
            with files.parquet(where) as file:
                metadata = file.metadata
                groups = map(metadata.row_group, range(metadata.num_row_groups))
                sizes = tuple((group.num_rows, _group_bytes(group)) for group in groups)
                yield _Footer(where, file.schema_arrow, sizes)
        except (pa.ArrowException, OSError, MicoError) as error:  # noqa: PERF203 - each may be damaged
            yield _Footer(where, None, error=excerpt(str(error).partition("\n")[0]))


def _group_bytes(group: pq.RowGroupMetaData) -> int:
    return sum(group.column(place).total_compressed_size for place in range(group.num_columns))


def _check_config(config: str, footers: list[_Footer]) -> Iterator[Finding]:
    """Check every shard's schema and row groups."""
    schema = arrow_schema(COLUMNS[config])
    faults = 0
    for footer in footers:
        for what in _footer_faults(footer, schema):
            faults += 1
            yield Finding(True, footer.where, what)
    if not faults:
        groups = [group for footer in footers for group in footer.groups]
        rows = sum(rows for rows, _ in groups)
        largest = max((size for _, size in groups), default=0)
        cuts = counted(len(groups), "row group")
        what = f"{counted(rows, 'row')} in {cuts}, the largest of {gigabytes(largest)}"
        yield Finding(False, config, what)


def _footer_faults(footer: _Footer, schema: pa.Schema) -> Iterator[str]:
    if footer.schema is None:
        yield f"is not a complete Parquet file: {footer.error}"
        return
    features = (footer.schema.metadata or {}).get(_FEATURES)
    if not footer.schema.equals(schema) or features != schema.metadata[_FEATURES]:
        yield "does not have the configuration's schema"
    for group, (_, size) in enumerate(footer.groups):
        if size > VIEWER_READ_BYTES:
            yield (
                f"row group {group} has {counted(size, 'byte')}; the viewer reads no more than "
                f"{VIEWER_READ_BYTES:,} of one for a page of 100 rows"
            )


def _check_cuts(footers: dict[str, list[_Footer]]) -> Iterator[Finding]:
    """Check that configurations with the same rows have the same row groups, shard by shard."""
    cuts: dict[str, dict[str, list[int]]] = {}
    for config, of_config in footers.items():
        if config not in {layout.SAMPLE, layout.INDEX, layout.BENCH, layout.CODES}:
            for footer in of_config:
                shard = cuts.setdefault(footer.where.partition("/")[2], {})
                shard[config] = [rows for rows, _ in footer.groups]
    for name, shard in cuts.items():
        for (one, cut), (other, other_cut) in itertools.pairwise(shard.items()):
            if cut != other_cut:
                yield Finding(
                    True, f"{other}/{name}", f"does not have the same row groups as {one}"
                )


def _check_names(files: DatasetFiles) -> Iterator[Finding]:
    """Check for names and numbers that the Hub, the viewer or `load_dataset` rejects."""
    scripts = (name for name in files.names if name.endswith(".py") and "/" not in name)
    for script in scripts:
        yield Finding(
            True, script,
                "a script in a dataset folder stops load_dataset from datasets 4 on if it has "
                "the folder's name; it is not needed"
        )  # fmt: skip
    total = 0
    for config in configs_of(files):
        count = len(shards_of(files, config))
        total += count
        if count > HUB_MAX_FOLDER_FILES:
            yield Finding(
                True, config, f"{counted(count, 'file')}; the Hub takes {HUB_MAX_FOLDER_FILES:,}"
            )
    if total > HUB_MAX_FILES:
        yield Finding(True, ".", f"{counted(total, 'file')}; the Hub takes {HUB_MAX_FILES:,}")


def _check_rests(files: DatasetFiles) -> Iterator[Finding]:
    """Check for leftovers of killed runs, which take up space and would be uploaded."""
    tops = {name.partition("/")[0] for name in files.names}
    partial = (name for name in files.names if name.rstrip("/").endswith(".partial"))
    outside = [name for name in partial if posixpath.dirname(name) != layout.WORK]
    for name in [*sorted({layout.WORK} & tops), *outside]:
        what = "is left over from a stopped run: re-run the command, or remove it"
        yield Finding(True, excerpt(name), what)
    if layout.CODES_WORK in tops:
        what = "has unfinished codes: re-run `mico pretokenize`, or remove it"
        yield Finding(False, layout.CODES_WORK, what)
