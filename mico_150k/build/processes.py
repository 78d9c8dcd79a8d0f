"""Builds units in several processes on this machine, which share only the output folder."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from mico_150k.build.plan import Unit
from mico_150k.build.worker import GroupProgress, OnGroup, ReadProgress, UnitBuilder
from mico_150k.dataset.records import ShardRecord
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import one_at_a_time
from mico_150k.io.worker_pool import Work, Worker, run_workers

CORES_WITH_THREADS = 2
"""Threads read and hash beside the rest where each worker has so many cores."""
SECONDS_TO_END = 10.0
"""For a worker to finish its row group and remove what it has half written, before it is killed.
What one that is killed has left, the next run removes."""


_Told = GroupProgress | ReadProgress | ShardRecord
"""What a worker says."""


class Processes:
    """Builds with worker processes, each on one unit at a time, the largest first."""

    def __init__(
        self, workers: int, *, threaded: bool | None = None, image_room: int | None = None
    ) -> None:
        """Set up the workers; nothing is started yet.

        Args:
            workers: The most processes; no more are started than there are units.
            threaded: Whether each process reads and hashes in threads; by default if there are
                enough cores.
            image_room: The bytes that decoding one image may take in each; None for no limit.
        """
        self._workers = workers
        self._image_room = image_room
        self._threaded = threaded

    @property
    def workers(self) -> int:
        """As `Executor` says."""
        return self._workers

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """As `Executor` says. Raises `WorkerLost`, and what a unit raises."""
        missing = [unit for unit in units if builder.missing_bytes(unit, finished)]
        # A large unit that is begun last would be waited for by all others.
        missing.sort(key=lambda unit: builder.missing_bytes(unit, finished), reverse=True)
        workers = min(self._workers, len(missing))
        threaded = self._threaded
        if threaded is None:
            threaded = workers * CORES_WITH_THREADS <= cores()
        builder = replace(builder, threaded=threaded, image_room=self._image_room)
        worker = Worker("a worker process", partial(_start, builder, finished), iter(missing))
        results = run_workers(
            [worker] * workers,
            seconds_to_end=SECONDS_TO_END,
            when_lost=_WHEN_LOST,
            in_step=True,  # or shards fill the disk while others are being sent
        )
        with closing(results):
            for result in results:
                if isinstance(result, GroupProgress | ReadProgress):
                    on_group(result)
                else:
                    yield result


def _start(builder: UnitBuilder, finished: set[int]) -> Work[Unit, _Told]:
    """What a worker does with each unit."""

    def build(unit: Unit, tell: Callable[[_Told], None]) -> None:
        # A thread of its own reads, and says how far it is.
        tell_alone = one_at_a_time(tell)
        for record in builder.build(unit, finished, tell_alone):
            tell_alone(record)

    return build


_WHEN_LOST = (
    "If the system has killed it because memory ran out, use fewer --workers, or --max-memory.\n"
    "Finished shards are kept: re-run the command to resume."
)
