"""Reads and decodes images from a dataset's shards in threads, ahead of the encoder.

One thread reads the next row group; others decode and crop images. Pillow and pyarrow release the
interpreter lock, so that threads are enough.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.builders import BUILDERS
from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, as_view
from mico_150k.images.reader import digest_of
from mico_150k.pretokenize.crop import Pixels, crop_all
from mico_150k.pretokenize.dataset_images import Cell
from mico_150k.pretokenize.failed_records import Fault
from mico_150k.pretokenize.plan import Chunk, Item

Group = tuple[pa.Array, pa.Array]
"""A row group's inputs and outputs."""
Crops = list[Pixels] | Fault
"""An image's pixels at each of its shapes, or its fault."""


class ParquetImages:
    """Holds two row groups: the one whose images are requested, and the next one."""

    def __init__(self) -> None:
        """Start with no row group in memory."""
        self._thread = ThreadPoolExecutor(1)
        self._groups: dict[tuple[str, int], Future[Group]] = {}

    def loaders(self, cells: Sequence[Cell]) -> Iterator[Callable[[], memoryview]]:
        """Yield, for each cell in order, a function that waits for its bytes and returns them.

        It raises `UnusableImage`, and what reading Parquet raises.
        """
        keys = [(cell.shard, cell.group) for cell in cells]
        following = dict(pairwise(dict.fromkeys(keys)))
        for cell, key in zip(cells, keys, strict=True):
            wanted = [key, following[key]] if key in following else [key]
            self._groups = {
                one: self._groups.get(one) or self._thread.submit(_read, *one) for one in wanted
            }
            yield partial(_cell, self._groups[key], cell)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)


def _read(shard: str, group: int) -> Group:
    columns = {
        column.attribute: name
        for name, column in BUILDERS[Path(shard).parent.name].columns.items()
        if column.attribute in {"inputs", "output"}
    }
    with pq.ParquetFile(shard, pre_buffer=False) as file:
        table = file.read_row_group(group, columns=list(columns.values()), use_threads=False)
    return tuple(table[columns[name]].combine_chunks() for name in ("inputs", "output"))


def _cell(group: Future[Group], cell: Cell) -> memoryview:
    """Return the image's encoded bytes, a view into the row group."""
    inputs, outputs = group.result()
    images = inputs[cell.row].values
    value = images[cell.image] if cell.image < len(images) else outputs[cell.row]
    data = value["bytes"].as_buffer() if value.is_valid else None
    if data is None:
        raise UnusableImage(Reason.NULL_IMAGE)
    return as_view(data)


class Decoder:
    """Decodes images in threads, a limited number ahead of the encoder."""

    def __init__(self, threads: int, ahead: int) -> None:
        """Start the threads; `ahead` is how many images are decoded in advance."""
        self._pool = ThreadPoolExecutor(threads)
        self._cells = ParquetImages()
        self._ahead = ahead
        self._following: _Work | None = None

    def crops(self, chunk: Chunk, following: Chunk | None = None) -> Iterator[tuple[Item, Crops]]:
        """Yield a chunk's images in order.

        While the last of them are decoded, decoding of `following`, the next chunk, begins.
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
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)
        self._cells.close()

    def _work(self, chunk: Chunk) -> "_Work":
        loaders = self._cells.loaders([item.cell for item in chunk.items])
        return _Work(chunk, loaders, self._pool)


class _Work:
    """A chunk's images, some of which are already being decoded."""

    def __init__(
        self, chunk: Chunk, loaders: Iterator[Callable[[], Buffer]], pool: ThreadPoolExecutor
    ) -> None:
        self.chunk = chunk
        self.under_way: deque[tuple[Item, Future[Crops]]] = deque()
        self._rest = zip(chunk.items, loaders, strict=True)
        self._pool = pool

    def begin(self, pictures: int) -> int:
        """Start up to this many more images; returns how many were started."""
        before = len(self.under_way)
        for _, (item, load) in zip(range(pictures), self._rest, strict=False):
            self.under_way.append((item, self._pool.submit(_crop, item, load)))
        return len(self.under_way) - before


def _crop(item: Item, load: Callable[[], Buffer]) -> Crops:
    try:
        data = load()
        if digest_of(data) == item.digest:
            return crop_all(data, item.size, item.shapes)
        fault = Fault(Reason.CORRUPT, f"{item.cell}: its bytes differ from those in the index")
    except OSError as error:
        fault = Fault(Reason.FILE_MISSING, f"{item.cell}: {error}")
    except pa.ArrowException as error:
        fault = Fault(Reason.CORRUPT, f"{item.cell}: {error}")
    except UnusableImage as error:
        fault = Fault(error.reason, f"{item.cell}: {error.detail}")
    return fault
