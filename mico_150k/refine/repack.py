"""Plans the shards of a refined dataset: links for complete ones, new files for the others.

A shard that keeps every row is linked. Takedowns, benchmarks and validation splits remove few
rows: the rest of a shard keeps its number, and the number of an empty shard is not used again. A
selection may leave little of every shard: shards that keep less than half of their rows are then
packed together, and all shards get new numbers.
"""

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
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

OldShard = tuple[str, int]
"""A shard of the dataset that is refined: split and number."""

PACKED_BELOW = 0.5
"""The fraction of its rows below which the rest of a shard is packed with others."""


@dataclass(frozen=True, slots=True)
class NewShard:
    """A planned shard: its row numbers, and the shard that it links to, if any."""

    split: str
    number: int
    places: tuple[int, ...]
    link: OldShard | None


def plan_shards(
    assignments: RowAssignments, shards: Mapping[OldShard, int], shard_bytes: int, *, pack: bool
) -> tuple[NewShard, ...]:
    """Plan all shards of all splits.

    Args:
        assignments: The assignment of every row.
        shards: The existing shards with their bytes of images.
        shard_bytes: Bytes of images in a packed shard.
        pack: Whether small remains are packed. Rows that change their split always are.
    """
    rows: dict[OldShard, list[int]] = {shard: [] for shard in sorted(shards)}
    for place, row in enumerate(assignments.rows):
        rows[row.split, row.shard].append(place)
    planned: list[NewShard] = []
    for split in (layout.SPLIT, layout.VALIDATION):
        packs = _Packs(shard_bytes)
        for old, there in rows.items():
            kept = [place for place in there if assignments.split(place) == split]
            enough = PACKED_BELOW * len(there) if pack else 1
            if old[0] == split and len(kept) == len(there):
                packs.add_whole(kept, old, old)
            elif old[0] == split and len(kept) >= enough:
                packs.add_whole(kept, old, None)
            else:
                packs.add(kept, shards[old] / max(1, len(there)))
        planned += packs.shards(split, keep_numbers=not pack)
    return tuple(planned)


class _Packs:
    """The shards of a split in the order of the first row of each."""

    def __init__(self, shard_bytes: int) -> None:
        self._shard_bytes = shard_bytes
        self._shards: list[tuple[list[int], OldShard | None, OldShard | None]] = []
        self._open: list[int] = []
        self._open_bytes = 0.0

    def add_whole(self, places: list[int], old: OldShard, link: OldShard | None) -> None:
        """A shard of its own, which was `old`."""
        self._shards.append((places, old, link))

    def add(self, places: Iterable[int], row_bytes: float) -> None:
        """Rows that go where there is room."""
        for place in places:
            if self._open and self._open_bytes + row_bytes > self._shard_bytes:
                self._open, self._open_bytes = [], 0.0
            if not self._open:
                self._shards.append((self._open, None, None))
            self._open.append(place)
            self._open_bytes += row_bytes

    def shards(self, split: str, *, keep_numbers: bool) -> Iterator[NewShard]:
        """All of them. What is packed is a split's alone where numbers are kept."""
        for place, (places, old, link) in enumerate(self._shards):
            number = old[1] if old and keep_numbers else place
            yield NewShard(split, number, tuple(places), link)


def refine_sample(
    dataset: Dataset, assignments: RowAssignments, path: Path, seed: int
) -> FileRecord:
    """Write the sample of the rows that stay to train on."""
    by_task: dict[str, list[str]] = defaultdict(list)
    kept = assignments.kept(layout.SPLIT)
    for place in kept:
        by_task[assignments.rows[place].task].append(assignments.rows[place].id)
    wanted = proportional({task: len(ids) for task, ids in sorted(by_task.items())}, SAMPLE_ROWS)
    chosen = {
        sample_id
        for task, rows in wanted.items()
        for sample_id in candidates(by_task[task], rows, seed)[:rows]
    }
    places = [place for place in kept if assignments.rows[place].id in chosen]
    return write_sample(_rows(dataset, assignments, places), path)


def _rows(dataset: Dataset, assignments: RowAssignments, places: list[int]) -> Iterator[pa.Table]:
    """The rows, a table each, from the old sample or else from the shards."""
    assert dataset.folder is not None
    there = DatasetFolder(dataset.folder).files(layout.SAMPLE)
    wanted = {assignments.rows[place].id for place in places}
    ids = [sample_id for path in there for sample_id in _ids(path)]
    known = set(ids)
    in_order = [
        assignments.rows[place].id for place in places if assignments.rows[place].id in known
    ]
    if in_order != [sample_id for sample_id in ids if sample_id in wanted]:
        msg = (
            f"{dataset.location}: the rows of {layout.SAMPLE} are not those of {layout.INDEX} in "
            "the same order.\n"
            "`mico check` lists damaged files."
        )
        raise BrokenFile(msg)
    from_sample = read_sample(there, wanted)
    missing = [place for place in places if assignments.rows[place].id not in known]
    with closing(_from_shards(dataset, assignments, missing)) as from_shards:
        for place in places:
            yield next(from_sample if assignments.rows[place].id in known else from_shards)


def _ids(path: Path) -> Iterator[str]:
    """The ids of a file of the sample. Raises `BrokenFile`."""
    with damage(path), pq.ParquetFile(path, pre_buffer=False) as file:
        if not file.schema_arrow.equals(arrow_schema(Default.columns)):
            msg = f"{path} does not have the columns of {layout.SAMPLE}: run `mico check`."
            raise BrokenFile(msg)
        yield from file.read(columns=["id"])["id"].to_pylist()


def _from_shards(
    dataset: Dataset, assignments: RowAssignments, places: list[int]
) -> Generator[pa.Table, None, None]:
    with closing(dataset.samples(assignments.index_of(places))) as groups:
        for sample in (sample for group in groups for sample in group):
            yield RowGroup([sample]).table(Default.columns)
