"""Builds shards in temporary folders and uploads them, so that nodes need no shared disk."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace

from mico_150k.build.executors import Executor
from mico_150k.build.plan import Unit
from mico_150k.build.upload import RemoteFolder
from mico_150k.build.worker import OnGroup, UnitBuilder
from mico_150k.dataset.records import ShardRecord
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.temporary import temporary_folder


class UploadExecutor:
    """Builds units in temporary folders on the worker's machine, which uploads each shard."""

    def __init__(self, executor: Executor, remote: RemoteFolder) -> None:
        """Wrap the executor that does the work, and the folder that gets the shards."""
        self._executor = executor
        self._remote = remote

    @property
    def workers(self) -> int:
        """As `Executor` says."""
        return self._executor.workers

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """As `Executor` says; raises `RemoteError`, and `OutputRefused`, as well."""
        self._remote.claim()
        common = {field.name: getattr(builder, field.name) for field in fields(builder)}
        sender = _Sender(**common, remote=self._remote)
        with closing(self._executor.build(sender, units, finished, on_group)) as records:
            yield from records


@dataclass(frozen=True, slots=True)
class _Sender(UnitBuilder):
    """A unit builder that uploads each finished shard with its record."""

    remote: RemoteFolder

    @property
    def sees_output(self) -> bool:
        return True  # by its URL: what cannot be reached is a `RemoteError`

    def build_all(
        self, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Iterator[ShardRecord]:
        with temporary_folder() as folder:
            here = replace(self, workspace=Workspace(folder, self.workspace.configs))
            for record in UnitBuilder.build_all(here, units, finished, on_group):
                self.remote.send(here.workspace, record)
                yield record

    def records(self, numbers: Iterable[int]) -> Iterator[ShardRecord]:
        return self.remote.records(numbers)
