"""Processes of this machine that work on one task at a time, and say what comes of it.

Each has a pipe of its own, so that one that dies takes nobody's lock with it.
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
"""Does one task. The second argument is called with each result, as soon as it is there."""


@dataclass(frozen=True, slots=True)
class Worker(Generic[Task, Message]):
    """A process to be.

    Attributes:
        name: What an error calls it.
        start: Called in the process, once; returns what does the tasks. It is pickled.
        tasks: Its tasks. Workers share one iterator, or their iterators draw from one.
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
    """Have all tasks done, a process for each worker; yields results in the order they come.

    Whoever stops early closes the iterator. No process is left at the end, and none where this
    process is killed.

    Args:
        workers: They are started at once.
        seconds_to_end: How long a worker that is stopped has to leave its task in good order,
            before it is killed.
        when_lost: What to do where a worker dies, for its user to read.
        in_step: Whether a worker that has told a result waits until the caller asks for the next
            one. A caller that is busy for long then holds up all workers, and what they make
            does not pile up meanwhile.

    Raises:
        WorkerLost: A process has died.
        MicoError: What a worker raised; the cause is its traceback.
        RuntimeError: What a worker raised that is no `MicoError`, in words.
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
    """What a worker has told is dealt with."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a worker raised, and its traceback as text."""

    error: Exception
    trace: str


class _RemoteError(Exception):
    """The traceback in the worker, as the cause of what is raised here."""


def _attend(
    crew: dict[Connection, _Member[Task, Message]], when_lost: str, *, in_step: bool
) -> Generator[Message, None, None]:
    """Hand on what the workers say, and give each that is ready its next task, until all are."""
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
                    with suppress(OSError):  # it has died, as below
                        connection.send(_Taken())
                continue
            working.discard(connection)
            task = next(crew[connection].worker.tasks, None)
            if task is None:  # whoever is not up yet would find nothing to do either
                attended = set(working)
                continue
            working.add(connection)
            with suppress(OSError):  # it has died: what it says next is nothing
                connection.send(task)


def _end(crew: dict[Connection, _Member[Task, Message]], seconds: float) -> None:
    """End all workers, by closing their pipes: each finds out when it next reads or writes.

    No signal, which would come anywhere: between a file's creation and whoever is to remove it.
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
    """A worker's life: tasks in, what becomes of them out."""

    def tell(message: Message) -> None:
        connection.send(message)
        if in_step:
            connection.recv()

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; whoever started us decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(ConnectionError):  # without a parent there is nobody to tell
        try:
            work = start()
            while True:
                connection.send(_Ready())
                work(connection.recv(), tell)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            connection.send(_portable(error))


def _portable(error: Exception) -> _Failed:
    """With a class that this process is sure to have, and to be able to send."""
    trace = traceback.format_exc()
    if isinstance(error, MicoError):
        return _Failed(error, trace)
    return _Failed(RuntimeError(f"{type(error).__name__}: {error}"), trace)


def _end_with_parent() -> None:
    """End at once when the parent is killed: nobody is to write on while another run begins."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
