"""Chooses the rows of a validation split so that it costs few training rows.

A row that shares an input image or the output with the split would leak into training, so such
rows are dropped. An image is used about four times, so a random split costs several rows for each
of its own. Therefore candidates, ten times as many as needed, are drawn at random (by seed) in
proportion to tasks and numbers of inputs. From these, the row that costs the fewest other rows is
taken, one after the other.

Measured on an index of 148,000 rows with 3.4 inputs each and an image used 2.5 times: 500 rows
cost 1.6 % of the others, against 3.1 % at random. Without the strata by number of inputs, those
taken would have had 2.4 inputs on average.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import xxhash

from mico_150k.build.plan import merge_in_proportion, proportional
from mico_150k.core.errors import TooManyLost
from mico_150k.core.plural import counted
from mico_150k.refine.assignment import Row

MAX_LOSS = 0.05
"""The fraction of the training rows that a validation split may cost."""
DRAWN = 10
"""Candidates per row: more of them cost fewer rows, but represent the dataset less well."""


def choose_validation(
    rows: Sequence[tuple[int, Row]], size: int, *, seed: int, max_loss: float
) -> tuple[list[int], list[int]]:
    """Choose the rows of the split.

    Args:
        rows: Row numbers and rows.
        size: The number of rows in the split.
        seed: Decides the candidates.
        max_loss: The fraction of the rows that may be dropped.

    Returns:
        The rows of the split, and the rows that are dropped, both in order.

    Raises:
        TooManyLost: More rows than `max_loss` would be dropped.
    """
    neighbours = _Neighbours(rows)
    strata: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, row in rows:
        strata[row.task][f"{len(row.inputs):03d}"].append(place)
    tasks = {task: sum(map(len, strata[task].values())) for task in sorted(strata)}
    wanted = {
        (task, inputs): count
        for task, of_task in proportional(tasks, size).items()
        for inputs, count in proportional(
            {inputs: len(places) for inputs, places in sorted(strata[task].items())}, of_task
        ).items()
    }
    ranks = {place: _rank(row.id, seed) for place, row in rows}
    pool_of: dict[int, _Pool] = {}
    pools = []
    for (task, inputs), count in wanted.items():
        places = heapq.nsmallest(DRAWN * count, strata[task][inputs], key=ranks.__getitem__)
        pools.append(_Pool({place: ranks[place] for place in places}))
        pool_of.update(dict.fromkeys(places, pools[-1]))
    costs = {place: len(neighbours.of(place)) for place in pool_of}
    for place, pool in pool_of.items():
        pool.put(place, costs[place])
    drawn = set(pool_of)
    taken: set[int] = set()
    lost: set[int] = set()
    for turn in merge_in_proportion(list(wanted.values())):
        place = pools[turn].take()
        taken.add(place)
        gone = neighbours.of(place) - taken - lost
        new = gone if place in lost else gone | {place}
        lost.discard(place)
        lost |= gone
        cheaper = set(gone)
        for settled in new:  # it costs nobody anything any more
            for other in neighbours.of(settled) & drawn:
                costs[other] -= 1
                cheaper.add(other)
        for other in (cheaper & drawn) - taken:
            pool_of[other].put(other, costs[other] - (other in lost))
    if len(lost) > max_loss * len(rows):
        raise _too_many(size, len(lost), len(rows), max_loss)
    return sorted(taken), sorted(lost)


class _Pool:
    """Rows of one stratum that may be taken: first the one that costs least, then by rank."""

    def __init__(self, ranks: Mapping[int, int]) -> None:
        self._ranks = ranks
        self._costs: dict[int, int] = {}
        self._heap: list[tuple[int, int, int]] = []

    def put(self, place: int, cost: int) -> None:
        """Add a row, or say what it costs now."""
        self._costs[place] = cost
        heapq.heappush(self._heap, (cost, self._ranks[place], place))

    def take(self) -> int:
        """The place of the first, which is no longer in it."""
        while True:
            cost, _, place = heapq.heappop(self._heap)
            if self._costs.get(place) == cost:  # else an entry from before it cost less
                del self._costs[place]
                return place


class _Neighbours:
    """Which rows share an input image, or have the same output."""

    def __init__(self, rows: Sequence[tuple[int, Row]]) -> None:
        self._rows = dict(rows)
        self._users: dict[str, list[int]] = defaultdict(list)
        for place, row in rows:
            for key in _keys(row):
                self._users[key].append(place)

    def of(self, place: int) -> set[int]:
        """The others."""
        found = {user for key in _keys(self._rows[place]) for user in self._users[key]}
        found.discard(place)
        return found


def _keys(row: Row) -> Iterator[str]:
    yield from set(row.inputs)
    yield f"output {row.output}"


def _rank(sample_id: str, seed: int) -> int:
    """A number that looks random and is not."""
    return xxhash.xxh3_64_intdigest(f"validation {sample_id}".encode(), seed)


def _too_many(size: int, lost: int, rows: int, max_loss: float) -> TooManyLost:
    return TooManyLost(
        f"--validation {size} costs {lost} of {counted(rows, 'row')} ({lost / rows:.1%}), which "
        "share an "
        f"image with the split and could not be trained on; --max-loss allows {max_loss:.1%}.\n"
        f"Use a smaller --validation, or --max-loss {(100 * lost // rows + 1) / 100:.2f}."
    )
