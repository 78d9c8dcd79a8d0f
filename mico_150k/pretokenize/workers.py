"""Chunks of work on one device here, or on several, with a process for each.

Whoever encodes a chunk hands its codes back; this process alone writes. Each process has a pipe
of its own, so that one that dies takes nobody's lock with it.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from mico_150k.core.errors import MicoError, WorkerLost
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.plan import Chunk

OnEncoded = Callable[[int], None]
"""Hears how many more encodings there are."""

Task = tuple[Chunk, Chunk | None]
"""A chunk to encode, and the one that is the same worker's next."""


def tasks(chunks: Iterator[Chunk]) -> Iterator[Task]:
    """One worker's, of chunks that several share.

    The first has no next one yet, so that every worker has a chunk before one has two.
    """
    chunk, following = next(chunks, None), None
    while chunk:
        yield chunk, following
        chunk = following or next(chunks, None)
        following = next(chunks, None)


def encode_here(
    encoder: Encoder, chunks: Iterator[Chunk], on_encoded: OnEncoded
) -> Iterator[ChunkCodes]:
    """Encode one chunk after the other in this process."""
    for chunk, following in tasks(chunks):
        yield encoder.encode(chunk, on_encoded, following)


def encode_in_processes(
    options: EncoderOptions,
    devices: tuple[str, ...],
    chunks: Iterator[Chunk],
    on_encoded: OnEncoded,
) -> Iterator[ChunkCodes]:
    """Encode with a process for each device, in whatever order chunks are done.

    Raises `WorkerLost` where a process has died, and what the processes raise.
    """
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    crew: dict[Connection, _Member] = {}
    try:
        for device in devices:
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, options, device), daemon=True)
            process.start()
            there.close()  # so that its end is the end of the pipe
            crew[here] = _Member(device, process, tasks(chunks))
        yield from _attend(crew, on_encoded)
    finally:
        # They write nothing, so that there is nothing to wait for.
        for connection, member in crew.items():
            connection.close()
            member.process.kill()
        for member in crew.values():
            member.process.join()


@dataclass(frozen=True, slots=True)
class _Member:
    """A process, and what is its share."""

    device: str
    process: BaseProcess
    tasks: Iterator[Task]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a process raised, and its traceback as text."""

    error: Exception
    trace: str


class _Ready:
    """A process has its VQ."""


class _RemoteError(Exception):
    """The traceback in the process, as the cause of what is raised here."""


def _attend(crew: dict[Connection, _Member], on_encoded: OnEncoded) -> Iterator[ChunkCodes]:
    """Take what the processes say, and give each that has nothing to do its next chunk."""
    busy = set(crew)
    working: set[Connection] = set()
    while busy:
        for ready in wait(list(busy)):
            assert isinstance(ready, Connection)
            try:
                message: int | ChunkCodes | _Failed | _Ready = ready.recv()
            except (EOFError, OSError):
                raise _lost(crew[ready]) from None
            if isinstance(message, int):
                on_encoded(message)
                continue
            if isinstance(message, _Failed):
                raise message.error from _RemoteError(message.trace)
            working.discard(ready)
            task = next(crew[ready].tasks, None)
            if task:
                ready.send(task)
                working.add(ready)
            else:  # whoever is not up yet would find nothing to do either
                busy = set(working)
            if isinstance(message, ChunkCodes):
                yield message


def _lost(member: _Member) -> WorkerLost:
    member.process.join(1)
    return WorkerLost(
        f"the process of --device {member.device} has ended before its work was done (exit "
        f"status {member.process.exitcode}): see above, or the kernel's log where it was out of "
        "memory.\nWhat is finished is kept: the same command goes on from there."
    )


def _work(connection: Connection, options: EncoderOptions, device: str) -> None:
    """A process's life: tasks in, what becomes of them out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; whoever started us decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # without a parent there is nobody to tell
        try:
            encoder = Encoder.load(options, device)
            connection.send(_Ready())
            while True:
                chunk, following = connection.recv()
                connection.send(encoder.encode(chunk, connection.send, following))
        except (EOFError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            connection.send(_portable(error))


def _portable(error: Exception) -> _Failed:
    trace = traceback.format_exc()
    if isinstance(error, MicoError):
        return _Failed(error, trace)
    return _Failed(RuntimeError(f"{type(error).__name__}: {error}"), trace)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
