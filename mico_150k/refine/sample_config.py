"""The configuration `sample` of a refined dataset: as a build chooses it, of the rows that stay.

Most of them stand in the `sample` there is, so that few row groups are read for the others.
"""

from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.build.plan import SAMPLE_ROWS, candidates, proportional
from mico_150k.build.sample_config import read_sample, write_sample
from mico_150k.builders.default import Default
from mico_150k.core.columns import arrow_schema
from mico_150k.core.errors import BrokenFile
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, damage
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.records import FileRecord
from mico_150k.dataset.row_group import RowGroup
from mico_150k.refine.assignment import RowAssignments


def refine_sample(dataset: Dataset, fates: RowAssignments, path: Path, seed: int) -> FileRecord:
    """Write the sample of the rows that stay to train on."""
    by_task: dict[str, list[str]] = defaultdict(list)
    kept = fates.kept(layout.SPLIT)
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


def _rows(dataset: Dataset, fates: RowAssignments, places: list[int]) -> Iterator[pa.Table]:
    """The rows, a table each, from the old sample or else from the shards."""
    assert dataset.folder is not None
    there = DatasetFolder(dataset.folder).files(layout.SAMPLE)
    wanted = {fates.rows[place].id for place in places}
    ids = [sample_id for path in there for sample_id in _ids(path)]
    known = set(ids)
    map_ordered = [fates.rows[place].id for place in places if fates.rows[place].id in known]
    if map_ordered != [sample_id for sample_id in ids if sample_id in wanted]:
        msg = (
            f"{dataset.location}: the rows of {layout.SAMPLE} are not in the order of "
            f"{layout.INDEX}, each once.\n`mico check` tells which files are damaged."
        )
        raise BrokenFile(msg)
    from_sample = read_sample(there, wanted)
    missing = [place for place in places if fates.rows[place].id not in known]
    with closing(_from_shards(dataset, fates, missing)) as from_shards:
        for place in places:
            yield next(from_sample if fates.rows[place].id in known else from_shards)


def _ids(path: Path) -> Iterator[str]:
    """The ids of a file of the sample. Raises `BrokenFile`."""
    with damage(path), pq.ParquetFile(path, pre_buffer=False) as file:
        if not file.schema_arrow.equals(arrow_schema(Default.columns)):
            msg = f"{path} has other columns than {layout.SAMPLE} has: `mico check`."
            raise BrokenFile(msg)
        yield from file.read(columns=["id"])["id"].to_pylist()


def _from_shards(
    dataset: Dataset, fates: RowAssignments, places: list[int]
) -> Generator[pa.Table, None, None]:
    with closing(dataset.samples(fates.index_of(places))) as groups:
        for sample in (sample for group in groups for sample in group):
            yield RowGroup([sample]).table(Default.columns)
