"""Chunks of work on one device here, or on several, with a process for each.

Whoever encodes a chunk hands its codes back; this process alone writes.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any

from mico_150k.errors import WorkerLost
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.plan import Chunk

OnEncoded = Callable[[int], None]
"""Hears how many more encodings there are."""

LISTEN_SECONDS = 0.5
"""Between two looks at how far the processes are."""


def encode_here(
    encoder: Encoder, chunks: Iterator[Chunk], on_encoded: OnEncoded
) -> Iterator[ChunkCodes]:
    """Encode one chunk after the other in this process."""
    try:
        for chunk in chunks:
            yield encoder.encode(chunk, on_encoded)
    finally:
        encoder.close()


def encode_in_processes(
    options: EncoderOptions,
    devices: tuple[str, ...],
    chunks: Iterator[Chunk],
    on_encoded: OnEncoded,
) -> Iterator[ChunkCodes]:
    """Encode with a process for each device, in whatever order chunks are done.

    Raises `WorkerLost` where a process has died, and what the processes raise.
    """
    context = get_context("spawn")  # CUDA does not survive a fork
    turns = context.SimpleQueue()
    for device in devices:
        turns.put(device)
    counter = context.Value("q", 0)
    pool = ProcessPoolExecutor(
        len(devices), context, initializer=_start, initargs=(options, turns, counter)
    )
    heard = 0
    try:
        # One chunk more than devices, so that none waits while this process writes.
        waiting: set[Future[ChunkCodes]] = {
            pool.submit(_encode, chunk) for chunk in islice(chunks, len(devices) + 1)
        }
        while waiting:
            done, waiting = wait(waiting, LISTEN_SECONDS, FIRST_COMPLETED)
            now = counter.value
            on_encoded(now - heard)
            heard = now
            for future in done:
                waiting.update(pool.submit(_encode, chunk) for chunk in islice(chunks, 1))
                yield future.result()
    except BrokenProcessPool as error:
        msg = (
            f"a process of --device {','.join(devices)} has ended before its work was done: see "
            "above, or the kernel's log where it was out of memory.\n"
            "What is finished is kept: the same command goes on from there."
        )
        raise WorkerLost(msg) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_encoder: Encoder
_counter: Any


def _start(options: EncoderOptions, turns: Any, counter: Any) -> None:  # noqa: ANN401 - of spawn
    """Take a device; the process ends with the one that started it, however that ends."""
    global _encoder, _counter  # noqa: PLW0603 - what a process has for all its chunks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _encoder = Encoder.load(options, turns.get())
    _counter = counter


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _encode(chunk: Chunk) -> ChunkCodes:
    return _encoder.encode(chunk, _count)


def _count(encodings: int) -> None:
    with _counter.get_lock():
        _counter.value += encodings
