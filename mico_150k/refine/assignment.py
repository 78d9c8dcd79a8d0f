"""The assignment of each row: the split that it goes to, or the reason why it is skipped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from mico_150k.core.reasons import Reason
from mico_150k.core.sample import SkippedRow
from mico_150k.core.task import Task
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset
from mico_150k.io.arrow import array_of


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `index`; `digests` lists the inputs, then the output."""

    split: str
    shard: int
    row: int
    id: str
    task: str
    digests: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The digests of the inputs, in order."""
        return self.digests[:-1]

    @property
    def output(self) -> str:
        """The digest of the output."""
        return self.digests[-1]


class RowAssignments:
    """The assignments of a dataset's rows, which are numbered over all splits.

    `index` has the rows of all splits in order; `rows` has the values that decisions need, about
    500 bytes each.
    """

    def __init__(self, index: pa.Table, rows: list[Row]) -> None:
        """Assign every row to its present split."""
        self.index = index
        self.rows = rows
        self.overlaps: dict[int, str] = {}
        self._splits = [row.split for row in rows]
        self._left_out: dict[int, tuple[Reason, str]] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> "RowAssignments":
        """Return the assignments of a dataset as it is."""
        tables = dataset.indexes()
        rows = [
            Row(split, shard, row, sample_id, task, tuple(digests))
            for split, table in tables.items()
            for shard, row, sample_id, task, digests in zip(
                *(table[name].to_pylist() for name in ("shard", "row", "id", "task", "digests")),
                strict=True,
            )
        ]
        return cls(pa.concat_tables(tables.values()), rows)

    def index_of(self, places: Sequence[int]) -> pa.Table:
        """Return these rows of the original `index`."""
        return self.index.take(array_of(places, pa.int64()))

    def leave_out(self, place: int, reason: Reason, detail: str = "") -> None:
        """Skip a row; if it is skipped already, the first reason stays."""
        self._left_out.setdefault(place, (reason, detail))

    def move(self, place: int, split: str) -> None:
        """Assign a row to this split."""
        self._splits[place] = split

    def mark(self, place: int, overlap: str) -> None:
        """Keep a row, and record in `index` what it overlaps."""
        self.overlaps[place] = overlap

    def kept(self, split: str | None = None) -> list[int]:
        """Return the numbers of the rows that go to a split, or to any split."""
        return [
            place
            for place, its_split in enumerate(self._splits)
            if place not in self._left_out and split in {None, its_split}
        ]

    def split(self, place: int) -> str | None:
        """Return the split that a row goes to; None if it is skipped."""
        return None if place in self._left_out else self._splits[place]

    def reasons(self) -> Iterator[tuple[Row, Reason, str]]:
        """Yield the skipped rows in order, each with its reason and the detail."""
        for place, (reason, detail) in sorted(self._left_out.items()):
            yield self.rows[place], reason, detail

    def left_out(self) -> Iterator[SkippedRow]:
        """Yield the skipped rows for the quarantine file.

        Rows that were merely not selected are not listed: they may be most of the dataset.
        """
        for row, reason, detail in self.reasons():
            if reason is not Reason.NOT_SELECTED:
                yield SkippedRow(
                    file=layout.shard_name(row.shard, row.split),
                    row=row.row,
                    id=row.id,
                    task=Task(row.task),
                    reason=reason,
                    images=len(row.digests),
                    detail=detail,
                )
