"""Exports for trainers that read Parquet themselves, and share it out by row groups.

A shard whose rows are all wanted is linked, and any other written anew. Where so many ranks and
workers read at once that row groups would be left over, some are split: the remainder of a
division is never read in any epoch.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.builders import get_builder
from mico_150k.config_file import ConfigFile
from mico_150k.errors import OverLimit
from mico_150k.export.job import ChosenShard, ExportJob
from mico_150k.export.trainer import Exported
from mico_150k.files import link, read_json, write_json
from mico_150k.names import shard_name
from mico_150k.row_group import RowGroup, cut
from mico_150k.sample import Sample
from mico_150k.watch import Progress


def groups_of_file(path: Path) -> list[int]:
    """The rows of each row group of a file."""
    metadata = pq.read_metadata(path)
    return [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]


def export_shards(job: ExportJob) -> Exported:
    """Say what is there, in place; else link or write the shards with the chosen rows.

    Raises `OverLimit` where there are fewer rows than readers.
    """
    if job.in_place:
        records = job.dataset.manifest["configs"][job.trainer.name]
        names = (Path(name).name for name in job.dataset.files(job.trainer.name))
        return job.exported(row_groups={name: records[name]["row_groups"] for name in names})
    rows = job.fitted.index.num_rows
    readers = job.options.readers
    if rows < readers:
        msg = (
            f"{rows} rows are fewer than {job.options.ranks} ranks × {job.options.workers} "
            "workers: some would wait for ever. Choose more rows, or fewer ranks or workers."
        )
        raise OverLimit(msg)
    groups: dict[str, list[int]] = {}
    done = 0
    for shard in job.shards():
        name = shard_name(shard.number)
        part = job.folder.part(f"{name}.json")
        path = job.to / name
        if not (part.exists() and path.exists()):
            _make(job, path, shard)
            write_json(part, {"row_groups": groups_of_file(path)})
        groups[name] = read_json(part)["row_groups"]
        done += shard.index.num_rows
        job.on_progress(Progress(done, rows, 0, 0, sum(job.fitted.left_out.values())))
    wanted = spread(groups, readers)
    for name, cuts in wanted.items():
        if groups_of_file(job.to / name) != cuts:
            _recut(job.to / name, job.trainer.name, cuts)
    return job.exported(row_groups={name: len(cuts) for name, cuts in wanted.items()})


def spread(groups: dict[str, list[int]], multiple: int) -> dict[str, list[int]]:
    """The same rows of each file, in so many more row groups that their number is a multiple.

    The largest row groups are halved, in as few files as will do; a row stays in its place.

    >>> spread({"a": [4, 4], "b": [1]}, 4)
    {'a': [2, 2, 4], 'b': [1]}
    """
    wanted = {name: list(cuts) for name, cuts in groups.items()}
    missing = -sum(map(len, groups.values())) % multiple
    # The file that can be split most comes first, so that few are written anew.
    for name in sorted(wanted, key=lambda name: (len(groups[name]) - sum(groups[name]), name)):
        cuts = wanted[name]
        while missing and max(cuts) > 1:
            place = cuts.index(max(cuts))
            half = cuts[place] // 2
            cuts[place : place + 1] = [half, cuts[place] - half]
            missing -= 1
    return wanted


def _make(job: ExportJob, path: Path, shard: ChosenShard) -> None:
    config = job.trainer.name
    records = job.dataset.manifest["configs"].get(config, {})
    whole = (
        path.name in records
        and records[path.name]["rows"] == shard.index.num_rows
        and list(shard.inputs) == shard.index["num_inputs"].to_pylist()
    )
    if whole and job.dataset.folder is not None:
        link(job.dataset.folder / config / path.name, path)
        return
    file = ConfigFile(path, get_builder(config).columns)
    try:
        with closing(job.dataset.samples(shard.index)) as found:
            samples = (sample for group in found for sample in group)
            for group in cut(_first(samples, shard.inputs)):
                file.write(RowGroup(group))
        file.finish()
    except BaseException:
        file.abandon()
        raise


def _first(samples: Iterator[Sample], inputs: tuple[int, ...]) -> Iterator[Sample]:
    for sample, count in zip(samples, inputs, strict=True):
        yield sample if count == sample.num_inputs else sample.first(count)


def _recut(path: Path, config: str, cuts: list[int]) -> None:
    """Write a shard anew with these row groups. What it was linked to keeps its own."""
    file = ConfigFile(path, get_builder(config).columns)
    try:
        rows = _tables(path)
        waiting = next(rows)
        for count in cuts:
            while waiting.num_rows < count:
                waiting = pa.concat_tables([waiting, next(rows)])
            file.write_table(waiting.slice(0, count).combine_chunks())
            waiting = waiting.slice(count)
        file.finish()
    except BaseException:
        file.abandon()
        raise


def _tables(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path, pre_buffer=False) as parquet:
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, use_threads=False)
    yield parquet.schema_arrow.empty_table()
