"""Builds on a Ray cluster: each unit is a task, on any node with a core and enough memory.

All nodes see the source and the output folder at the same paths, or read and write them by URL
(`sending`). The folder alone says what is finished, so a task that died restarts on any node, at
the first missing shard. If a node lacks something, such as disk space, another gets the unit.
Needs the extra `ray`.
"""

import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mico_150k.build.forecast import WRITING_MEMORY
from mico_150k.build.plan import Unit
from mico_150k.build.worker import GroupProgress, OnGroup, UnitBuilder
from mico_150k.core.errors import (
    DiskTooSmall,
    ExecutorMissing,
    MemoryTooSmall,
    MicoError,
    NodesFailed,
    OutputRefused,
    RemoteError,
    SourceLost,
    WorkerLost,
)
from mico_150k.core.sample import SkippedRow
from mico_150k.dataset.records import ShardRecord
from mico_150k.io.machine import gigabytes

RETRIES = 3
"""Of a task that died with its process or its node, and of a unit that a node could not build."""
SECONDS_BETWEEN_LOOKS = 1.0
OF_A_NODE = (OSError, MemoryError, DiskTooSmall, OutputRefused, RemoteError, SourceLost)
"""What may be wrong with one node and not with the next. All else that a unit raises is the
source's, or ours, and would be raised anywhere."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a node could not build a unit. `node` is Ray's name of it."""

    node: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Task:
    """A unit that is being built, and what has become of it before."""

    unit: Unit
    troubles: list[_Trouble] = field(default_factory=list)


class RayCluster:
    """Builds units on the nodes of a cluster, the largest first."""

    def __init__(self, address: str | None = None) -> None:
        """Connect to a cluster.

        Args:
            address: The cluster's address; by default that in `RAY_ADDRESS`, or this machine.

        Raises:
            ExecutorMissing: Ray is not installed, or nothing answers at the address.
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

    @property
    def workers(self) -> int:
        """As `Executor` says; the number of cores has no relation to this machine's disk."""
        return 1

    @property
    def size(self) -> tuple[int, int]:
        """The number of nodes, and of their cores."""
        nodes = self._nodes()
        return len(nodes), int(sum(node["Resources"]["CPU"] for node in nodes))

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """Build as `Executor` says.

        Raises:
            MemoryTooSmall: A unit needs more memory than any node has.
            NodesFailed: The nodes that tried a unit lack something.
            WorkerLost: A task died repeatedly.
        """
        ray = self._ray
        waiting = [unit for unit in units if builder.missing_bytes(unit, finished)]
        waiting.sort(key=lambda unit: -builder.missing_bytes(unit, finished))
        self._refuse_what_fits_nowhere(builder, waiting)
        shared = ray.put(builder)
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_build)
        moved = Counter[str]()

        def begin(unit: Unit, **where: Any) -> Any:  # noqa: ANN401 - Ray's reference
            task = remote.options(memory=_memory(builder, unit), **where)
            return task.remote(shared, unit, finished)

        running = {begin(unit): _Task(unit) for unit in waiting}
        missing = {shard.number for unit in waiting for shard in unit.shards} - finished
        try:
            while running:
                ready, _ = ray.wait(list(running), timeout=SECONDS_BETWEEN_LOOKS)
                for reference in ready:
                    task = running.pop(reference)
                    became = self._result(reference)
                    if isinstance(became, _Trouble):
                        task.troubles.append(became)
                        node = self._another_node(builder, task, moved)
                        running[begin(task.unit, scheduling_strategy=node)] = task
                    else:
                        yield from _new(became, missing, on_group)
                yield from _new(builder.records(missing), missing, on_group)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that are alive and have cores."""
        nodes: list[dict[str, Any]] = self._ray.nodes()
        return [node for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]

    def _refuse_what_fits_nowhere(self, builder: UnitBuilder, units: Sequence[Unit]) -> None:
        """Raise `MemoryTooSmall` for a unit that would wait forever.

        Without any node yet, nothing is refused: an autoscaling cluster starts some.
        """
        most = max((node["Resources"].get("memory", 0) for node in self._nodes()), default=None)
        largest = max(units, key=lambda unit: _memory(builder, unit), default=None)
        if most is None or largest is None or _memory(builder, largest) <= most:
            return
        msg = (
            f"{_files(builder, largest)} needs {gigabytes(_memory(builder, largest))} of "
            f"memory, and no node of the cluster gives Ray more than {gigabytes(most)}: a reader "
            "must hold the largest pages of a file.\n"
            "Add a larger node, or give it more: `ray start --memory BYTES`."
        )
        raise MemoryTooSmall(msg)

    def _another_node(self, builder: UnitBuilder, task: _Task, moved: Counter[str]) -> Any:  # noqa: ANN401 - Ray's
        """Return the node that has not tried the unit and that was `moved` to least often."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        tried = {trouble.node for trouble in task.troubles}
        fitting = [
            node["NodeID"]
            for node in self._nodes()
            if node["Resources"].get("memory", 0) >= _memory(builder, task.unit)
        ]
        others = sorted(set(fitting) - tried, key=lambda node: (moved[node], node))
        if not others or len(task.troubles) > RETRIES:
            said = "\n".join(f"  {one.address}: {one.reason}" for one in task.troubles)
            msg = (
                f"{_files(builder, task.unit)} could not be built on these nodes:\n"
                f"{said}\n"
                "Finished shards are kept: re-run the command to resume."
            )
            raise NodesFailed(msg)
        moved[others[0]] += 1
        # Soft: should it be lost meanwhile, any other may do it.
        return NodeAffinitySchedulingStrategy(others[0], soft=True)

    def _result(self, reference: Any) -> "list[ShardRecord] | _Trouble":  # noqa: ANN401 - Ray's
        """Return what `_build` returned; raises what it raised."""
        try:
            result: list[ShardRecord] | _Trouble = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MicoError):
                raise error.cause from error
            raise
        except self._ray.exceptions.RayError as error:
            msg = (
                f"a task died {RETRIES + 1} times, with its process or its node: {error}\n"
                "Finished shards are kept: re-run the command to resume."
            )
            raise WorkerLost(msg) from error
        return result


