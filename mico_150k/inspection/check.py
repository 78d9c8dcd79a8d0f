"""Checks a dataset folder: is it what its manifest says, would it load, would the viewer show it.

The viewer's limits were read in huggingface/dataset-viewer (`libs/libcommon`, `services/worker`).
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.card.file import read_card
from mico_150k.core.columns import arrow_schema, card_features
from mico_150k.core.errors import MicoError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import misread
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.manifest_rules import manifest_faults
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.report_rules import read_quarantine, report_faults
from mico_150k.io.files import sha256
from mico_150k.io.json_lines import parse_json
from mico_150k.io.regular import Root, read_small

VIEWER_READ_BYTES = 300_000_000
"""The viewer reads no more of one row group for a page of 100 rows."""
HUB_MAX_FOLDER_FILES = 10_000
HUB_MAX_FILES = 100_000
_FEATURES = b"huggingface"
"""The key that `datasets` reads in a schema's metadata; codes have one of their own besides."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; a fault where `what` should not be so."""

    fault: bool
    where: str
    what: str


def check_dataset(folder: DatasetFolder, *, hashes: bool = True) -> Iterator[Finding]:
    """Everything that can be said of a folder, faults and all; `hashes` reads every byte.

    Raises `NotADataset` where there is no manifest of ours.
    """
    manifest = folder.read_manifest()
    faults = manifest_faults(manifest)
    yield from (Finding(True, fault.where, fault.what) for fault in faults)
    if not faults:
        yield from _check_files(folder, manifest, hashes=hashes)
        yield from _check_card(folder, manifest)
        yield from _check_index(folder, manifest)
    yield from _check_small(folder, None if faults else manifest)
    footers = {config: list(_read_footers(folder, config)) for config in folder.configs}
    for config, of_config in footers.items():
        yield from _check_config(config, of_config)
    yield from _check_cuts(footers)
    yield from _check_names(folder)
    yield from _check_rests(folder)


def check_place(folder: Path) -> Iterator[Finding]:
    """Whether `load_dataset` would find what lies in a folder; on the Hub it has another name."""
    place = str(folder.resolve())
    if why := misread(place):
        yield Finding(True, excerpt(place), f"load_dataset {why}: rename the folder")


def _check_card(folder: DatasetFolder, manifest: dict[str, Any]) -> Iterator[Finding]:
    try:
        header = read_card(folder).header
    except MicoError as error:
        yield _of(layout.CARD, error)
        return
    yield from check_header(header, manifest)


def _check_index(folder: DatasetFolder, manifest: dict[str, Any]) -> Iterator[Finding]:
    """Every value of the index, and that its rows are those of the shards."""
    if not folder.listed(layout.INDEX):
        return  # said with the files, or there is none in the manifest
    try:
        faults = Dataset.of_folder(folder.path, manifest).index_faults()
    except MicoError as error:
        yield _of(layout.INDEX, error)
        return
    yield from (Finding(True, fault.where, fault.what) for fault in faults)


def _check_small(folder: DatasetFolder, manifest: dict[str, Any] | None) -> Iterator[Finding]:
    """The report and the quarantine file, which a refinement goes on from."""
    root = Root.at(folder.path)
    try:
        report = parse_json(read_small(root.file(layout.REPORT)))
        for fault in report_faults(report, manifest):
            yield Finding(True, fault.where, fault.what)
    except FileNotFoundError:
        pass  # a part of a dataset, as it was downloaded
    except (MicoError, OSError, ValueError) as error:
        yield _of(layout.REPORT, error)
    try:
        for _ in read_quarantine(folder.path):
            pass
    except (MicoError, OSError) as error:
        yield _of(layout.QUARANTINE, error)


def _of(where: str, error: Exception) -> Finding:
    """What stops somebody from reading a file, in one line."""
    return Finding(True, where, excerpt(str(error).partition("\n")[0]))


def _check_files(
    folder: DatasetFolder, manifest: dict[str, Any], *, hashes: bool
) -> Iterator[Finding]:
    """The manifest against what is there."""
    known = set()
    wrong = 0
    for config, files in manifest["configs"].items():
        for name, record in files.items():
            path = folder.path / config / name
            known.add(path)
            what = _file_fault(folder, path, record, hashes=hashes)
            if what:
                wrong += 1
                yield Finding(True, f"{config}/{name}", what)
    for path in sorted(folder.path.glob("*/*.parquet")):
        if path not in known:
            wrong += 1
            yield Finding(True, excerpt(path.relative_to(folder.path)), "is not in the manifest")
    for config, files in manifest["configs"].items():
        for split, rows in _rows_by_split(files).items():
            if not rows:
                wrong += 1
                what = f"no row in {split}: load_dataset takes no split without one"
                yield Finding(True, config, what)
    if not wrong:
        compared = "SHA-256" if hashes else "size"
        yield Finding(False, layout.MANIFEST, f"{len(known)} files, each with its {compared}")


def _file_fault(folder: DatasetFolder, path: Path, record: dict[str, Any], *, hashes: bool) -> str:
    try:
        folder.require(path)
    except OSError:
        return "is missing"
    except MicoError as error:
        return str(error).partition("\n")[0]
    size = path.stat().st_size
    if size != record["bytes"]:
        return f"has {size} bytes, and {record['bytes']} in the manifest"
    if hashes and sha256(path) != record["sha256"]:
        return "has another SHA-256 than in the manifest: it was changed or is damaged"
    return ""


