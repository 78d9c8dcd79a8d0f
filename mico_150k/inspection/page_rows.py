"""Chooses a page's rows: some of each task, from few row groups, so that little is fetched.

Reading a row fetches its whole row group. So the page shows a few neighboring rows from each of
several row groups.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.selection import Selection
from mico_150k.io.arrow import array_of, numbers_of

NEIGHBOURS = 10
"""The most rows of one row group, if the dataset has more rows to show."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The number of rows to show, an SQL expression over `index` that selects them, and a seed."""

    rows: int
    where: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows of a split to show: the configuration to read, their rows of `index`, and how many fit.

    For `sample`, the shard and row numbers in `rows` are positions in `sample`.
    """

    split: str
    config: str
    rows: pa.Table
    fitting: int


def rows_to_show(dataset: Dataset, indexes: Mapping[str, pa.Table], choice: Choice) -> list[Chosen]:
    """Choose about equally many rows of each split and task from a dataset's indexes.

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
    if split == layout.SPLIT and not choice.where:
        sample = _sample_of(dataset, fitting)
        if sample.num_rows >= choice.rows:
            # Neighbors in `sample` come from all over the dataset: take whole row groups.
            config, neighbours, table = layout.SAMPLE, choice.rows, sample
    among = Chosen(split, config, table, fitting.num_rows)
    return replace(among, rows=_of_few_groups(dataset, among, neighbours, choice))


def _sample_of(dataset: Dataset, index: pa.Table) -> pa.Table:
    """Return the index rows that are in `sample`, with their positions there, in its order."""
    if layout.SAMPLE not in dataset.configs:
        return index.slice(0, 0)
    records = dataset.manifest["configs"][layout.SAMPLE]
    rows = sum(int(record["rows"]) for record in records.values())
    places = {"shard": [0] * rows, "row": range(rows)}
    every = pa.table({name: array_of(values, pa.int32()) for name, values in places.items()})
    groups = dataset.read(layout.SAMPLE, every, ["id"])
    ids = [sample_id for chosen in groups for sample_id in chosen.rows["id"].to_pylist()]
    places = pc.index_in(index["id"], array_of(ids, pa.string()))
    found = index.filter(pc.is_valid(places)).drop_columns(every.column_names)
    found = found.append_column("shard", every["shard"].slice(0, found.num_rows))
    return found.append_column("row", pc.drop_null(places)).sort_by("row")


def _of_few_groups(dataset: Dataset, among: Chosen, neighbours: int, choice: Choice) -> pa.Table:
    """Choose about equally many rows of each task, at most `neighbours` per row group, in order.

    The seed chooses the row groups; only their footers are read.
    """
    index = among.rows
    if index.num_rows <= choice.rows:
        return index
    tasks = index["task"].to_pylist()
    quota = _quotas(Counter(tasks), choice.rows)
    rng = np.random.default_rng(choice.seed)
    chosen: list[int] = []
    passed: list[int] = []
    seen: set[int] = set()
    for first in rng.permutation(index.num_rows).tolist():
        if first in seen or not quota[tasks[first]]:
            continue
        group = _group_of(dataset, among, first)
        seen.update(group)
        taken = 0
        for row in rng.permutation(group).tolist():
            if taken < neighbours and quota[tasks[row]]:
                quota[tasks[row]] -= 1
                taken += 1
                chosen.append(row)
            else:
                passed.append(row)
    # Fill up with what one pass over the row groups could not give.
    for row in passed:
        if quota[tasks[row]]:
            quota[tasks[row]] -= 1
            chosen.append(row)
    return index.take(array_of(sorted(chosen), pa.int64()))


def _group_of(dataset: Dataset, among: Chosen, row: int) -> range:
    """Return the chosen split's rows that share a row group with this row."""
    index = among.rows
    shard, number = (index[name][row].as_py() for name in ("shard", "row"))
    there = dataset.group_rows(among.config, shard, number, among.split)
    in_shard = np.searchsorted(numbers_of(index["shard"]), (shard, shard + 1))
    numbers = numbers_of(index["row"].slice(in_shard[0], in_shard[1] - in_shard[0]))
    start, stop = np.searchsorted(numbers, (there.start, there.stop)) + in_shard[0]
    return range(start, stop)


def _quotas(there: Counter[str], rows: int) -> dict[str, int]:
    """Split the rows equally; what a small task or split cannot fill goes to the others."""
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
