"""Which rows a page shows: some of each task, from few places, so that little is fetched.

A row cannot be read without its row group. Rows strewn over a terabyte would fetch a row group
each; so a few neighbours are taken at each of several places.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mico_150k import names
from mico_150k.dataset import Dataset
from mico_150k.selection import Selection

NEIGHBOURS = 10
"""Rows of one place, where the dataset has more tasks and places to show."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How many rows are shown, of which (an SQL expression over `index`), and by which seed."""

    rows: int
    where: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows of a split to show: the configuration to read, their rows of `index`, and how many fit.

    `sample` has places of its own: there the rows of `index` have these.
    """

    split: str
    config: str
    rows: pa.Table
    fitting: int


def rows_to_show(dataset: Dataset, indexes: Mapping[str, pa.Table], choice: Choice) -> list[Chosen]:
    """Choose rows of a dataset, whose indexes these are; of each split and task about as many.

    Raises `BadSelection`, and `UnknownConfig` where no configuration holds images.
    """
    whole = pa.concat_tables(indexes.values())
    fitting = Selection(where=choice.where).places(whole)
    ends = np.cumsum([index.num_rows for index in indexes.values()])[:-1]
    by_split = dict(zip(indexes, np.split(fitting, np.searchsorted(fitting, ends)), strict=True))
    rows = _quotas(Counter({split: len(places) for split, places in by_split.items()}), choice.rows)
    return [
        _rows_of_split(
            dataset, split, whole.take(by_split[split]), replace(choice, rows=rows[split])
        )
        for split in indexes
        if rows[split]
    ]


def _rows_of_split(dataset: Dataset, split: str, fitting: pa.Table, choice: Choice) -> Chosen:
    config, neighbours, table = dataset.whole_config, NEIGHBOURS, fitting
    dataset.files(config)  # there is one, or that is said
    if split == names.SPLIT and not choice.where:
        sample = _sample_of(dataset, fitting)
        if sample.num_rows >= choice.rows:
            # Its neighbours come from all over the dataset: whole row groups can be taken.
            config, neighbours, table = names.SAMPLE, choice.rows, sample
    places = _places(dataset, config, table, choice.seed)
    rows = _of_few_places(table, places, choice.rows, neighbours)
    return Chosen(split, config, rows, fitting.num_rows)


def _sample_of(dataset: Dataset, index: pa.Table) -> pa.Table:
    """The rows of the index that are in `sample`, with their places there, in its order."""
    if names.SAMPLE not in dataset.configs:
        return index.slice(0, 0)
    records = dataset.manifest["configs"][names.SAMPLE]
    rows = sum(int(record["rows"]) for record in records.values())
    every = pa.table({"shard": np.zeros(rows, np.int32), "row": np.arange(rows, dtype=np.int32)})
    groups = dataset.read(names.SAMPLE, every, ["id"])
    ids = [sample_id for chosen in groups for sample_id in chosen.rows["id"].to_pylist()]
    places = pc.index_in(index["id"], pa.array(ids, pa.string()))
    found = index.filter(pc.is_valid(places)).drop_columns(every.column_names)
    found = found.append_column("shard", every["shard"].slice(0, found.num_rows))
    return found.append_column("row", pc.drop_null(places)).sort_by("row")


def _of_few_places(
    index: pa.Table, places: Iterable[list[int]], rows: int, neighbours: int
) -> pa.Table:
    """About equally many rows of each task, at most `neighbours` from one place, in order."""
    if index.num_rows <= rows:
        return index
    tasks = index["task"].to_pylist()
    quota = _quotas(Counter(tasks), rows)
    chosen: list[int] = []
    passed: list[int] = []
    for place in places:
        taken = 0
        for row in place:
            if taken < neighbours and quota[tasks[row]]:
                quota[tasks[row]] -= 1
                taken += 1
                chosen.append(row)
            else:
                passed.append(row)
    # What one visit to each place could not give.
    for row in passed:
        if quota[tasks[row]]:
            quota[tasks[row]] -= 1
            chosen.append(row)
    return index.take(pa.array(sorted(chosen), pa.int64()))


def _places(dataset: Dataset, config: str, index: pa.Table, seed: int) -> Iterator[list[int]]:
    """The rows by about the row group that they lie in, both in an order decided by the seed."""
    records = dataset.manifest["configs"][config].values()
    rows = sum(int(record["rows"]) for record in records)
    groups = sum(int(record["row_groups"]) for record in records)
    height = max(1, -(-rows // max(1, groups)))
    places: dict[tuple[int, int], list[int]] = {}
    shards, numbers = index["shard"].to_pylist(), index["row"].to_pylist()
    for row, (shard, number) in enumerate(zip(shards, numbers, strict=True)):
        places.setdefault((shard, number // height), []).append(row)
    rng = np.random.default_rng(seed)
    keys = sorted(places)
    for key in rng.permutation(len(keys)):
        yield rng.permutation(places[keys[key]]).tolist()


def _quotas(there: Counter[str], rows: int) -> dict[str, int]:
    """Equal shares; what a small task or split cannot fill goes to the others."""
    quota = dict.fromkeys(there, 0)
    left = rows
    while left:
        still_open = [name for name in sorted(there) if quota[name] < there[name]][:left]
        if not still_open:
            break
        for name in still_open:
            quota[name] += 1
        left -= len(still_open)
    return quota
