"""The configuration `sample` of a refined dataset: as a build chooses it, of the rows that stay.

Most of them stand in the `sample` there is, so that few row groups are read for the others.
"""

from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k import names
from mico_150k.builders.default import Default
from mico_150k.dataset import Dataset
from mico_150k.dataset_folder import DatasetFolder
from mico_150k.plan import SAMPLE_ROWS, candidates, proportional
from mico_150k.records import FileRecord
from mico_150k.refine.fates import Fates
from mico_150k.row_group import RowGroup
from mico_150k.sampling import read_sample, write_sample


def refine_sample(dataset: Dataset, fates: Fates, path: Path, seed: int) -> FileRecord:
    """Write the sample of the rows that stay to train on."""
    by_task: dict[str, list[str]] = defaultdict(list)
    kept = fates.kept(names.SPLIT)
    for place in kept:
        by_task[fates.rows[place].task].append(fates.rows[place].id)
    wanted = proportional({task: len(ids) for task, ids in sorted(by_task.items())}, SAMPLE_ROWS)
    chosen = {
        sample_id
        for task, rows in wanted.items()
        for sample_id in candidates(by_task[task], rows, seed)[:rows]
    }
    places = [place for place in kept if fates.rows[place].id in chosen]
    return write_sample(_rows(dataset, fates, places), path)


def _rows(dataset: Dataset, fates: Fates, places: list[int]) -> Iterator[pa.Table]:
    """The rows, a table each, from the old sample or else from the shards."""
    assert dataset.folder is not None
    there = DatasetFolder(dataset.folder).files(names.SAMPLE)
    ids = {
        sample_id
        for path in there
        for sample_id in pq.read_table(path, columns=["id"])["id"].to_pylist()
    }
    from_sample = read_sample(there, {fates.rows[place].id for place in places})
    missing = [place for place in places if fates.rows[place].id not in ids]
    with closing(_from_shards(dataset, fates, missing)) as from_shards:
        for place in places:
            yield next(from_sample if fates.rows[place].id in ids else from_shards)


def _from_shards(
    dataset: Dataset, fates: Fates, places: list[int]
) -> Generator[pa.Table, None, None]:
    with closing(dataset.samples(fates.index_of(places))) as groups:
        for sample in (sample for group in groups for sample in group):
            yield RowGroup([sample]).table(Default.columns)
