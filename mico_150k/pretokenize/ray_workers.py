"""Chunks of work on many machines: Ray actors that hold a VQ each.

Pictures are read where they are encoded, so all machines must find them under the same paths,
and have this package; codes come back here, and this process alone writes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mico_150k.errors import MissingPackage, UsageError, WorkerLost
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.plan import Chunk
from mico_150k.pretokenize.workers import OnEncoded

LOCAL = "local"
"""In place of an address: a Ray of its own, on this machine."""
RETRIES = 3
"""So often a chunk is given to another actor, or to the same one started again."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray to join, and how many actors to start there; 0 for one on each GPU it has."""

    address: str
    actors: int


def encode_with_ray(
    options: EncoderOptions,
    cluster: Cluster,
    device: str,
    chunks: Iterator[Chunk],
    on_encoded: OnEncoded,
) -> Iterator[ChunkCodes]:
    """Encode with actors on `device`, `cuda` or `cpu`, in whatever order chunks are done.

    Raises `MissingPackage`, `UsageError` and `WorkerLost`.
    """
    ray = _import_ray()
    _join(ray, cluster)
    try:
        actors = cluster.actors or int(ray.cluster_resources().get("GPU", 0))
        if not actors:
            msg = f"--ray {cluster.address}: the cluster has no GPU; with --actors N and --device \
cpu, N processes work on CPUs."
            raise UsageError(msg)
        yield from _run(ray, options, device, actors, chunks, on_encoded)
    finally:
        ray.shutdown()


def _run(  # noqa: PLR0913, PLR0917 - all that an actor and its work are
    ray: Any,  # noqa: ANN401 - a module
    options: EncoderOptions,
    device: str,
    actors: int,
    chunks: Iterator[Chunk],
    on_encoded: OnEncoded,
) -> Iterator[ChunkCodes]:
    remote = ray.remote(
        num_gpus=int(device == "cuda"),
        num_cpus=1,
        max_restarts=RETRIES,
        max_task_retries=RETRIES,
    )(EncodingActor)
    pool = [remote.remote(options, device) for _ in range(actors)]
    busy = {actor.encode.remote(c): actor for actor, c in zip(pool, chunks, strict=False)}
    try:
        while busy:
            (done,), _ = ray.wait(list(busy), num_returns=1)
            actor = busy.pop(done)
            for chunk in islice(chunks, 1):
                busy[actor.encode.remote(chunk)] = actor
            codes = ray.get(done)
            on_encoded(len(codes.encoded))
            yield codes
    except ray.exceptions.RayError as error:
        msg = (
            f"a Ray actor has failed {RETRIES + 1} times: {error}\n"
            "What is finished is kept: the same command goes on from there."
        )
        raise WorkerLost(msg) from error


class EncodingActor:
    """One encoder, in a process of its own, on whatever machine has room for it."""

    def __init__(self, options: EncoderOptions, device: str) -> None:
        """Ray shows each actor its own GPU alone."""
        self._encoder = Encoder.load(options, device)

    def encode(self, chunk: Chunk) -> ChunkCodes:
        """Encode a chunk."""
        return self._encoder.encode(chunk, lambda _: None)


def _join(ray: Any, cluster: Cluster) -> None:  # noqa: ANN401 - a module
    try:
        address = {} if cluster.address == LOCAL else {"address": cluster.address}
        ray.init(**address, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        msg = f"--ray {cluster.address}: {error}"
        raise UsageError(msg) from error


def _import_ray() -> Any:  # noqa: ANN401 - a module
    try:
        import ray
    except ImportError as error:
        msg = "--ray needs ray: pip install '.[vq,ray]' in the clone of mico-150k"
        raise MissingPackage(msg) from error
    return ray
