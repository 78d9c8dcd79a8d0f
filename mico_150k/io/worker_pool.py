"""Worker processes on this machine: each works on one task at a time and reports its results.

Each has its own pipe, so that a process that dies holds no lock of the others.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from mico_150k.core.errors import MicoError, WorkerLost

Task = TypeVar("Task")
Message = TypeVar("Message")

Work = Callable[[Task, Callable[[Message], None]], None]
"""Does one task, and calls its second argument with each result as soon as it is ready."""


@dataclass(frozen=True, slots=True)
class Worker(Generic[Task, Message]):
    """The specification of a worker process.

    Attributes:
        name: Its name in errors.
        start: Called once in the process; returns the function that does tasks. It is pickled.
        tasks: Its tasks. Workers may share one iterator.
    """

    name: str
    start: Callable[[], Work[Task, Message]]
    tasks: Iterator[Task]


def run_workers(
    workers: Sequence[Worker[Task, Message]],
    *,
    seconds_to_end: float,
    when_lost: str,
    in_step: bool = False,
) -> Generator[Message, None, None]:
    """Run all tasks with a process for each worker; yields results as they arrive.

    A caller that stops early closes the iterator. No process remains at the end, even if this
    process is killed.

    Args:
        workers: The workers, all started at once.
        seconds_to_end: Seconds that a stopped worker has to clean up before it is killed.
        when_lost: Advice for the message about a worker that died.
        in_step: Whether a worker waits after each result until the caller asks for the next one.
            A slow caller then slows down all workers, and results do not pile up.

    Raises:
        WorkerLost: A process has died.
        MicoError: What a worker raised; the cause is its traceback.
        RuntimeError: A worker raised something else; the message has its text.
    """
    context = multiprocessing.get_context("spawn")  # neither threads nor CUDA survive a fork
    crew: dict[Connection, _Member[Task, Message]] = {}
    try:
        for worker in workers:
            here, there = context.Pipe()
            arguments = (there, worker.start, in_step)
            process = context.Process(target=_live, args=arguments, daemon=True)
            process.start()
            there.close()  # so that its end is the end of the pipe
            crew[here] = _Member(worker, process)
        yield from _attend(crew, when_lost, in_step=in_step)
    finally:
        _end(crew, seconds_to_end)


@dataclass(frozen=True, slots=True)
class _Member(Generic[Task, Message]):
    worker: Worker[Task, Message]
    process: BaseProcess

    def lost(self, when_lost: str) -> WorkerLost:
        """The error for a process that has died."""
        self.process.join(1)
        code = self.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return WorkerLost(f"{self.worker.name} died before it had finished ({how}).\n{when_lost}")


class _Ready:
    """A worker has nothing to do."""


class _Taken:
    """The caller has processed a worker's result."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a worker raised, and its traceback as text."""

    error: Exception
    trace: str


class _RemoteError(Exception):
    """A worker's traceback, as the cause of the error that is raised here."""


def _attend(
    crew: dict[Connection, _Member[Task, Message]], when_lost: str, *, in_step: bool
) -> Generator[Message, None, None]:
    """Yield the workers' results, and give each idle worker its next task, until all are done."""
    attended = set(crew)
    working: set[Connection] = set()
    while attended:
        for connection in wait(list(attended)):
            assert isinstance(connection, Connection)
            try:
                message: Message | _Ready | _Failed = connection.recv()
            except (EOFError, OSError):
                raise crew[connection].lost(when_lost) from None
            if isinstance(message, _Failed):
                raise message.error from _RemoteError(message.trace)
            if not isinstance(message, _Ready):
                yield message
                if in_step:
                    with suppress(OSError):  # the worker has died, as below
                        connection.send(_Taken())
                continue
            working.discard(connection)
            task = next(crew[connection].worker.tasks, None)
            if task is None:  # a worker that is still starting would find no task either
                attended = set(working)
                continue
            working.add(connection)
            with suppress(OSError):  # the worker has died
                connection.send(task)


def _end(crew: dict[Connection, _Member[Task, Message]], seconds: float) -> None:
    """End all workers by closing their pipes; each notices at its next read or write.

    A signal could arrive anywhere, even between creating a temporary file and the code that
    removes it.
    """
    for connection in crew:
        connection.close()
    for member in crew.values():
        member.process.join(seconds)
        if member.process.exitcode is None:
            member.process.kill()
            member.process.join()


def _live(
    connection: Connection,
    start: Callable[[], Work[Task, Message]],
    in_step: bool,  # noqa: FBT001 - a process's arguments
) -> None:
    """Run a worker: receive tasks, send results."""

    def tell(message: Message) -> None:
        connection.send(message)
        if in_step:
            connection.recv()

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(ConnectionError):  # the parent is gone
        try:
            work = start()
            while True:
                connection.send(_Ready())
                work(connection.recv(), tell)
        except Exception as error:  # noqa: BLE001 - every error is reported
            connection.send(_portable(error))


def _portable(error: Exception) -> _Failed:
    """Return the error in a form that can be pickled and that the parent can load."""
    trace = traceback.format_exc()
    if isinstance(error, MicoError):
        return _Failed(error, trace)
    return _Failed(RuntimeError(f"{type(error).__name__}: {error}"), trace)


def _end_with_parent() -> None:
    """End when the parent is killed, so that no orphan writes while another run begins."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
