"""Encodes chunks on one local device, or on several with a process for each.

Workers return the codes of a chunk; only this process writes.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

from mico_150k.io.worker_pool import Work, Worker, run_workers
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.plan import Chunk

OnEncoded = Callable[[int], None]
"""A callback that gets the number of additional encodings."""

Task = tuple[Chunk, Chunk | None]
"""A chunk to encode, and the same worker's next chunk."""


def tasks(chunks: Iterator[Chunk]) -> Iterator[Task]:
    """Yield a worker's tasks from chunks that several workers share.

    The first task has no next chunk, so that every worker gets a chunk before any gets two.
    """
    chunk, following = next(chunks, None), None
    while chunk:
        yield chunk, following
        chunk = following or next(chunks, None)
        following = next(chunks, None)


def encode_here(
    encoder: Encoder, chunks: Iterator[Chunk], on_encoded: OnEncoded
) -> Iterator[ChunkCodes]:
    """Encode one chunk after another in this process."""
    for chunk, following in tasks(chunks):
        yield encoder.encode(chunk, on_encoded, following)


def encode_in_processes(
    options: EncoderOptions,
    devices: tuple[str, ...],
    chunks: Iterator[Chunk],
    on_encoded: OnEncoded,
) -> Iterator[ChunkCodes]:
    """Encode with a process for each device; yields chunks in the order they finish.

    Raises `WorkerLost` where a process has died, and what the processes raise.
    """
    workers = [
        Worker(f"the process of --device {device}", partial(_start, options, device), tasks(chunks))
        for device in devices
    ]
    # The processes write nothing, so there is nothing to wait for at the end.
    with closing(run_workers(workers, seconds_to_end=0, when_lost=_WHEN_LOST)) as results:
        for result in results:
            if isinstance(result, int):
                on_encoded(result)
            else:
                yield result


def _start(options: EncoderOptions, device: str) -> Work[Task, int | ChunkCodes]:
    """Return the function that a process runs on each task; it has its own VQ."""
    encoder = Encoder.load(options, device)

    def encode(task: Task, tell: Callable[[int | ChunkCodes], None]) -> None:
        chunk, following = task
        tell(encoder.encode(chunk, tell, following))

    return encode


_WHEN_LOST = (
    "See the output above, or the kernel's log if memory ran out.\n"
    "Finished work is kept: re-run the command to resume."
)
