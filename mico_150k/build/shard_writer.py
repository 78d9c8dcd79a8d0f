"""Writes one shard in all its configurations, row group by row group, in one pass."""

from collections.abc import Iterable, Sequence

from mico_150k.build.sample_config import SamplePart
from mico_150k.builders import get_builder
from mico_150k.core.sample import Sample, SkippedRow
from mico_150k.dataset import layout
from mico_150k.dataset.config_file import ConfigFile
from mico_150k.dataset.index import IndexPart
from mico_150k.dataset.layout import shard_name
from mico_150k.dataset.records import ShardRecord, ShardStats
from mico_150k.dataset.row_group import RowGroup
from mico_150k.dataset.workspace import Workspace


class ShardWriter:
    """The files of one shard, and its parts of the small configurations."""

    def __init__(
        self,
        workspace: Workspace,
        number: int,
        configs: Sequence[str],
        sample: frozenset[str],
        split: str = layout.SPLIT,
    ) -> None:
        """Open the files of a shard.

        Args:
            workspace: The dataset folder.
            number: The shard's number.
            configs: The configurations with images.
            sample: Ids that may go into the sample.
            split: The shard's split.
        """
        self._workspace = workspace
        self._number = number
        self._split = split
        self._files = {
            name: ConfigFile(
                workspace.folder / name / shard_name(number, split), get_builder(name).columns
            )
            for name in configs
        }
        self._index = IndexPart(workspace.part(layout.INDEX, number, split), number)
        self._sample = SamplePart(workspace.part(layout.SAMPLE, number, split), sample)
        self._stats = ShardStats()

    def write(self, samples: Sequence[Sample], skipped: Iterable[SkippedRow] = ()) -> None:
        """Append one row group to each file; count what was `skipped` while it was read."""
        for sample in samples:
            self._stats.add(sample)
        for row in skipped:
            self._stats.add(row)
        if not samples:
            return
        group = RowGroup(samples)
        for file in self._files.values():
            file.write(group)
        self._index.add(samples)
        self._sample.add(samples)

    def hash_so_far(self) -> None:
        """Hash what all files hold so far; may run in parallel with `write`."""
        for file in self._files.values():
            file.hash_so_far()

    def finish(self) -> ShardRecord:
        """Close and rename all files, and record that the shard is finished."""
        try:
            parts = {layout.INDEX: self._index.finish()}
            if sample := self._sample.finish():
                parts[layout.SAMPLE] = sample
            files = {name: file.finish() for name, file in self._files.items()}
        except BaseException:
            self.abandon()
            raise
        record = self._stats.record(self._number, files, self._split, parts)
        self._workspace.keep(record)
        return record

    def abandon(self) -> None:
        """Remove what was written and is not finished."""
        for file in self._files.values():
            file.close()
        self._sample.abandon()
