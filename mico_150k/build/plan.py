"""The plan of a build, made from headers before an image is read.

A release file can only be read forwards, so the unit of work is a file of at least a shard's
size, which becomes shards of consecutive rows, or a group of smaller ones of all tasks, merged
in proportion into one shard. The number, the names and the source rows of all shards are known
at once: they depend neither on workers nor on what is left out later.
"""

import heapq
import random
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import ceil
from typing import Any, TypeVar

import numpy as np
import xxhash

from mico_150k.core.errors import BrokenFile, DuplicateIds
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out
from mico_150k.core.plural import counted
from mico_150k.core.task import Task
from mico_150k.sources.source import Source, SourceFile

SHARD_BYTES = 500 << 20
"""Of images: the size that `datasets` writes; a terabyte is 2,000 shards, far below the Hub's
10,000 files in a folder."""
MOST_FILES = 64
"""That are merged into one shard: all are open meanwhile, each with a thread and its largest page,
and a process may have 256 files open on some systems."""
SAMPLE_ROWS = 1000
"""Rows of the configuration `sample`."""
SAMPLE_RESERVE = 0.02
"""More candidates than the sample has rows, for those that are skipped."""
MIN_RESERVE = 5
IDENTITY_VERSION = 1
"""Of the keys of a plan's identity."""
_MOST_HELD = 8 * SAMPLE_ROWS
"""Ids of a task from which the best for the sample are taken, before more are looked at."""

AnyTask = TypeVar("AnyTask", bound=str)


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard: its number, and how many rows of its unit it takes."""

    number: int
    rows: int


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of work: one source file, or several merged in proportion.

    Attributes:
        files: Positions in `Plan.files`.
        shards: The shards that take the unit's rows, in order.
    """

    files: tuple[int, ...]
    shards: tuple[Shard, ...]

    def finished(self, numbers: Collection[int]) -> tuple[Shard, ...]:
        """Return the shards to keep, given the `numbers` of finished ones.

        A shard after a gap is written again, since its rows are read to fill the gap.
        """
        return tuple(takewhile(lambda shard: shard.number in numbers, self.shards))

    def missing(self, numbers: Collection[int]) -> tuple[Shard, ...]:
        """Return the shards to write, given the `numbers` of finished ones."""
        return self.shards[len(self.finished(numbers)) :]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of the source as it was planned; `tasks` counts rows, `ids` is a digest of the ids."""

    name: str
    rows: int
    image_bytes: int
    content_hash: str
    tasks: dict[Task, int]
    ids: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole build.

    `sample` are the ids that may go into the configuration `sample`, best first within their
    task, and `sample_rows` how many of each task do.
    """

    files: tuple[PlannedFile, ...]
    units: tuple[Unit, ...]
    sample: dict[Task, tuple[str, ...]]
    sample_rows: dict[Task, int]
    seed: int
    shard_bytes: int

    @property
    def rows(self) -> int:
        """Rows of the source."""
        return sum(file.rows for file in self.files)

    @property
    def image_bytes(self) -> int:
        """Bytes of all images, from headers."""
        return sum(file.image_bytes for file in self.files)

    def unit_bytes(self, unit: Unit) -> int:
        """Bytes of images in the files of a unit."""
        return sum(self.files[place].image_bytes for place in unit.files)

    def part(self, units: Sequence[Unit]) -> "Plan":
        """Return the plan of these units only, to add up their rows and bytes."""
        places = sorted({place for unit in units for place in unit.files})
        return replace(self, files=tuple(self.files[place] for place in places), units=tuple(units))

    @property
    def shards(self) -> int:
        """How many shards each configuration has."""
        return sum(len(unit.shards) for unit in self.units)

    def identity(self) -> dict[str, Any]:
        """Everything that the plan decides, as plain values."""
        return {
            "version": IDENTITY_VERSION,
            "files": [
                {
                    "name": file.name,
                    "rows": file.rows,
                    "image_bytes": file.image_bytes,
                    "content_hash": file.content_hash,
                    "tasks": {task.value: rows for task, rows in file.tasks.items()},
                    "ids": file.ids,
                }
                for file in self.files
            ],
            "units": [
                {
                    "files": list(unit.files),
                    "shards": [{"number": of.number, "rows": of.rows} for of in unit.shards],
                }
                for unit in self.units
            ],
            "sample": {task.value: list(ids) for task, ids in self.sample.items()},
            "sample_rows": {task.value: rows for task, rows in self.sample_rows.items()},
            "seed": self.seed,
            "shard_bytes": self.shard_bytes,
        }


