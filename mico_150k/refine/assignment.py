"""What becomes of each row of a dataset: the split that it goes to, or why it is left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from mico_150k.core.reasons import Reason
from mico_150k.core.sample import SkippedRow
from mico_150k.core.task import Task
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a dataset, as `index` has it; `digests` are of the inputs, then of the output."""

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
    """What becomes of a dataset's rows; a row is called by its place among them.

    `index` has the rows of all splits, in order, and `rows` what is asked of each: some 500 bytes.
    """

    def __init__(self, index: pa.Table, rows: list[Row]) -> None:
        """Every row stays where it is."""
        self.index = index
        self.rows = rows
        self.overlaps: dict[int, str] = {}
        self._splits = [row.split for row in rows]
        self._left_out: dict[int, tuple[Reason, str]] = {}

    @classmethod
    def of(cls, dataset: Dataset) -> "RowAssignments":
        """Of a dataset as it is."""
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
        """These rows of `index`, as it was."""
        return self.index.take(pa.array(places, pa.int64()))

    def leave_out(self, place: int, reason: Reason, detail: str = "") -> None:
        """The row goes nowhere; the first reason stands."""
        self._left_out.setdefault(place, (reason, detail))

    def move(self, place: int, split: str) -> None:
        """The row goes to this split."""
        self._splits[place] = split

    def mark(self, place: int, overlap: str) -> None:
        """The row stays, and `index` says what it overlaps."""
        self.overlaps[place] = overlap

    def kept(self, split: str | None = None) -> list[int]:
        """The places of the rows that go to a split, or to any."""
        return [
            place
            for place, its_split in enumerate(self._splits)
            if place not in self._left_out and split in {None, its_split}
        ]

    def split(self, place: int) -> str | None:
        """The split that a row goes to, or None."""
        return None if place in self._left_out else self._splits[place]

    def reasons(self) -> Iterator[tuple[Row, Reason, str]]:
        """The rows that are left out, in order, each with its reason and what is said of it."""
        for place, (reason, detail) in sorted(self._left_out.items()):
            yield self.rows[place], reason, detail

    def left_out(self) -> Iterator[SkippedRow]:
        """The same as lines of the quarantine file.

        Not those that were simply not asked for: they may be most of the dataset.
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
