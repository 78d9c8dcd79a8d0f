"""Images out of a dataset's shards: a thread reads the next row group while one is used."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.builders import BUILDERS
from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import as_view
from mico_150k.pretokenize.material import CellPlace

Group = tuple[pa.Array, pa.Array]
"""A row group's inputs and outputs."""


class ParquetImages:
    """Holds two row groups, the one whose images are asked for and the one after it."""

    def __init__(self) -> None:
        """Nothing is held yet."""
        self._thread = ThreadPoolExecutor(1)
        self._groups: dict[tuple[str, int], Future[Group]] = {}

    def loaders(self, places: Sequence[CellPlace]) -> Iterator[Callable[[], memoryview]]:
        """For each place in order what gives its bytes, as soon as they are read.

        It raises `UnusableImage`, and what reading Parquet raises.
        """
        keys = [(place.shard, place.group) for place in places]
        following = dict(pairwise(dict.fromkeys(keys)))
        for place, key in zip(places, keys, strict=True):
            wanted = [key, following[key]] if key in following else [key]
            self._groups = {
                one: self._groups.get(one) or self._thread.submit(_read, *one) for one in wanted
            }
            yield partial(_cell, self._groups[key], place)

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(cancel_futures=True)


def _read(shard: str, group: int) -> Group:
    columns = {
        column.attribute: name
        for name, column in BUILDERS[Path(shard).parent.name].columns.items()
        if column.attribute in {"inputs", "output"}
    }
    with pq.ParquetFile(shard, pre_buffer=False) as file:
        table = file.read_row_group(group, columns=list(columns.values()))
    return tuple(table[columns[name]].combine_chunks() for name in ("inputs", "output"))


def _cell(group: Future[Group], place: CellPlace) -> memoryview:
    """The image's encoded bytes, a view into the row group."""
    inputs, outputs = group.result()
    images = inputs[place.row].values
    cell = images[place.image] if place.image < len(images) else outputs[place.row]
    data = cell["bytes"].as_buffer() if cell.is_valid else None
    if data is None:
        raise UnusableImage(Reason.NULL_IMAGE)
    return as_view(data)
