"""Pictures as pixels: threads read, decode and crop them, ahead of whoever takes them.

Pillow and pyarrow let go of the interpreter, so that threads are enough.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer
from mico_150k.images.reader import digest_of
from mico_150k.pretokenize.crop import Pixels, crop_all
from mico_150k.pretokenize.images import ParquetImages
from mico_150k.pretokenize.material import CellPlace, Fault
from mico_150k.pretokenize.plan import Chunk, Item


@dataclass(frozen=True, slots=True)
class Crops:
    """A picture's pixels at each of its shapes, or a fault.

    `digest` is the XXH3-128 of the picture's encoded bytes, "" where they could not be read.
    """

    digest: str
    pixels: list[Pixels]
    fault: Fault | None = None


class Decoder:
    """So many threads, and how many pictures they may be ahead."""

    def __init__(self, threads: int, ahead: int) -> None:
        """`ahead` is what the device takes while a picture is decoded."""
        self._pool = ThreadPoolExecutor(threads)
        self._cells = ParquetImages()
        self._ahead = ahead
        self._following: _Work | None = None

    def crops(self, chunk: Chunk, following: Chunk | None = None) -> Iterator[tuple[Item, Crops]]:
        """A chunk's pictures in order.

        While the last of them are waited for, those of `following` are begun, which is asked for
        next.
        """
        begun = self._following
        work = begun if begun and begun.chunk == chunk else self._work(chunk)
        after = self._following = self._work(following) if following else None
        work.begin(self._ahead - len(work.under_way))
        while work.under_way:
            item, crops = work.under_way.popleft()
            yield item, crops.result()
            if not work.begin(1) and after:
                after.begin(1)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(cancel_futures=True)
        self._cells.close()

    def _work(self, chunk: Chunk) -> "_Work":
        return _Work(chunk, self._loaders(chunk), self._pool)

    def _loaders(self, chunk: Chunk) -> Iterator[Callable[[], Buffer]]:
        places = [item.place for item in chunk.items]
        cells = self._cells.loaders([place for place in places if isinstance(place, CellPlace)])
        for place in places:
            yield next(cells) if isinstance(place, CellPlace) else Path(place.path).read_bytes


class _Work:
    """A chunk's pictures, of which the first so many are under way."""

    def __init__(
        self, chunk: Chunk, loaders: Iterator[Callable[[], Buffer]], pool: ThreadPoolExecutor
    ) -> None:
        self.chunk = chunk
        self.under_way: deque[tuple[Item, Future[Crops]]] = deque()
        self._rest = zip(chunk.items, loaders, strict=True)
        self._pool = pool

    def begin(self, pictures: int) -> int:
        """Begin with so many more, or as many as there are; returns their number."""
        before = len(self.under_way)
        for _, (item, load) in zip(range(pictures), self._rest, strict=False):
            self.under_way.append((item, self._pool.submit(_crop, item, load)))
        return len(self.under_way) - before


def _crop(item: Item, load: Callable[[], Buffer]) -> Crops:
    try:
        data = load()
        return Crops(digest_of(data), crop_all(data, item.size, item.shapes))
    except OSError as error:
        return Crops("", [], Fault(Reason.FILE_MISSING, f"{item.place}: {error}"))
    except pa.ArrowException as error:
        return Crops("", [], Fault(Reason.CORRUPT, f"{item.place}: {error}"))
    except UnusableImage as error:
        return Crops("", [], Fault(error.reason, f"{item.place}: {error.detail}"))
