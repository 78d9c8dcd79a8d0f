"""Encodes chunks on many machines, with Ray actors that hold one VQ each.

Images are read where they are encoded, so all machines must find them under the same paths,
and have this package; codes come back here, and this process alone writes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mico_150k.core.errors import MicoError, MissingPackage, UsageError, WorkerLost
from mico_150k.core.plural import counted
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.plan import Chunk
from mico_150k.pretokenize.workers import OnEncoded, Task, tasks

RETRIES = 3
"""How often a chunk is retried, on another actor or after a restart."""


def encode_with_ray(
    options: EncoderOptions,
    address: str,
    device: str,
    chunks: Iterator[Chunk],
    on_encoded: OnEncoded,
) -> Iterator[ChunkCodes]:
    """Encode with actors on `device`, `cuda` or `cpu`, of the Ray at an address, or a `local` one.

    Chunks are yielded in the order in which they finish.

    Raises `MissingPackage`, `UsageError`, `WorkerLost`, and what an actor raises.
    """
    ray = _import_ray()
    _join(ray, address)
    try:
        actors = _count_actors(ray, device, options.precision.threads)
        remote = ray.remote(
            num_gpus=int(device == "cuda"),
            num_cpus=1,
            max_restarts=RETRIES,
            max_task_retries=RETRIES,
        )(EncodingActor)
        crew = [_Member(remote.remote(options, device), tasks(chunks)) for _ in range(actors)]
        yield from _attend(ray, crew, on_encoded)
    finally:
        ray.shutdown()


class EncodingActor:
    """One encoder in its own process, on any machine with room for it."""

    def __init__(self, options: EncoderOptions, device: str) -> None:
        """Set the options; Ray makes only the actor's own GPU visible."""
        self._options = options
        self._device = device
        self._encoder: Encoder | None = None

    def start(self) -> None:
        """Return once the actor is up: a cluster may have no room for it yet."""

    def encode(self, chunk: Chunk, following: Chunk | None) -> ChunkCodes:
        """Encode a chunk. The VQ is loaded here, where its errors are reported unchanged."""
        self._encoder = self._encoder or Encoder.load(self._options, self._device)
        return self._encoder.encode(chunk, lambda _: None, following)


@dataclass(frozen=True, slots=True)
class _Member:
    """An actor's handle, and its assigned chunks."""

    actor: Any
    tasks: Iterator[Task]


def _attend(ray: Any, crew: list[_Member], on_encoded: OnEncoded) -> Iterator[ChunkCodes]:  # noqa: ANN401
    """Give each actor that is up and idle its next chunk."""
    starting = {member.actor.start.remote(): member for member in crew}
    working: dict[Any, _Member] = {}
    while references := [*starting, *working]:
        (done,), _ = ray.wait(references, num_returns=1)
        member = starting.pop(done, None) or working.pop(done)
        codes = _result(ray, done)
        if task := next(member.tasks, None):
            working[member.actor.encode.remote(*task)] = member
        else:  # an actor that is not up yet would have no chunk either
            starting.clear()
        if codes:
            on_encoded(len(codes.encoded))
            yield codes


def _result(ray: Any, reference: Any) -> ChunkCodes | None:  # noqa: ANN401
    try:
        found: ChunkCodes | None = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MicoError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        msg = (
            f"a Ray actor has failed {RETRIES + 1} times: {error}\n"
            "Finished work is kept: re-run the command to resume."
        )
        raise WorkerLost(msg) from error
    return found


def _count_actors(ray: Any, device: str, threads: int) -> int:  # noqa: ANN401
    """Return how many actors fit: one per GPU; on CPUs, one per `threads` cores."""
    there = ray.cluster_resources()
    cpus, gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0))
    actors = min(cpus, gpus) if device == "cuda" else max(1, cpus // max(1, threads))
    if not actors:
        msg = (
            f"--executor ray: the cluster has {counted(cpus, 'CPU')} and {counted(gpus, 'GPU')}, "
            "and each process with --device cuda needs one of each; --device cpu uses the CPUs."
        )
        raise UsageError(msg)
    return actors


def _join(ray: Any, address: str) -> None:  # noqa: ANN401
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address, log_to_driver=False, include_dashboard=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError) as error:
        msg = f"--ray-address {address}: {error}"
        raise UsageError(msg) from error


def _import_ray() -> Any:  # noqa: ANN401
    try:
        import ray
    except ImportError as error:
        msg = "--executor ray needs ray: pip install '.[vq,ray]' in the clone of mico-150k"
        raise MissingPackage(msg) from error
    return ray
