"""The configuration `bench` of a refined dataset: read of MICo-Bench, or carried over.

A takedown is for it too: a case with an image that is named goes.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mico_150k.core.columns import arrow_schema
from mico_150k.core.errors import BrokenFile
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Missing
from mico_150k.dataset import layout
from mico_150k.dataset.config_file import ConfigFile
from mico_150k.dataset.configurations import BENCH_COLUMNS
from mico_150k.dataset.folder import read_groups
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.records import FileRecord
from mico_150k.dataset.row_group import RowGroup, cut
from mico_150k.images.reader import digest_of
from mico_150k.io.arrow import mask_array
from mico_150k.io.cells import image_cells, image_lists
from mico_150k.io.files import link
from mico_150k.refine.benchmark import Bench, BenchCase

Records = dict[str, FileRecord]
"""File name → its record."""


def write_bench(folder: Path, bench: Bench, removed: frozenset[str], shard_bytes: int) -> Records:
    """Write the usable cases that have no image that was removed, in files of a shard's size."""
    files: Records = {}
    usable = (
        case
        for case in bench.cases()
        if isinstance(case, BenchCase) and removed.isdisjoint(case.sample.digests)
    )
    file, size = _file(folder, 0), 0
    for cases in cut(usable):
        if size >= shard_bytes:
            files[file.path.name] = file.finish()
            file, size = _file(folder, len(files)), 0
        file.write(RowGroup(cases))
        size += sum(case.num_bytes for case in cases)
    files[file.path.name] = file.finish()
    return files


def carry_bench(folder: Path, dataset: Dataset, removed: frozenset[str]) -> Records:
    """Link the dataset's own; a file with a case that has an image to be removed is rewritten."""
    files: Records = {}
    for number, (name, record) in enumerate(_records(dataset)):
        path = dataset.file(f"{layout.BENCH}/{name}")
        if not removed or all(all(kept) for _, kept in _groups(path, removed)):
            link(path, folder / layout.BENCH / name)
            files[name] = record
            continue
        file = _file(folder, number)
        for table, kept in _groups(path, removed):
            if any(kept):
                file.write_table(table.filter(mask_array(np.array(kept))).combine_chunks())
        files[name] = file.finish()
    return files


def bench_digests(dataset: Dataset) -> Iterator[str]:
    """The digest of every image of the dataset's own benchmark; reads them all."""
    for name, _ in _records(dataset):
        for table in _tables(dataset.file(f"{layout.BENCH}/{name}")):
            for digests in _digests(table):
                yield from digests


def _records(dataset: Dataset) -> list[tuple[str, FileRecord]]:
    files = dataset.manifest["configs"].get(layout.BENCH, {})
    return [(name, FileRecord(**files[name])) for name in sorted(files)]


def _file(folder: Path, number: int) -> ConfigFile:
    return ConfigFile(folder / layout.BENCH / layout.shard_name(number, layout.TEST), BENCH_COLUMNS)


def _tables(path: Path) -> Iterator[pa.Table]:
    """Each row group. Raises `BrokenFile`."""
    for table in read_groups(path):
        if not table.schema.equals(arrow_schema(BENCH_COLUMNS)):
            msg = f"{path} does not have the columns of {layout.BENCH}: run `mico check`."
            raise BrokenFile(msg)
        yield table


def _groups(path: Path, removed: frozenset[str]) -> Iterator[tuple[pa.Table, list[bool]]]:
    """Each row group, and which of its rows stay."""
    for table in _tables(path):
        yield table, [removed.isdisjoint(digests) for digests in _digests(table)]


def _digests(table: pa.Table) -> Iterator[list[str]]:
    inputs = image_lists(table["input_images"].combine_chunks(), _no_path)
    references = image_cells(table["reference"].combine_chunks(), _no_path)
    for cells, reference in zip(inputs, references, strict=True):
        yield [digest_of(cell) for cell in (*cells, reference) if not isinstance(cell, Missing)]


def _no_path(path: str) -> Missing:
    return Missing(Reason.FILE_MISSING, path)
