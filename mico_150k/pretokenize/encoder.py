"""Encodes chunks on one device; images of one shape are encoded together, in order."""

import platform
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mico_150k.builders.dimoo_tokens import Shape
from mico_150k.core.errors import BrokenFile, UsageError
from mico_150k.dataset.codes import Codes
from mico_150k.pretokenize.crop import Pixels
from mico_150k.pretokenize.failed_records import Fault
from mico_150k.pretokenize.images import Decoder
from mico_150k.pretokenize.plan import Chunk, Item
from mico_150k.pretokenize.vq import NOT_FINITE, VQ, Precision


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """The settings of an encoder, for any process.

    Attributes:
        readers: The number of threads that read and decode.
        vq_sha256: The digest that the checkpoint must have; "" for any.
    """

    vq: str
    precision: Precision
    readers: int
    vq_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ChunkCodes:
    """A finished chunk: codes or a fault for each encoding."""

    number: int
    encoded: list[Codes | Fault]


class Encoder:
    """Encodes chunks on one device."""

    def __init__(self, vq: VQ, options: EncoderOptions) -> None:
        """Make an encoder from a VQ that is already on its device."""
        self._vq = vq
        self._batch = options.precision.batch
        # Enough that the next batch is ready when the device finishes one.
        self._decoder = Decoder(options.readers, 2 * max(self._batch, options.readers))

    @classmethod
    def load(cls, options: EncoderOptions, device: str) -> "Encoder":
        """Load the VQ and make an encoder; raises `UsageError` for another checkpoint."""
        vq = VQ.load(options.vq, device, options.precision)
        if options.vq_sha256 not in {"", vq.digest}:
            msg = (
                f"--vq {options.vq}: on {platform.node()} the checkpoint differs from the one on "
                f"the first machine ({vq.digest[:8]}… and {options.vq_sha256[:8]}…)."
            )
            raise UsageError(msg)
        return cls(vq, options)

    def encode(
        self, chunk: Chunk, on_encoded: Callable[[int], None], following: Chunk | None = None
    ) -> ChunkCodes:
        """Encode a chunk; `on_encoded` gets each batch's number of images.

        Images of `following`, which comes next, are decoded before this one ends. Raises
        `BrokenFile` where an image has no finite latents.
        """
        batches = _Batches(self._vq, chunk, on_encoded)
        waiting: dict[Shape, list[tuple[int, Pixels]]] = defaultdict(list)
        number = 0
        for item, crops in self._decoder.crops(chunk, following):
            for place, shape in enumerate(item.shapes):
                if isinstance(crops, Fault):
                    batches.encoded[number] = crops
                    on_encoded(1)
                else:
                    waiting[shape].append((number, crops[place]))
                    if len(waiting[shape]) == self._batch:
                        batches.run(waiting.pop(shape))
                number += 1
        for rest in waiting.values():
            batches.run(rest)
        batches.fetch()
        return ChunkCodes(chunk.number, batches.encoded)

    def close(self) -> None:
        """End the threads."""
        self._decoder.close()


class _Batches:
    """Runs batches, and fetches the codes of one while the next one runs."""

    def __init__(self, vq: VQ, chunk: Chunk, on_encoded: Callable[[int], None]) -> None:
        self._vq = vq
        self._items = chunk.items
        self._on_encoded = on_encoded
        self._running: tuple[list[int], Any] | None = None
        self.encoded: list[Codes | Fault] = [_NONE] * len(chunk.shapes)

    def run(self, batch: list[tuple[int, Pixels]]) -> None:
        running = [number for number, _ in batch], self._vq.encode(np.stack([p for _, p in batch]))
        self.fetch()
        self._running = running

    def fetch(self) -> None:
        if self._running:
            numbers, codes = self._running
            for number, found in zip(numbers, codes.cpu().numpy(), strict=True):
                if (found == NOT_FINITE).any():
                    raise _not_finite(self._items, number)
                self.encoded[number] = found.astype(np.uint16)
            self._on_encoded(len(numbers))
            self._running = None


def _not_finite(items: tuple[Item, ...], number: int) -> BrokenFile:
    cell = [item.cell for item in items for _ in item.shapes][number]
    return BrokenFile(
        f"--vq: it gives values for {cell} that are not finite. The checkpoint is damaged, or "
        "--dtype is too narrow."
    )


_NONE: Codes = np.empty((0, 0), np.uint16)