def make_plan(source: Source, *, shard_bytes: int = SHARD_BYTES, seed: int = 0) -> Plan:
    """Plan a build; this reads the ids of all rows.

    Args:
        source: The source.
        shard_bytes: Bytes of images per shard.
        seed: Decides the order of shards and the rows of the sample.

    Raises:
        DuplicateIds: Two rows have the same id.
        BrokenFile: A file is damaged.
    """
    files, best = _read_identities(source.files, seed)
    units = tuple(_number(_units(files, shard_bytes), files, seed))
    counts = Counter[Task]()
    for file in files:
        counts.update(file.tasks)
    sample_rows = proportional(counts, SAMPLE_ROWS)
    sample = {task: candidates(best[task].ids, rows, seed) for task, rows in sample_rows.items()}
    return Plan(files, units, sample, sample_rows, seed, shard_bytes)


def merge_in_proportion(rows: Sequence[int]) -> Iterator[int]:
    """Yield the file of each next row, so that all files end together.

    >>> list(merge_in_proportion([4, 2]))
    [0, 1, 0, 0, 1, 0]
    """
    queue = [(0.5 / count, place) for place, count in enumerate(rows) if count]
    heapq.heapify(queue)
    taken = [0] * len(rows)
    while queue:
        _, place = queue[0]
        yield place
        taken[place] += 1
        if taken[place] < rows[place]:
            heapq.heapreplace(queue, ((taken[place] + 0.5) / rows[place], place))
        else:
            heapq.heappop(queue)


class IdsDigest:
    """A digest of ids in their order, for comparing what was planned with what is read."""

    def __init__(self) -> None:
        """Start without ids."""
        self._digest = xxhash.xxh3_128()

    def add(self, sample_id: str) -> None:
        """Add the next row's id."""
        self._digest.update(f"{sample_id}\0".encode())

    @property
    def value(self) -> str:
        """Return the digest in hex."""
        return self._digest.hexdigest()


class _Best:
    """The ids of a task that the sample may need: a few more than it has rows."""

    def __init__(self, seed: int) -> None:
        self.ids: list[str] = []
        self._seed = seed

    def add(self, sample_id: str) -> None:
        self.ids.append(sample_id)
        if len(self.ids) > _MOST_HELD:
            self.ids = list(candidates(self.ids, SAMPLE_ROWS, self._seed))


def _read_identities(
    source_files: Sequence[SourceFile], seed: int
) -> tuple[tuple[PlannedFile, ...], dict[Task, _Best]]:
    """Each file with its rows by task, and the best ids of each task; no id may come twice.

    `datasets` has not checked this since 4.5. Eight bytes are held for each row.
    """
    files = []
    best: dict[Task, _Best] = {}
    hashes = array("Q")
    for file in source_files:
        tasks = Counter[Task]()
        ids = IdsDigest()
        for task, source_id in file.identities():
            sample_id = f"{task}/{source_id}"
            ids.add(sample_id)
            hashes.append(_hash(sample_id))
            if task not in best:
                best[task] = _Best(seed)
            best[task].add(sample_id)
            tasks[task] += 1
        if tasks.total() != file.rows:
            msg = (
                f"{file.name}: its id column has {counted(tasks.total(), 'row')}, and its header "
                "says "
                f"{file.rows}.\n"
                f"{leave_out(file.name)}"
            )
            raise BrokenFile(msg)
        files.append(
            PlannedFile(
                file.name, file.rows, file.image_bytes, file.content_hash, dict(tasks), ids.value
            )
        )
    _refuse_twice(source_files, hashes)
    return tuple(files), best


def _refuse_twice(source_files: Sequence[SourceFile], hashes: "array[int]") -> None:
    """Raise `DuplicateIds` if two rows share an id; equal hashes make it read the ids again."""
    ordered = np.sort(np.asarray(hashes))
    doubtful = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not doubtful:
        return
    seen: dict[str, tuple[str, int]] = {}
    for file in source_files:
        for row, (task, source_id) in enumerate(file.identities()):
            sample_id = f"{task}/{source_id}"
            if _hash(sample_id) not in doubtful:
                continue
            if sample_id in seen:
                raise _duplicate(sample_id, seen[sample_id], (file.name, row))
            seen[sample_id] = (file.name, row)