def check_header(header: dict[str, Any] | None, manifest: dict[str, Any]) -> Iterator[Finding]:
    """A card's configurations, files, features and counts; wrong ones stop `load_dataset`."""
    if header is None:
        yield Finding(True, layout.CARD, "has no YAML header")
        return
    try:
        faults = [*_header_faults(header, manifest)]
    except (AttributeError, KeyError, TypeError) as error:
        faults = [f"has configs or dataset_info of another form than a card's: {error!r}"]
    yield from (Finding(True, layout.CARD, what) for what in faults)
    if not faults:
        count = len(header["configs"])
        what = f"{count} configurations, their files, features and counts hold"
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
                    f"says {said.get(split, 'no')} rows of {config}, {split}; "
                    f"there are {rows.get(split, 'none')}"
                )
        if infos[config]["features"] != card_features(COLUMNS[config]):
            yield f"gives {config} other features than its columns"
        for split, patterns in _data_files(cards[config], rows).items():
            of_split = {f"{config}/{name}" for name in files if layout.split_of(name) == split}
            if of_split != _named_by(patterns, manifest):
                yield f"gives {config}, {split} the files {patterns}, which are others than it has"
    for config in cards:
        if config not in manifest["configs"]:
            yield f"names the configuration {config}, which is not there"


def _data_files(config: dict[str, Any], splits: Iterable[str]) -> dict[str, list[str]]:
    """The patterns that a card gives the splits of a configuration, and those that there are."""
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


def _read_footers(folder: DatasetFolder, config: str) -> Iterator[_Footer]:
    of_splits = (folder.listed(config, split) for split in layout.SPLITS)
    for path in itertools.chain.from_iterable(of_splits):
        where = f"{config}/{path.name}"
        try:
            with pq.ParquetFile(folder.require(path)) as file:
                metadata = file.metadata
                groups = map(metadata.row_group, range(metadata.num_row_groups))
                sizes = tuple((group.num_rows, _group_bytes(group)) for group in groups)
                yield _Footer(where, file.schema_arrow, sizes)
        except (pa.ArrowException, OSError, MicoError) as error:
            yield _Footer(where, None, error=excerpt(str(error).partition("\n")[0]))


def _group_bytes(group: pq.RowGroupMetaData) -> int:
    return sum(group.column(place).total_compressed_size for place in range(group.num_columns))


def _check_config(config: str, footers: list[_Footer]) -> Iterator[Finding]:
    """Every shard's schema and row groups."""
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
        what = f"{rows} rows in {len(groups)} row groups, the largest of {largest / 1e6:.1f} MB"
        yield Finding(False, config, what)


def _footer_faults(footer: _Footer, schema: pa.Schema) -> Iterator[str]:
    if footer.schema is None:
        yield f"is no whole Parquet file: {footer.error}"
        return
    features = (footer.schema.metadata or {}).get(_FEATURES)
    if not footer.schema.equals(schema) or features != schema.metadata[_FEATURES]:
        yield "has another schema than the configuration's"
    for group, (_, size) in enumerate(footer.groups):
        if size > VIEWER_READ_BYTES:
            yield (
                f"row group {group} has {size} bytes; the viewer reads no more than "
                f"{VIEWER_READ_BYTES} of one for a page of 100 rows"
            )


def _check_cuts(footers: dict[str, list[_Footer]]) -> Iterator[Finding]:
    """The same row groups in every configuration that has the same rows, shard by shard."""
    cuts: dict[str, dict[str, list[int]]] = {}
    for config, of_config in footers.items():
        if config not in {layout.SAMPLE, layout.INDEX, layout.BENCH, layout.CODES}:
            for footer in of_config:
                shard = cuts.setdefault(footer.where.partition("/")[2], {})
                shard[config] = [rows for rows, _ in footer.groups]
    for name, shard in cuts.items():
        for (one, cut), (other, other_cut) in itertools.pairwise(shard.items()):
            if cut != other_cut:
                yield Finding(True, f"{other}/{name}", f"is not cut into row groups as {one} is")


def _check_names(folder: DatasetFolder) -> Iterator[Finding]:
    """Names and numbers that the Hub, the viewer or `load_dataset` stop at."""
    for script in sorted(folder.path.glob("*.py")):
        yield Finding(
            True, script.name, "a script in a dataset folder stops load_dataset from datasets 4 "
            "on where it is named like the folder; it has no use here"
        )  # fmt: skip
    total = 0
    for config in folder.configs:
        count = sum(len(folder.listed(config, split)) for split in layout.SPLITS)
        total += count
        if count > HUB_MAX_FOLDER_FILES:
            yield Finding(True, config, f"{count} files; the Hub takes {HUB_MAX_FOLDER_FILES}")
    if total > HUB_MAX_FILES:
        yield Finding(True, ".", f"{total} files; the Hub takes {HUB_MAX_FILES}")


def _check_rests(folder: DatasetFolder) -> Iterator[Finding]:
    """What runs that were killed have left, which would take room and be sent along."""
    work = folder.path / layout.WORK
    found = [*([work] if work.exists() else []), *sorted(folder.path.rglob("*.partial"))]
    for path in found:
        if path.parent != work:
            what = "is left of a run that was stopped: run the same command again, or remove it"
            yield Finding(True, excerpt(path.relative_to(folder.path)), what)
    if (folder.path / layout.CODES_WORK).exists():
        what = "holds codes that are not finished: run `mico pretokenize` again, or remove it"
        yield Finding(False, layout.CODES_WORK, what)
