"""Builds one unit of a plan: reads it once, forwards, and writes it as shards."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain, islice

from mico_150k.build.plan import IdsDigest, Plan, PlannedFile, Shard, Unit, merge_in_proportion
from mico_150k.build.shard_writer import ShardWriter
from mico_150k.core.errors import SourceChanged
from mico_150k.core.sample import RawSample, Sample, SkippedRow
from mico_150k.dataset.records import ShardRecord
from mico_150k.dataset.row_group import has_room
from mico_150k.dataset.workspace import Workspace
from mico_150k.images.header import Verify
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import BackgroundTask, map_ordered, prefetch
from mico_150k.sources.source import Source, SourceFile
from mico_150k.sources.validate import RowValidator

GROUPS_AHEAD = 2
"""Row groups read and validated beside the rest: a file's first row takes as long as some of them,
and the writer goes on with these meanwhile."""


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """One more row group: rows read for it, bytes of its images, and rows skipped."""

    rows_read: int
    image_bytes: int
    skipped: list[SkippedRow]


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """Bytes of images read since the last report."""

    image_bytes: int


OnGroup = Callable[[GroupProgress | ReadProgress], None]
"""Called when a row group is written, and every moment while rows are read; by one thread at once.
"""
TELL_SECONDS = 0.5
"""Seconds between two reports of bytes read: a row group may take a minute over a network."""


def unit_rows(
    source: Source, plan: Plan, unit: Unit, start: int = 0, *, threaded: bool = False
) -> Generator[RawSample, None, None]:
    """Yield the unit's rows from `start` on, its files merged in proportion.

    Before it yields the last row of a shard, it checks that the files are still as planned, so
    that no shard has rows of changed files. A caller that stops early closes the generator, which
    closes the files.

    Args:
        source: The source.
        plan: The build's plan.
        unit: The unit to read.
        start: The first row, counted over the unit.
        threaded: Whether threads read each file ahead.

    Raises:
        SourceChanged: A file has changed since it was planned.
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
    """A source file that is compared with the plan while it is read."""

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
        """Yield the file's rows; the last one only after the whole file matched the plan."""
        with closing(self._file.read(start, ahead=ahead)) as rows:
            for place, row in enumerate(rows, start=start + 1):
                self._ids.add(row.id)
                if place == self._planned.rows:
                    self._finish(rows)
                yield row

    def require_unchanged(self) -> None:
        """Raise `SourceChanged` if a file that is still being read has changed."""
        if not self._is_done:
            self._file.require_unchanged()

    def changed(self, what: str) -> SourceChanged:
        """Return the error for a changed file."""
        return SourceChanged(
            f"{self._planned.name} of {self._location} {what}: it is not the file that was "
            "planned.\nLet nothing write to the source while it is read, and build again."
        )

    def _finish(self, rows: Iterator[RawSample]) -> None:
        """Read to the end, where the file checks itself again."""
        if next(rows, None) is not None:
            what = "has more rows than its header promised"
            raise self.changed(what)
        if self._ids.value != self._planned.ids:
            what = "has other ids than it had"
            raise self.changed(what)
        self._is_done = True


