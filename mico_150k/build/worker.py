"""One unit of a plan: read once, forwards, and written as shards in all configurations."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain, islice

from mico_150k.build.plan import IdsDigest, Plan, PlannedFile, Shard, Unit, merge_in_proportion
from mico_150k.build.shard_writer import ShardWriter
from mico_150k.core.errors import SourceChanged
from mico_150k.core.sample import RawSample, Sample, SkippedRow
from mico_150k.dataset.records import ShardRecord, ShardStats
from mico_150k.dataset.row_group import cut
from mico_150k.dataset.workspace import Workspace
from mico_150k.images.header import Verify
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import BackgroundTask, map_ordered, prefetch
from mico_150k.sources.source import Source, SourceFile
from mico_150k.sources.validate import RowValidator

OnGroup = Callable[[int, int, list[SkippedRow]], None]
"""Called after each row group: rows read since the last call, bytes of images written, and the
rows left out."""

GROUPS_AHEAD = 2
"""Row groups examined beside the rest: a file's first row takes as long as some of them, and the
writer goes on with these meanwhile."""


def unit_rows(
    source: Source, plan: Plan, unit: Unit, start: int = 0, *, threaded: bool = False
) -> Generator[RawSample, None, None]:
    """The unit's rows from `start` on, its files merged in proportion.

    `threaded` reads each file ahead; who stops early closes it, and with it the files.

    Before the last row of a shard is handed on, all files that it was read from are found to be
    as they were planned: no shard is finished of others. Raises `SourceChanged` for one that is
    not, or that has other rows.
    """
    order = list(merge_in_proportion([plan.files[place].rows for place in unit.files]))
    with ExitStack() as opened:
        begun = [order[:start].count(place) for place in range(len(unit.files))]
        checked = [
            _Checked(source.files[file], plan.files[file], source.location, rows)
            for file, rows in zip(unit.files, begun, strict=True)
        ]
        readers: list[Iterator[RawSample]] = [
            opened.enter_context(closing(file.read(rows, ahead=threaded)))
            for file, rows in zip(checked, begun, strict=True)
        ]
        if threaded:
            readers = _begun(readers)
        ends = set(accumulate(shard.rows for shard in unit.shards))
        for done, place in enumerate(order[start:], start=start + 1):
            row = next(readers[place], None)
            if row is None:
                what = "ends before the row that its header promises"
                raise checked[place].changed(what)
            if done in ends:
                for file in checked:
                    file.require_unchanged()
            yield row


class _Checked:
    """A file that is compared with its plan while it is read."""

    def __init__(self, file: SourceFile, planned: PlannedFile, location: str, start: int) -> None:
        self._file = file
        self._planned = planned
        self._location = location
        self._ids = IdsDigest()
        self._is_done = False
        if 0 < start < planned.rows:
            for task, source_id in islice(file.identities(), start):
                self._ids.add(f"{task}/{source_id}")

    def read(self, start: int, *, ahead: bool) -> Generator[RawSample, None, None]:
        """Its rows; the last one once it is known to be the last of the file that was planned."""
        with closing(self._file.read(start, ahead=ahead)) as rows:
            for place, row in enumerate(rows, start=start + 1):
                self._ids.add(row.id)
                if place == self._planned.rows:
                    self._finish(rows)
                yield row

    def require_unchanged(self) -> None:
        """Raise `SourceChanged` for a file that is still being read and is another one by now."""
        if not self._is_done:
            self._file.require_unchanged()

    def changed(self, what: str) -> SourceChanged:
        """The error for a file that turns out to be another one."""
        return SourceChanged(
            f"{self._planned.name} of {self._location} {what}: it is not the file that was "
            "planned.\nLet nothing write to the source while it is read, and begin anew."
        )

    def _finish(self, rows: Iterator[RawSample]) -> None:
        """Read on to the end, where the file looks at itself once more."""
        if next(rows, None) is not None:
            what = "has more rows than its header promised"
            raise self.changed(what)
        if self._ids.value != self._planned.ids:
            what = "has other ids than it had"
            raise self.changed(what)
        self._is_done = True


def _begun(readers: list[Iterator[RawSample]]) -> list[Iterator[RawSample]]:
    """The same, with the first row of each there: those take longest, so on all cores at once."""
    firsts = map_ordered([partial(next, reader, None) for reader in readers], cores())
    return [
        reader if first is None else chain([first], reader)
        for reader, first in zip(readers, firsts, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class UnitBuilder:
    """What all units of a build have in common.

    `configs` are those with images; `sample` are the ids that may go into the sample.
    `threaded` is whether reading and hashing may run beside the rest. `image_room` are the bytes
    that decoding one image may take; None is without a limit.
    """

    source: Source
    plan: Plan
    workspace: Workspace
    configs: tuple[str, ...]
    sample: frozenset[str]
    verify: Verify
    threaded: bool
    image_room: int | None = field(default=None, kw_only=True)

    @property
    def sees_output(self) -> bool:
        """Whether the folder that the build has claimed is seen from here."""
        return self.workspace.is_begun

    def build(self, unit: Unit, finished: set[int], on_group: OnGroup) -> Iterator[ShardRecord]:
        """Write the unit's shards that are not finished; yields each when it is."""
        yield from self.build_all([unit], finished, on_group)

    def build_all(
        self, units: Iterable[Unit], finished: set[int], on_group: OnGroup
    ) -> Iterator[ShardRecord]:
        """The same of several units, each read from the moment the one before it has been."""
        with (
            BackgroundTask[ShardRecord](threaded=self.threaded) as aside,
            closing(self._examined(units, finished)) as groups,
        ):
            with closing(prefetch(groups, GROUPS_AHEAD) if self.threaded else groups) as ready:
                yield from self._write(ready, on_group, aside)
            yield from aside.wait()

    def _examined(
        self, units: Iterable[Unit], finished: set[int]
    ) -> Generator["_Examined", None, None]:
        """What goes into the row groups of the units' shards that are not finished."""
        for unit in units:
            done = unit.finished(finished)
            start = sum(shard.rows for shard in done)
            rows = unit_rows(self.source, self.plan, unit, start, threaded=self.threaded)
            with closing(rows):
                examiner = RowValidator(self.verify, self.image_room)
                yield from _examined(examiner, rows, unit.shards[len(done) :])

    def records(self, numbers: Iterable[int]) -> Iterator[ShardRecord]:
        """The records of those of these shards that any process has finished, in their order."""
        for number in sorted(numbers):
            if record := self.workspace.record(number):
                yield record

    def missing_bytes(self, unit: Unit, finished: set[int]) -> int:
        """Bytes of images, about, in the unit's shards that are not finished."""
        rows = sum(shard.rows for shard in unit.shards)
        missing = rows - sum(shard.rows for shard in unit.finished(finished))
        return max(1, self.plan.unit_bytes(unit) * missing // rows) if missing else 0

    def _write(
        self, groups: Iterator["_Examined"], on_group: OnGroup, aside: BackgroundTask[ShardRecord]
    ) -> Iterator[ShardRecord]:
        writer: ShardWriter | None = None
        try:
            for group in groups:
                writer = writer or ShardWriter(
                    self.workspace, group.shard.number, self.configs, self.sample
                )
                if group.samples:
                    writer.write(group.samples)
                    aside.offer(writer.hash_so_far)
                size = sum(sample.num_bytes for sample in group.samples)
                on_group(group.rows_read, size, group.left_out)
                if group.tally:
                    yield from aside.run(partial(writer.finish, group.tally))
                    writer = None
        finally:
            if writer:
                writer.abandon()


@dataclass(frozen=True, slots=True)
class _Examined:
    """What goes into one row group, and what was read and left out since the one before it.

    The last of a shard has no samples, and the tally of them all.
    """

    shard: Shard
    samples: list[Sample]
    rows_read: int
    left_out: list[SkippedRow]
    tally: ShardStats | None = None


def _examined(
    examiner: RowValidator, rows: Iterator[RawSample], shards: Iterable[Shard]
) -> Generator[_Examined, None, None]:
    """The rows of these shards, examined and cut into row groups."""
    results = examiner.examine(rows)
    for shard in shards:
        tally = ShardStats()
        rows_told = left_out_told = 0
        groups = cut(tally.samples(islice(results, shard.rows)))
        for samples in chain(groups, [[]]):
            read, left_out = tally.rows_read - rows_told, tally.left_out[left_out_told:]
            yield _Examined(shard, samples, read, left_out, None if samples else tally)
            rows_told, left_out_told = tally.rows_read, len(tally.left_out)
