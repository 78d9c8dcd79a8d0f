"""Which rows a page shows: some of each task, from few places, so that little is fetched.

A row cannot be read without its row group. Rows strewn over a terabyte would fetch a row group
each; so a few neighbours are taken at each of several places.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mico_150k import names
from mico_150k.dataset import Dataset
from mico_150k.index import INDEX_COLUMNS
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
    """Rows to show: the configuration to read, their rows of `index`, and how many would fit."""

    config: str
    rows: pa.Table
    fitting: int


def rows_to_show(dataset: Dataset, index: pa.Table, choice: Choice) -> Chosen:
    """Choose rows of a dataset, whose index this is.

    Raises `BadSelection`, and `UnknownConfig` where no configuration holds images.
    """
    sample = None if choice.where else _sample_index(dataset)
    if sample is not None and sample.num_rows >= choice.rows:
        # Its neighbours come from all over the dataset: whole row groups can be taken.
        places = _places(dataset, names.SAMPLE, sample, choice.seed)
        rows = _of_few_places(sample, places, choice.rows, choice.rows)
        return Chosen(names.SAMPLE, rows, index.num_rows)
    config = dataset.whole_config
    dataset.files(config)  # there is one, or that is said
    fitting = Selection(where=choice.where).of(index)
    places = _places(dataset, config, fitting, choice.seed)
    rows = _of_few_places(fitting, places, choice.rows, NEIGHBOURS)
    return Chosen(config, rows, fitting.num_rows)


def _sample_index(dataset: Dataset) -> pa.Table | None:
    """`sample` as an index of itself: its columns but the images, with each row's place."""
    if names.SAMPLE not in dataset.configs:
        return None
    records = dataset.manifest["configs"][names.SAMPLE]
    rows = sum(int(record["rows"]) for record in records.values())
    places = pa.table(
        {
            "shard": pa.array(np.zeros(rows, np.int32)),
            "row": pa.array(np.arange(rows, dtype=np.int32)),
        }
    )
    columns = [name for name in INDEX_COLUMNS if name not in places.column_names]
    groups = [chosen.rows for chosen in dataset.read(names.SAMPLE, places, columns)]
    if not groups:
        return None
    table = pa.concat_tables(groups)
    for name in places.column_names:
        table = table.append_column(name, places[name])
    return table


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


def _quotas(tasks: Counter[str], rows: int) -> dict[str, int]:
    """Equal shares; what a small task cannot fill goes to the others."""
    quota = dict.fromkeys(tasks, 0)
    left = rows
    while left:
        open_tasks = [task for task in sorted(tasks) if quota[task] < tasks[task]]
        if not open_tasks:
            break
        for task in open_tasks[:left]:
            quota[task] += 1
        left -= len(open_tasks[:left])
    return quota
