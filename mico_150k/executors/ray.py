"""A Ray cluster: each unit is a task, on whichever node has a core and the memory for it.

All nodes see the source and the output folder at the same paths, or read and write them by URLs
(`sending`). What is finished is known from the folder alone, so that a task that died is simply
begun again, anywhere, and goes on at the first shard that is missing. Needs the extra `ray`.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from mico_150k.errors import ExecutorMissing, MicoError, WorkerDied
from mico_150k.forecast import WRITING_MEMORY
from mico_150k.plan import Unit
from mico_150k.records import ShardRecord
from mico_150k.sample import LeftOut
from mico_150k.unit import OnGroup, UnitBuilder

RETRIES = 3
"""Of a task that died with its process or its node; what it raises is not tried again."""
SECONDS_BETWEEN_LOOKS = 1.0


class RayCluster:
    """Has units built by the nodes of a cluster, the largest first."""

    def __init__(self, address: str | None = None) -> None:
        """`address` is the cluster's; without one, what `RAY_ADDRESS` says, or this machine.

        Raises `ExecutorMissing` where Ray is not installed, or nothing answers at the address.
        """
        try:
            import ray
        except ImportError as error:
            msg = "Ray is not installed: pip install '.[ray]' in the clone of mico-150k"
            raise ExecutorMissing(msg) from error
        self._ray = ray
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            try:
                ray.init(address=address, log_to_driver=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                msg = f"no Ray cluster at {address or 'this machine'}: {error}"
                raise ExecutorMissing(msg) from error

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """As `Executor` says. Raises `WorkerDied` where a task dies again and again."""
        ray = self._ray
        waiting = [unit for unit in units if builder.missing_bytes(unit, finished)]
        waiting.sort(key=lambda unit: -builder.missing_bytes(unit, finished))
        shared = ray.put(builder)
        running = {
            ray.remote(_build)
            .options(num_cpus=1, memory=_memory(builder, unit), max_retries=RETRIES)
            .remote(shared, unit, finished): unit
            for unit in waiting
        }
        missing = {shard.number for unit in waiting for shard in unit.shards} - finished
        try:
            while running:
                ready, _ = ray.wait(list(running), timeout=SECONDS_BETWEEN_LOOKS)
                for task in ready:
                    del running[task]
                    self._raise_what_it_raised(task)
                yield from _new_records(builder, missing, on_group)
        finally:
            for task in running:
                ray.cancel(task, force=True)

    def _raise_what_it_raised(self, task: Any) -> None:  # noqa: ANN401 - Ray's reference
        try:
            self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MicoError):
                raise error.cause from error
            raise
        except self._ray.exceptions.RayError as error:
            msg = (
                f"a task died {RETRIES + 1} times, with its process or its node: {error}\n"
                "Finished shards are kept: the same command goes on from there."
            )
            raise WorkerDied(msg) from error


def _build(builder: UnitBuilder, unit: Unit, finished: set[int]) -> None:
    """A task: the shards of the unit that nobody has finished, an earlier try of it included."""
    done = {record.number for record in builder.records(shard.number for shard in unit.shards)}
    for _ in builder.build(unit, done | finished, lambda *_: None):
        pass


def _new_records(
    builder: UnitBuilder, missing: set[int], on_group: OnGroup
) -> Iterator[ShardRecord]:
    """The shards that any node has finished since the last look."""
    for record in builder.records(missing):
        missing.discard(record.number)
        written = max((file.bytes for file in record.files.values()), default=0)
        on_group(record.rows_read, written, [LeftOut.from_dict(row) for row in record.left_out])
        yield record


def _memory(builder: UnitBuilder, unit: Unit) -> int:
    """What building the unit holds at most: Ray looks for a node that has it."""
    return WRITING_MEMORY + sum(builder.source.files[place].memory for place in unit.files)