def _begun(readers: list[Iterator[RawSample]]) -> list[Iterator[RawSample]]:
    """Return the readers after fetching their first rows in parallel: those take longest."""
    firsts = map_ordered([partial(next, reader, None) for reader in readers], cores())
    return [
        reader if first is None else chain([first], reader)
        for reader, first in zip(readers, firsts, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class UnitBuilder:
    """Builds the units of one build.

    Attributes:
        configs: The configurations with images.
        sample: Ids that may go into the sample.
        threaded: Whether threads read and hash.
        image_room: The bytes that decoding one image may take; None for no limit.
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
        """Whether this machine sees the folder that the build has claimed."""
        return self.workspace.is_begun

    def build(self, unit: Unit, finished: set[int], on_group: OnGroup) -> Iterator[ShardRecord]:
        """Write the unit's unfinished shards; yields each when it is finished."""
        yield from self.build_all([unit], finished, on_group)

    def build_all(
        self, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Iterator[ShardRecord]:
        """Write the unfinished shards of several units, one after the other.

        Row groups are read ahead across shards and units; a shard is hashed while the next one is
        written.
        """
        with (
            BackgroundTask[ShardRecord](threaded=self.threaded) as background,
            closing(self._row_groups(units, finished, on_group)) as read,
        ):
            with closing(prefetch(read, GROUPS_AHEAD) if self.threaded else read) as groups:
                for unit in units:
                    for shard in unit.missing(finished):
                        yield from self._write(shard, groups, on_group, background)
            yield from background.wait()

    def _row_groups(
        self, units: Iterable[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator["_ValidatedRows", None, None]:
        """The row groups of all shards that `build_all` writes, in order."""
        for unit in units:
            start = sum(shard.rows for shard in unit.finished(finished))
            rows = unit_rows(self.source, self.plan, unit, start, threaded=self.threaded)
            with closing(rows):
                validated = RowValidator(self.verify, self.image_room).examine(
                    _told(rows, on_group)
                )
                for shard in unit.missing(finished):
                    yield from _cut(islice(validated, shard.rows))

    def _write(
        self,
        shard: Shard,
        groups: Iterator["_ValidatedRows"],
        on_group: OnGroup,
        background: BackgroundTask[ShardRecord],
    ) -> Iterator[ShardRecord]:
        """Write a shard and start finishing it; yields the one that was finished before."""
        writer = ShardWriter(self.workspace, shard.number, self.configs, self.sample)
        try:
            rows = 0
            while rows < shard.rows:
                group = next(groups)
                writer.write(group.samples, group.skipped)
                background.offer(writer.hash_so_far)
                rows += group.rows
                on_group(GroupProgress(group.rows, group.image_bytes, group.skipped))
            yield from background.run(writer.finish)
        except BaseException:
            writer.abandon()
            raise

    def records(self, numbers: Iterable[int]) -> Iterator[ShardRecord]:
        """Yield the records of those shards that any process has finished, in order."""
        for number in sorted(numbers):
            if record := self.workspace.record(number):
                yield record

    def missing_bytes(self, unit: Unit, finished: set[int]) -> int:
        """Estimate the bytes of images in the unit's unfinished shards."""
        rows = sum(shard.rows for shard in unit.shards)
        missing = rows - sum(shard.rows for shard in unit.finished(finished))
        return max(1, self.plan.unit_bytes(unit) * missing // rows) if missing else 0


@dataclass(frozen=True, slots=True)
class _ValidatedRows:
    """The samples of one row group, and the rows that were skipped while it was read."""

    samples: list[Sample] = field(default_factory=list)
    skipped: list[SkippedRow] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of the source."""
        return len(self.samples) + len(self.skipped)

    @property
    def image_bytes(self) -> int:
        """Bytes of the images of its samples."""
        return sum(sample.num_bytes for sample in self.samples)


def _told(rows: Iterable[RawSample], tell: OnGroup) -> Iterator[RawSample]:
    """Yield the rows, and report now and then how many bytes were read."""
    size, last = 0, time.monotonic()
    for row in rows:
        size += row.num_bytes
        now = time.monotonic()
        if now - last >= TELL_SECONDS:
            tell(ReadProgress(size))
            size, last = 0, now
        yield row


def _cut(rows: Iterable[Sample | SkippedRow]) -> Iterator[_ValidatedRows]:
    """Yield a shard's rows in row groups; the last one may have no samples."""
    group = _ValidatedRows()
    for row in rows:
        if isinstance(row, SkippedRow):
            group.skipped.append(row)
            continue
        if not has_room(group.samples, row):
            yield group
            group = _ValidatedRows()
        group.samples.append(row)
    yield group