def _build(builder: UnitBuilder, unit: Unit, finished: set[int]) -> "list[ShardRecord] | _Trouble":
    """Build the unit's shards that no task, not even an earlier try, has finished."""
    numbers = [shard.number for shard in unit.shards]
    try:
        if not builder.sees_output:
            msg = f"{builder.workspace.folder} is not the build's folder on this node."
            raise OutputRefused(msg)
        done = list(builder.records(numbers))
        built = builder.build(unit, {record.number for record in done} | finished, lambda _: None)
        records = [*done, *built]
    except OF_A_NODE as error:
        import ray

        node = ray.get_runtime_context().get_node_id()
        address = ray.util.get_node_ip_address()
        reason = str(error) if isinstance(error, MicoError) else f"{type(error).__name__}: {error}"
        return _Trouble(node, address, reason)
    return records


def _new(
    records: Iterable[ShardRecord], missing: set[int], on_group: OnGroup
) -> Iterator[ShardRecord]:
    """Yield the records that were not reported before."""
    for record in records:
        if record.number in missing:
            missing.discard(record.number)
            written = max((file.bytes for file in record.files.values()), default=0)
            skipped = [SkippedRow.from_dict(row) for row in record.skipped]
            on_group(GroupProgress(record.rows_read, written, skipped))
            yield record


def _memory(builder: UnitBuilder, unit: Unit) -> int:
    """Return the peak memory of building the unit, by which Ray chooses a node."""
    return WRITING_MEMORY + sum(builder.source.files[place].memory for place in unit.files)


def _files(builder: UnitBuilder, unit: Unit) -> str:
    more = f" with {len(unit.files) - 1} more" if len(unit.files) > 1 else ""
    return f"{builder.plan.files[unit.files[0]].name}{more}"
