"""Processes of this machine that share nothing but the output folder.

Each has a pipe of its own, so that one that dies takes nobody's lock with it.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

from mico_150k.build.plan import Unit
from mico_150k.build.worker import OnGroup, UnitBuilder
from mico_150k.core.errors import MicoError, WorkerLost
from mico_150k.core.sample import SkippedRow
from mico_150k.dataset.records import ShardRecord
from mico_150k.io.machine import cores

CORES_WITH_THREADS = 2
"""Threads read and hash beside the rest where each worker has so many cores."""
SECONDS_TO_END = 10.0
"""For a worker to finish its row group and remove what it has half written, before it is killed."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group was written: the arguments of `OnGroup`."""

    rows: int
    written: int
    left_out: list[SkippedRow]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a unit raised, and its traceback as text."""

    error: BaseException
    trace: str


class _Done:
    """A unit is done."""


_Message = _Group | ShardRecord | _Failed | _Done


class _RemoteError(Exception):
    """The traceback in the worker, as the cause of what is raised here."""


class Processes:
    """So many worker processes, each with one unit at a time, the largest first."""

    def __init__(
        self, workers: int, *, threaded: bool | None = None, image_room: int | None = None
    ) -> None:
        """`workers` is how many at most; no more are started than there are units.

        `threaded` is whether each reads and hashes beside the rest; by default where there are
        cores for it. `image_room` are the bytes that decoding one image may take in each; None is
        without a limit.
        """
        self._workers = workers
        self._image_room = image_room
        self._threaded = threaded

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """As `Executor` says. Raises `WorkerLost`, and what a unit raises."""
        waiting = [unit for unit in units if builder.missing_bytes(unit, finished)]
        # A large unit that is begun last would be waited for by all others.
        waiting.sort(key=lambda unit: builder.missing_bytes(unit, finished))
        workers = min(self._workers, len(waiting))
        threaded = self._threaded
        if threaded is None:
            threaded = workers * CORES_WITH_THREADS <= cores()
        builder = replace(builder, threaded=threaded, image_room=self._image_room)
        context = multiprocessing.get_context("spawn")
        crew: dict[Connection, multiprocessing.process.BaseProcess] = {}
        try:
            for _ in range(workers):
                here, there = context.Pipe()
                process = context.Process(
                    target=_work, args=(there, builder, finished), daemon=True
                )
                process.start()
                there.close()  # so that its end is the end of the pipe
                crew[here] = process
                here.send(waiting.pop())  # read when it is ready
            yield from _attend(crew, waiting, on_group)
        finally:
            _end(crew)


def _attend(
    crew: dict[Connection, multiprocessing.process.BaseProcess],
    waiting: list[Unit],
    on_group: OnGroup,
) -> Generator[ShardRecord, None, None]:
    """Take what the workers say, and give each that is done another unit, until all are."""
    busy = set(crew)
    while busy:
        for ready in wait(list(busy)):
            assert isinstance(ready, Connection)
            try:
                message: _Message = ready.recv()
                if isinstance(message, _Done) and waiting:
                    ready.send(waiting.pop())
                    continue
            except (EOFError, OSError):
                raise _died(crew[ready]) from None
            if isinstance(message, _Group):
                on_group(message.rows, message.written, message.left_out)
            elif isinstance(message, ShardRecord):
                yield message
            elif isinstance(message, _Failed):
                raise message.error from _RemoteError(message.trace)
            else:
                busy.discard(ready)


def _died(process: multiprocessing.process.BaseProcess) -> WorkerLost:
    process.join(SECONDS_TO_END)
    code = process.exitcode
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit status {code}"
    why = (
        "The system does that where memory runs out: try fewer --workers, or --max-memory.\n"
        if code == -signal.SIGKILL
        else ""
    )
    return WorkerLost(
        f"a worker process was ended {how}.\n{why}"
        "Finished shards are kept: the same command goes on from there."
    )


def _end(crew: dict[Connection, multiprocessing.process.BaseProcess]) -> None:
    """End all workers, by closing their pipes: each finds out when it next reads or writes.

    No signal, which would come anywhere: between a file's creation and whoever is to remove it.
    What one that is killed has left, the next run removes.
    """
    for connection in crew:
        connection.close()
    for process in crew.values():
        process.join(SECONDS_TO_END)
        if process.exitcode is None:
            process.kill()
            process.join()


def _work(connection: Connection, builder: UnitBuilder, finished: set[int]) -> None:
    """A worker's life: units in, what becomes of them out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; whoever started us decides
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def on_group(rows: int, written: int, left_out: list[SkippedRow]) -> None:
        connection.send(_Group(rows, written, left_out))

    # Without a parent there is nobody to tell.
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            unit: Unit = connection.recv()
            try:
                for record in builder.build(unit, finished, on_group):
                    connection.send(record)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                connection.send(_portable(error))
                return
            connection.send(_Done())


def _portable(error: BaseException) -> _Failed:
    trace = traceback.format_exc()
    if isinstance(error, MicoError):
        return _Failed(error, trace)
    return _Failed(RuntimeError(f"{type(error).__name__}: {error}"), trace)


def _die_with_parent() -> None:
    """End at once when the parent is killed: nobody is to write on while another run begins."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