def _hash(sample_id: str) -> int:
    return xxhash.xxh3_64_intdigest(sample_id.encode())


def _duplicate(sample_id: str, *places: tuple[str, int]) -> DuplicateIds:
    where = " and ".join(f"{file}, row {row}" for file, row in places)
    return DuplicateIds(
        f"the id {excerpt(repr(sample_id))} appears twice: {where}.\n"
        "If another column is the id: --map id=COLUMN. If none is, number the rows: --map "
        "id=@row"
    )


def _units(files: Sequence[PlannedFile], shard_bytes: int) -> Iterator[tuple[list[int], int]]:
    """Places of files that are read together, and the number of shards that they become."""
    small = []
    for place, file in enumerate(files):
        if not file.rows:
            continue
        if file.image_bytes < shard_bytes:
            small.append(place)
        else:
            yield [place], min(file.rows, round(file.image_bytes / shard_bytes))
    total = max(1, sum(files[place].image_bytes for place in small))
    groups = max(1, round(total / shard_bytes), ceil(len(small) / MOST_FILES))
    group: list[int] = []
    size = cuts = 0
    for place in _mixed(files, small):
        group.append(place)
        size += files[place].image_bytes
        if size * groups >= total * (cuts + 1) or len(group) == MOST_FILES:
            yield group, 1
            group, cuts = [], size * groups // total
    if group:
        yield group, 1


def _mixed(files: Sequence[PlannedFile], places: list[int]) -> list[int]:
    """The files of all tasks in turn, each task spread evenly over the whole."""
    by_task: dict[Task | None, list[int]] = {}
    for place in places:
        by_task.setdefault(_only_task(files[place]), []).append(place)
    turns = [
        ((turn + 0.5) / len(of_task), place)
        for of_task in by_task.values()
        for turn, place in enumerate(of_task)
    ]
    return [place for _, place in sorted(turns)]


def _only_task(file: PlannedFile) -> Task | None:
    return next(iter(file.tasks)) if len(file.tasks) == 1 else None


def _number(
    units: Iterator[tuple[list[int], int]], files: Sequence[PlannedFile], seed: int
) -> Iterator[Unit]:
    """Number the shards so that, in their order, all tasks come in turn.

    A task's n shards are spread evenly over the whole, each moved at random within its nth.
    """
    unnumbered = list(units)
    by_task: dict[Task | None, list[tuple[int, int]]] = {}
    for unit, (places, count) in enumerate(unnumbered):
        task = _only_task(files[places[0]]) if len(places) == 1 else None
        by_task.setdefault(task, []).extend((unit, part) for part in range(count))
    rng = random.Random(seed)  # noqa: S311 - an order, no secret
    turns = [
        ((turn + rng.random()) / len(parts), part)
        for _, parts in sorted(by_task.items(), key=lambda item: str(item[0]))
        for turn, part in enumerate(parts)
    ]
    numbers = {part: number for number, (_, part) in enumerate(sorted(turns))}
    for unit, (places, count) in enumerate(unnumbered):
        rows = sum(files[place].rows for place in places)
        ends = [rows * (part + 1) // count for part in range(count)]
        starts = [0, *ends[:-1]]
        yield Unit(
            tuple(places),
            tuple(
                Shard(numbers[unit, part], end - start)
                for part, (start, end) in enumerate(zip(starts, ends, strict=True))
            ),
        )


def proportional(counts: Mapping[AnyTask, int], size: int) -> dict[AnyTask, int]:
    """Divide `size` in proportion to the counts, by largest remainder."""
    total = sum(counts.values())
    size = min(size, total)
    shares = {task: size * count / total for task, count in counts.items()}
    rows = {task: int(share) for task, share in shares.items()}
    by_remainder = sorted(shares, key=lambda task: (rows[task] - shares[task], str(task)))
    for task in by_remainder[: size - sum(rows.values())]:
        rows[task] += 1
    return rows


def candidates(ids: list[str], rows: int, seed: int) -> tuple[str, ...]:
    """Return ids for the sample, in a pseudorandom order that the seed decides."""
    reserve = max(MIN_RESERVE, round(rows * SAMPLE_RESERVE))
    ranked = heapq.nsmallest(
        rows + reserve,
        ids,
        key=lambda sample_id: xxhash.xxh3_64_intdigest(sample_id.encode(), seed),
    )
    return tuple(ranked)
