"""Selects rows of `index` by SQL, a seeded sample or a number. It reads no image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from mico_150k.core.errors import BadSelection
from mico_150k.core.plural import counted
from mico_150k.io.arrow import array_of
from mico_150k.io.machine import cores

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows to select: those that match `where`, then a random sample, then the first `limit`.

    Args:
        where: A DuckDB SQL expression over the columns of `index`, such as
            `task = 'hoi' and num_inputs <= 5`.
        sample: The number of rows to draw at random.
        limit: The number of rows to keep.
        seed: Decides the sample: the same rows and seed give the same one.
    """

    where: str | None = None
    sample: int | None = None
    limit: int | None = None
    seed: int = 0

    @property
    def is_all(self) -> bool:
        """Whether every row is selected."""
        return self.where is None and self.sample is None and self.limit is None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the identity of a result."""
        return {
            "where": self.where,
            "sample": self.sample,
            "limit": self.limit,
            "seed": self.seed,
        }

    def of(self, index: pa.Table) -> pa.Table:
        """Return the selected rows of an index, in its order. Raises `BadSelection`."""
        return index if self.is_all else index.take(_array(self.places(index)))

    def places(self, index: pa.Table) -> Places:
        """Return the row numbers of the selection, in order. Raises `BadSelection`."""
        chosen = np.arange(index.num_rows, dtype=np.int64)
        if self.where is not None:
            chosen = _where(index, self.where)
            if not len(chosen):
                msg = f"none of {counted(index.num_rows, 'row')} matches --where {self.where!r}."
                raise BadSelection(msg)
        if self.sample is not None and self.sample < len(chosen):
            chosen = chosen[_sample(index["id"].take(_array(chosen)), self.sample, self.seed)]
        return chosen[: self.limit]


def _array(places: Places) -> pa.Array:
    return array_of(places.tolist(), pa.int32())


def _where(index: pa.Table, where: str) -> Places:
    """The places of the rows where an expression holds."""
    import duckdb

    place = "_place_of_the_row"
    table = index.append_column(place, array_of(range(index.num_rows), pa.int32()))
    # The expression is the user's own; even so it has no business with files or the network.
    settings: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "threads": cores(),
    }
    try:
        with duckdb.connect(":memory:", config=settings) as connection:
            found = connection.from_arrow(table).filter(where).project(place)
            places = found.to_arrow_table()[place]
    except duckdb.Error as error:
        columns = ", ".join(index.column_names)
        what = str(error).partition("\n")[0]  # the rest shows the query, and a column of ours
        msg = (
            f"--where {where!r} is not an SQL expression over the index: {what}\n"
            f"Its columns are {columns}. For example: --where \"task = 'hoi' and num_inputs <= "
            '5"'
        )
        raise BadSelection(msg) from error
    return np.sort(np.array(places.to_pylist(), np.int64))


def _sample(ids: pa.ChunkedArray, rows: int, seed: int) -> Places:
    """The places of that many ids, which look random and depend on nothing but id and seed."""
    ranks = np.fromiter(
        (xxhash.xxh3_64_intdigest(text.as_py().encode(), seed) for text in ids),
        dtype=np.uint64,
        count=len(ids),
    )
    return np.sort(np.argpartition(ranks, rows - 1)[:rows])
