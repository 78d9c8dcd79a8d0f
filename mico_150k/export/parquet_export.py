"""Exports for trainers that read Parquet directly and divide it by row groups.

The export links a shard if all of its rows are chosen, and rewrites it otherwise. The number of row
groups must be a multiple of the number of readers (ranks times workers), because the remainder is
never read in any epoch. The export splits row groups where necessary.
"""

from collections.abc import Iterator
from contextlib import closing
from itertools import filterfalse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.builders import get_builder
from mico_150k.core.errors import OverLimit
from mico_150k.core.progress import Progress
from mico_150k.core.sample import Sample
from mico_150k.core.trainer import Exported
from mico_150k.dataset.config_file import ConfigFile
from mico_150k.dataset.layout import shard_name
from mico_150k.dataset.row_group import RowGroup, cut, group_sizes
from mico_150k.export.forecast import ExportForecast, forecast_shards
from mico_150k.export.job import ChosenShard, ExportJob
from mico_150k.io.files import link, read_json, write_json
from mico_150k.io.regular import is_regular


def groups_of_file(path: Path) -> list[int]:
    """Return the number of rows in each row group of a file."""
    return group_sizes(pq.read_metadata(path))


def _row_groups(path: Path) -> int | None:
    """Return the number of row groups in a file, or None if it cannot be read."""
    if not is_regular(path):
        return None
    try:
        return len(groups_of_file(path))
    except (OSError, pa.ArrowException):
        return None


class ShardsExport:
    """An export for a trainer that reads Parquet: it knows which shards are missing."""

    def __init__(self, job: ExportJob) -> None:
        """Write nothing. Raises `OverLimit` if some readers would get no data."""
        self._job = job
        readers = job.readers
        if readers is None:
            return
        if job.in_place:
            there = sum(file["row_groups"] for file in job.shard_files.values())
            what, way_out = "row groups", "Split them in a copy with --out DIR, or use"
        else:
            there = job.fitted.index.num_rows
            what, way_out = "rows", "Choose more rows, or"
        if there < readers.count:
            msg = (
                f"{there} {what} are fewer than {readers}: some would wait forever. {way_out} "
                "fewer ranks or workers."
            )
            raise OverLimit(msg)

    def is_whole(self, finished: Exported) -> bool:
        """Whether all files of this finished export still exist."""
        return all(
            _row_groups(self._job.to / name) == count for name, count in finished.row_groups.items()
        )

    def forecast(self) -> ExportForecast:
        """Estimate what the export will fetch and write."""
        if self._job.in_place:
            return ExportForecast.of(self._job, 0, 0, self._job.to)
        missing = filterfalse(self._is_done, self._job.shards())
        linked = {shard_name(shard.number) for shard in self._job.shards() if self._is_whole(shard)}
        return forecast_shards(self._job, missing, linked)

    def run(self) -> Exported:
        """Link or write the shards with the chosen rows; in place, only count their row groups."""
        job = self._job
        if job.in_place:
            counts = {name: file["row_groups"] for name, file in job.shard_files.items()}
            return job.exported(row_groups=counts)
        rows = job.fitted.index.num_rows
        groups: dict[str, list[int]] = {}
        done = 0
        for shard in job.shards():
            name = shard_name(shard.number)
            if not self._is_done(shard):
                # Claim the file first, so that another export that takes the folder may remove it.
                write_json(self._part(shard), {})
                self._make(job.to / name, shard)
                write_json(self._part(shard), {"row_groups": groups_of_file(job.to / name)})
            groups[name] = read_json(self._part(shard))["row_groups"]
            done += shard.index.num_rows
            job.on_progress(Progress(done, rows, 0, 0, sum(job.fitted.skipped.values())))
        wanted = spread(groups, job.readers.count if job.readers else 1)
        for name, cuts in wanted.items():
            if groups_of_file(job.to / name) != cuts:
                _recut(job.to / name, job.trainer.name, cuts)
        return job.exported(
            row_groups={name: len(cuts) for name, cuts in wanted.items()}, files=list(wanted)
        )

    def _part(self, shard: ChosenShard) -> Path:
        return self._job.folder.part(f"{shard_name(shard.number)}.json")

    def _is_done(self, shard: ChosenShard) -> bool:
        there = (self._job.to / shard_name(shard.number)).exists()
        return there and "row_groups" in read_json(self._part(shard))

    def _is_whole(self, shard: ChosenShard) -> bool:
        """Whether the export has every row of the shard, with all inputs."""
        records = self._job.dataset.manifest["configs"].get(self._job.trainer.name, {})
        rows: int | None = records.get(shard_name(shard.number), {}).get("rows")
        inputs: list[int] = shard.index["num_inputs"].to_pylist()
        return rows == shard.index.num_rows and list(shard.inputs) == inputs

    def _make(self, path: Path, shard: ChosenShard) -> None:
        dataset, config = self._job.dataset, self._job.trainer.name
        if dataset.folder is not None and self._is_whole(shard):
            link(dataset.file(f"{config}/{path.name}"), path)
            return
        with (
            closing(ConfigFile(path, get_builder(config).columns)) as file,
            closing(dataset.samples(shard.index)) as found,
        ):
            samples = (sample for group in found for sample in group)
            for group in cut(_first(samples, shard.inputs)):
                file.write(RowGroup(group))
            file.finish()


def spread(groups: dict[str, list[int]], multiple: int) -> dict[str, list[int]]:
    """Split row groups until their total number is a multiple of `multiple`.

    The largest row groups are halved, in as few files as possible. Rows keep their order.

    >>> spread({"a": [4, 4], "b": [1]}, 4)
    {'a': [2, 2, 4], 'b': [1]}
    """
    wanted = {name: list(cuts) for name, cuts in groups.items()}
    missing = -sum(map(len, groups.values())) % multiple
    # The file that can be split most comes first, so that few files are rewritten.
    for name in sorted(wanted, key=lambda name: (len(groups[name]) - sum(groups[name]), name)):
        cuts = wanted[name]
        while missing and max(cuts) > 1:
            place = cuts.index(max(cuts))
            half = cuts[place] // 2
            cuts[place : place + 1] = [half, cuts[place] - half]
            missing -= 1
    return wanted


def _first(samples: Iterator[Sample], inputs: tuple[int, ...]) -> Iterator[Sample]:
    for sample, count in zip(samples, inputs, strict=True):
        yield sample if count == sample.num_inputs else sample.first(count)


def _recut(path: Path, config: str, cuts: list[int]) -> None:
    """Rewrite a shard with these row groups. The file that it was linked to does not change."""
    with closing(ConfigFile(path, get_builder(config).columns)) as file:
        rows = _tables(path)
        waiting = next(rows)
        for count in cuts:
            while waiting.num_rows < count:
                waiting = pa.concat_tables([waiting, next(rows)])
            file.write_table(waiting.slice(0, count).combine_chunks())
            waiting = waiting.slice(count)
        file.finish()


def _tables(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path, pre_buffer=False) as parquet:
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, use_threads=False)
    yield parquet.schema_arrow.empty_table()
