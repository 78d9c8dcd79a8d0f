"""The configuration `sample`: a few rows of `default` from every task.

Which rows may go in is known from the plan, so each shard sets them aside while it is written:
reading them again at the end would touch a row group of every shard for each.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.build.plan import Plan
from mico_150k.builders.default import Default
from mico_150k.core.sample import Sample
from mico_150k.dataset.config_file import ConfigFile
from mico_150k.dataset.records import FileRecord
from mico_150k.dataset.row_group import MAX_BYTES, MAX_ROWS, RowGroup


class SamplePart:
    """The rows of one shard that may go into the sample."""

    def __init__(self, path: Path, candidates: frozenset[str]) -> None:
        """Prepare a part.

        Args:
            path: The part's file.
            candidates: Ids that may go into the sample; without any, no file is written.
        """
        self._file = ConfigFile(path, Default.columns)
        self._candidates = candidates

    def add(self, samples: Sequence[Sample]) -> None:
        """Append the candidates of one row group."""
        if chosen := [sample for sample in samples if sample.id in self._candidates]:
            self._file.write(RowGroup(chosen))

    def finish(self) -> FileRecord | None:
        """Rename the part to its final name, if there is one."""
        return self._file.finish() if self._candidates else None

    def abandon(self) -> None:
        """Remove what was written."""
        self._file.close()


def join_sample(parts: Iterable[Path], path: Path, plan: Plan) -> FileRecord:
    """Join the parts, in the order of the shards, with the planned number of rows of each task."""
    parts = list(parts)
    chosen = set(_choose(parts, plan))
    return write_sample(read_sample(parts, chosen), path)


def write_sample(rows: Iterable[pa.Table], path: Path) -> FileRecord:
    """Write these rows of `default`, a table each, as the sample."""
    file = ConfigFile(path, Default.columns)
    for table in _cut(rows):
        file.write_table(table)
    return file.finish()


def _choose(parts: Iterable[Path], plan: Plan) -> Iterator[str]:
    """Yield the ids of the best available candidates of each task."""
    there = {
        sample_id
        for part in parts
        for sample_id in pq.ParquetFile(part).read(["id"], use_threads=False)["id"].to_pylist()
    }
    for task, candidates in plan.sample.items():
        present = [sample_id for sample_id in candidates if sample_id in there]
        yield from present[: plan.sample_rows[task]]


def read_sample(parts: Iterable[Path], chosen: set[str]) -> Iterator[pa.Table]:
    """Yield the chosen rows in order, each as a table."""
    for part in parts:
        file = pq.ParquetFile(part, pre_buffer=False)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False)
            for place, sample_id in enumerate(table["id"].to_pylist()):
                if sample_id in chosen:
                    yield table.slice(place, 1)


def _cut(rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield row groups within the limits of bytes and rows."""
    group: list[pa.Table] = []
    size = 0
    for row in rows:
        if group and (len(group) == MAX_ROWS or size + row.nbytes > MAX_BYTES):
            yield pa.concat_tables(group).combine_chunks()
            group, size = [], 0
        group.append(row)
        size += row.nbytes
    if group:
        yield pa.concat_tables(group).combine_chunks()
