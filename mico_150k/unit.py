"""One unit of a plan: read once, forwards, and written as shards in all configurations."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from mico_150k import names
from mico_150k.builders import get_builder
from mico_150k.errors import BrokenFile
from mico_150k.examine import Examiner
from mico_150k.images.header import Verify
from mico_150k.index import IndexPart
from mico_150k.plan import Plan, Shard, Unit, merge_in_proportion
from mico_150k.records import ShardRecord, Tally
from mico_150k.row_group import cut
from mico_150k.sample import LeftOut, RawSample, Sample
from mico_150k.sampling import SamplePart
from mico_150k.shard_writer import ShardWriter
from mico_150k.sources.source import Source
from mico_150k.workspace import Workspace

OnGroup = Callable[[int, int, list[LeftOut]], None]
"""Called after each row group: rows read since the last call, bytes of images written, and the
rows left out."""


def unit_rows(source: Source, plan: Plan, unit: Unit, start: int = 0) -> Iterator[RawSample]:
    """The unit's rows from `start` on, its files merged in proportion.

    Raises `BrokenFile` where a file has fewer rows than it was planned with.
    """
    order = list(merge_in_proportion([plan.files[place].rows for place in unit.files]))
    readers = [
        source.files[file].read(order[:start].count(place)) for place, file in enumerate(unit.files)
    ]
    for place in order[start:]:
        row = next(readers[place], None)
        if row is None:
            msg = (
                f"{plan.files[unit.files[place]].name} ends before the row that its header "
                "promises: the source changes while it is read."
            )
            raise BrokenFile(msg)
        yield row


@dataclass(frozen=True, slots=True)
class UnitBuilder:
    """What all units of a build have in common. `configs` are those with images."""

    source: Source
    plan: Plan
    workspace: Workspace
    configs: tuple[str, ...]
    with_sample: bool
    verify: Verify

    def build(self, unit: Unit, finished: set[int], on_group: OnGroup) -> Iterator[ShardRecord]:
        """Write the unit's shards that are not finished; yields each when it is."""
        done = 0
        while done < len(unit.shards) and unit.shards[done].number in finished:
            done += 1
        start = sum(shard.rows for shard in unit.shards[:done])
        examiner = Examiner(self.verify)
        rows = unit_rows(self.source, self.plan, unit, start)
        for shard in unit.shards[done:]:
            record = self._write(shard, examiner.examine(islice(rows, shard.rows)), on_group)
            self.workspace.keep(record)
            yield record

    def _write(
        self, shard: Shard, results: Iterator[Sample | LeftOut], on_group: OnGroup
    ) -> ShardRecord:
        workspace = self.workspace
        columns = {name: get_builder(name).columns for name in self.configs}
        writer = ShardWriter(workspace.folder, shard.number, columns)
        index = IndexPart(workspace.part(names.INDEX, shard.number), shard.number)
        sample = None
        if self.with_sample:
            candidates = frozenset(id_ for ids in self.plan.sample.values() for id_ in ids)
            sample = SamplePart(workspace.part(names.SAMPLE, shard.number), candidates)
        tally = Tally()
        rows_told = left_out_told = 0
        try:
            for samples in cut(tally.samples(results)):
                writer.write(samples)
                index.add(samples)
                if sample:
                    sample.add(samples)
                size = sum(row.num_bytes for row in samples)
                on_group(tally.rows_read - rows_told, size, tally.left_out[left_out_told:])
                rows_told, left_out_told = tally.rows_read, len(tally.left_out)
            on_group(tally.rows_read - rows_told, 0, tally.left_out[left_out_told:])
            index.finish()
            if sample:
                sample.finish()
            files = writer.finish()
        except BaseException:
            writer.abandon()
            if sample:
                sample.abandon()
            raise
        return tally.record(shard.number, files)
