"""Determines the order of rows in training, and which worker reads which row groups.

Only row counts and a seed determine the order. So a training job resumes in mid-epoch: the order
is drawn again up to its position, without reading a byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `start` to `stop` of one row group of a file, and the bytes of one row on average."""

    file: str
    group: int
    start: int
    stop: int
    row_bytes: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.stop - self.start


def shuffled(pieces: Sequence[Piece], seed: int | None, epoch: int) -> list[Piece]:
    """Return the pieces in this epoch's order; unchanged without a seed."""
    order = list(pieces)
    if seed is not None:
        Random(f"{seed} {epoch}").shuffle(order)  # noqa: S311 - no secret
    return order


def share(pieces: Sequence[Piece], part: int, parts: int, *, even: bool) -> list[Piece]:
    """Return one of `parts` partitions of the rows, which differ by at most one row.

    `even` makes them equal: fewer than `parts` rows at the end are then unused. A row group that
    crosses a partition boundary is cut.
    """
    total = sum(piece.rows for piece in pieces)
    if even:
        total -= total % parts
    first, last = part * total // parts, (part + 1) * total // parts
    mine: list[Piece] = []
    at = 0
    for piece in pieces:
        start, stop = max(first - at, 0), min(last - at, piece.rows)
        if start < stop:
            begin = piece.start
            mine.append(
                Piece(piece.file, piece.group, begin + start, begin + stop, piece.row_bytes)
            )
        at += piece.rows
    return mine


def draw(
    pieces: Sequence[Piece], random: Random | None, pool_bytes: int
) -> Iterator[tuple[int, int]]:
    """Yield piece number and row within its row group; in order without `random`.

    With `random`, rows are drawn from a pool filled with whole pieces up to `pool_bytes`.
    """
    if random is None:
        for number, piece in enumerate(pieces):
            yield from ((number, row) for row in range(piece.start, piece.stop))
        return
    pool: list[tuple[int, int]] = []
    pooled = added = 0
    while pool or added < len(pieces):
        while added < len(pieces) and pooled < pool_bytes:
            piece = pieces[added]
            pool += [(added, row) for row in range(piece.start, piece.stop)]
            pooled += piece.rows * piece.row_bytes
            added += 1
        if not pool:
            continue  # skip pieces without rows
        place = random.randrange(len(pool))
        pool[place], pool[-1] = pool[-1], pool[place]
        number, row = pool.pop()
        pooled -= pieces[number].row_bytes
        yield number, row
