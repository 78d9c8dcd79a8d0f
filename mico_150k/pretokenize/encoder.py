"""One device's work: pictures are read, decoded and cropped by threads ahead of it.

Pictures of one shape are encoded together, in the order in which they come. Pillow and torch let
go of the interpreter, so that threads are enough.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mico_150k.errors import UnusableImage
from mico_150k.images.reader import digest_of
from mico_150k.pretokenize.cells import Cells
from mico_150k.pretokenize.crop import Pixels, crop_all
from mico_150k.pretokenize.material import CellPlace, Fault
from mico_150k.pretokenize.plan import Chunk, Item
from mico_150k.pretokenize.sizes import Shape
from mico_150k.pretokenize.vq import VQ, Codes, Precision
from mico_150k.reason import Reason
from mico_150k.sample import Buffer


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """What an encoder is made of, in whatever process: `readers` is its number of threads."""

    vq: str
    precision: Precision
    readers: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture at one shape: its codes, or nothing and a fault.

    `digest` is the XXH3-128 of the picture's encoded bytes, "" where they could not be read.
    """

    codes: Codes
    digest: str
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class ChunkCodes:
    """A chunk that is done, encoding by encoding."""

    number: int
    encoded: list[Encoded]


@dataclass(frozen=True, slots=True)
class _Crops:
    """A picture's pixels at each of its shapes, or a fault."""

    digest: str
    pixels: list[Pixels]
    fault: Fault | None = None


class Encoder:
    """Encodes chunks on one device."""

    def __init__(self, vq: VQ, options: EncoderOptions) -> None:
        """`vq` is already on its device."""
        self._vq = vq
        self._batch = options.precision.batch
        self._pool = ThreadPoolExecutor(options.readers)
        # Enough for the next batch to be ready when the device has done with one.
        self._ahead = 2 * max(self._batch, options.readers)

    @classmethod
    def load(cls, options: EncoderOptions, device: str) -> "Encoder":
        """The same, with a VQ of its own."""
        return cls(VQ.load(options.vq, device, options.precision), options)

    def encode(self, chunk: Chunk, on_encoded: Callable[[int], None]) -> ChunkCodes:
        """Encode a chunk; `on_encoded` hears of each batch, and how many are in it."""
        batches = _Batches(self._vq, len(chunk.shapes), on_encoded)
        waiting: dict[Shape, list[tuple[int, Pixels]]] = defaultdict(list)
        number = 0
        for item, crops in self._crops(chunk):
            for place, shape in enumerate(item.shapes):
                batches.digests[number] = crops.digest
                if crops.fault:
                    batches.faults[number] = crops.fault
                    on_encoded(1)
                else:
                    waiting[shape].append((number, crops.pixels[place]))
                    if len(waiting[shape]) == self._batch:
                        batches.run(waiting.pop(shape))
                number += 1
        for rest in waiting.values():
            batches.run(rest)
        return ChunkCodes(chunk.number, batches.finish())

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(cancel_futures=True)

    def _crops(self, chunk: Chunk) -> Iterator[tuple[Item, _Crops]]:
        """Each picture's pixels in order, so many ahead of the one that is asked for."""
        work = (
            (item, self._pool.submit(_crop, item, load)) for item, load in _loaders(chunk.items)
        )
        queue: deque[tuple[Item, Future[_Crops]]] = deque(islice(work, self._ahead))
        while queue:
            item, crops = queue.popleft()
            yield item, crops.result()
            queue.extend(islice(work, 1))


class _Batches:
    """Runs batches, and fetches the codes of one while the next one is under way."""

    def __init__(self, vq: VQ, encodings: int, on_encoded: Callable[[int], None]) -> None:
        self._vq = vq
        self._on_encoded = on_encoded
        self._codes: list[Codes] = [_NONE] * encodings
        self._running: tuple[list[int], Any] | None = None
        self.digests = [""] * encodings
        self.faults: dict[int, Fault] = {}

    def run(self, batch: list[tuple[int, Pixels]]) -> None:
        running = [number for number, _ in batch], self._vq.encode(np.stack([p for _, p in batch]))
        self._fetch()
        self._running = running

    def finish(self) -> list[Encoded]:
        self._fetch()
        return [
            Encoded(codes, digest, self.faults.get(number))
            for number, (codes, digest) in enumerate(zip(self._codes, self.digests, strict=True))
        ]

    def _fetch(self) -> None:
        if self._running:
            numbers, codes = self._running
            for number, found in zip(numbers, codes.cpu().numpy(), strict=True):
                self._codes[number] = found.astype(np.uint16)
            self._on_encoded(len(numbers))
            self._running = None


_NONE: Codes = np.empty((0, 0), np.uint16)


def _loaders(items: tuple[Item, ...]) -> Iterator[tuple[Item, Callable[[], Buffer]]]:
    """Each picture with what gives its bytes: of a row group now, of a file when it is called."""
    cells = Cells()
    for item in items:
        if isinstance(item.place, CellPlace):
            data = cells.read(item.place)
            yield item, lambda data=data: data  # type: ignore[misc] # its own, not the last one
        else:
            yield item, Path(item.place.path).read_bytes


def _crop(item: Item, load: Callable[[], Buffer]) -> _Crops:
    try:
        data = load()
        return _Crops(digest_of(data), crop_all(data, item.size, item.shapes))
    except OSError as error:
        return _Crops("", [], Fault(Reason.FILE_MISSING, f"{item.place}: {error}"))
    except UnusableImage as error:
        return _Crops("", [], Fault(error.reason, f"{item.place}: {error.detail}"))
