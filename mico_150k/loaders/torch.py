"""Loads a configuration's rows into any trainer with torch's `DataLoader`, from disk or the Hub.

    loader = TrainingLoader(TrainingRows("mico-150k", "default", seed=0), batch_size=4)
    for batch in loader: ...

Workers stream row groups, shuffle encoded bytes and decode the rows that they yield. Unlike the
shuffle buffer of `datasets`, it loses no rows when a training resumes from a checkpoint.
Needs the extra `train`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image as Pillow
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mico_150k.core.errors import UsageError
from mico_150k.dataset import layout
from mico_150k.dataset.reader import open_dataset
from mico_150k.io.storage import Storage
from mico_150k.loaders.parcel import pack
from mico_150k.loaders.pixels import Pixels, rgb_pixels
from mico_150k.loaders.row_order import Piece, draw, share, shuffled
from mico_150k.trainers.rgb import open_rgb

POOL_BYTES = 256 << 20
"""The bytes of encoded images in each worker's pool, from which rows are drawn at random."""

_FOOTERS_AT_ONCE = 16
_BYTES_AT_ONCE = 8 << 20
"""The bytes of a row group that are read at a time."""
_LOCAL_BUFFER = 1 << 20
"""The read buffer for local files; over a network, each buffer would be a request."""

Row = dict[str, Any]
State = dict[str, Any]


def to_tensor(image: Pillow.Image) -> torch.Tensor:
    """Return an RGB image as a uint8 tensor of shape (3, height, width)."""
    return _planes(np.asarray(image))


def _planes(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


def collate(rows: Sequence[Row]) -> dict[str, Any]:
    """Return a list per column: images keep their sizes, and rows their number of inputs.

    A column of integers becomes a tensor.
    """
    batch: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    for name, values in batch.items():
        if all(type(value) is int for value in values):
            batch[name] = torch.tensor(values)
    return batch


class TrainingRows(IterableDataset[Row]):
    """Iterates over a configuration's rows with decoded images, in another order each epoch."""

    def __init__(  # noqa: PLR0913 - each is one choice of a training
        self,
        dataset: str | Path,
        config: str = layout.DEFAULT,
        *,
        split: str = layout.SPLIT,
        seed: int | None = None,
        transform: Callable[[Pillow.Image], Any] = to_tensor,
        pool_bytes: int = POOL_BYTES,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        """Open a configuration and read the footers of its files.

        Args:
            dataset: A folder, `USER/NAME` on the Hub, or `hf://…`.
            config: The configuration.
            split: The split.
            seed: Shuffles the rows; without it, they keep their order.
            transform: Turns each RGB image into a value of the row; it runs in the workers.
            pool_bytes: Bytes of encoded images in each worker, from which rows are drawn.
            rank: The rank of this process; by default that of `torch.distributed`.
            world_size: The number of ranks; by default that of `torch.distributed`.

        Raises:
            NotADataset: The place has no finished dataset.
            UnknownConfig: The dataset does not have the configuration.
        """
        self.epoch = 0
        self.config = config
        self.seed = seed
        self.rank, self.world_size = _place(rank, world_size)
        self._transform = transform
        self.pool_bytes = pool_bytes
        opened = open_dataset(dataset)
        self._storage = opened.storage
        self._pieces = _find_pieces(self._storage, opened.files(config, split))

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows of this worker, or all rows of the rank outside a `DataLoader`."""
        return self.read()

    @property
    def rows(self) -> int:
        """The number of rows of the configuration."""
        return sum(piece.rows for piece in self._pieces)

    def share_of(self, worker: int, workers: int) -> list[Piece]:
        """Return what a worker of this rank reads in this epoch: equal row counts on all ranks."""
        order = shuffled(self._pieces, self.seed, self.epoch)
        part, parts = self.rank * workers + worker, self.world_size * workers
        return share(order, part, parts, even=self.world_size > 1)

    def read(self, skip: int = 0) -> Iterator[Row]:
        """Yield the same rows as the iterator, without reading the first `skip`."""
        worker, workers = _worker()
        pieces = self.share_of(worker, workers)
        random = None
        if self.seed is not None:
            random = Random(f"{self.seed} {self.epoch} {self.rank} {worker} {workers}")  # noqa: S311
        order = draw(pieces, random, self.pool_bytes)
        left: dict[int, set[int]] = {
            number: set(range(piece.start, piece.stop)) for number, piece in enumerate(pieces)
        }
        for _, (number, row) in zip(range(skip), order):  # noqa: B905 - skips, and stops at the end
            left[number].remove(row)
        held: dict[int, dict[int, Row]] = {}
        for number, row in order:
            if number not in held:
                held[number] = self._read_piece(pieces[number], left.pop(number))
            values = held[number].pop(row)
            if not held[number]:
                del held[number]
            yield {name: self._decode(value) for name, value in values.items()}

    def _read_piece(self, piece: Piece, rows: set[int]) -> dict[int, Row]:
        """Return the rows as Python objects, without a second copy of the row group in memory."""
        at_once = max(1, _BYTES_AT_ONCE // max(1, piece.row_bytes))

        def read() -> dict[int, Row]:
            found: dict[int, Row] = {}
            row = 0
            with self._storage.parquet(piece.file, local_buffer=_LOCAL_BUFFER) as file:
                for batch in file.iter_batches(at_once, [piece.group], use_threads=False):
                    for place in range(batch.num_rows):
                        if row in rows:
                            found[row] = batch.slice(place, 1).to_pylist()[0]
                        row += 1
                    if len(found) == len(rows):
                        break
            return found

        return self._storage.again(read)

    def _decode(self, value: Any) -> Any:  # noqa: ANN401 - any column's value
        """Decode cells with bytes, which are images in every configuration."""
        if isinstance(value, list):
            return [self._decode(each) for each in value]
        if isinstance(value, bytes) or (isinstance(value, dict) and "bytes" in value):
            if self._transform is to_tensor:
                return _planes(rgb_pixels(value))
            return self._transform(open_rgb(value))
        return value


class TrainingLoader:
    """A `DataLoader` with a state: an iteration starts where the last one stopped.

    After the last row, the next iteration is the next epoch, in another order.
    """

    def __init__(
        self,
        rows: TrainingRows,
        batch_size: int = 1,
        *,
        num_workers: int = 2,
        collate_fn: Callable[[Sequence[Row]], Any] = collate,
        drop_last: bool = False,
        **options: Any,  # noqa: ANN401 - each of them the DataLoader's
    ) -> None:
        """Pass `options` on to `DataLoader`: `pin_memory`, `prefetch_factor` and so on."""
        self.rows = rows
        self._batch_size = batch_size
        self._workers = num_workers
        self._collate = collate_fn
        self._drop_last = drop_last
        self._options = options
        self._taken: dict[int, int] = {}

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same on every rank."""
        workers = max(1, self._workers)
        counts = [
            sum(piece.rows for piece in self.rows.share_of(worker, workers))
            for worker in range(workers)
        ]
        up = 0 if self._drop_last else self._batch_size - 1
        return sum((count + up) // self._batch_size for count in counts)

    def __iter__(self) -> Iterator[Any]:
        """Yield the rest of this epoch's batches."""
        loader: DataLoader[Any] = DataLoader(
            _Numbered(self.rows, dict(self._taken)),
            self._batch_size,
            num_workers=self._workers,
            collate_fn=_Collate(self._collate),
            drop_last=self._drop_last,
            **self._options,
        )
        for worker, taken, batch in loader:
            self._taken[worker] = taken
            yield batch
        self._taken = {}
        self.rows.epoch += 1

    def state_dict(self) -> State:
        """Return the position of this rank's training, after the last batch that it was given."""
        return {**self._order(), "epoch": self.rows.epoch, "taken": dict(self._taken)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state. Raises `UsageError` if the order of rows would differ."""
        for name, value in self._order().items():
            if state[name] != value:
                msg = f"the state has {name} {state[name]}, and this loader has {value}."
                raise UsageError(msg)
        self.rows.epoch = state["epoch"]
        self._taken = {int(worker): taken for worker, taken in state["taken"].items()}

    def _order(self) -> State:
        """Return everything that determines which rows a worker has read."""
        return {
            "config": self.rows.config,
            "rows": self.rows.rows,
            "seed": self.rows.seed,
            "pool_bytes": self.rows.pool_bytes,
            "rank": self.rows.rank,
            "world_size": self.rows.world_size,
            "workers": self._workers,
        }


class _Numbered(IterableDataset[tuple[int, int, Row]]):
    """Yields each row with its worker and the number of rows that worker has yielded so far."""

    def __init__(self, rows: TrainingRows, taken: Mapping[int, int]) -> None:
        self._rows = rows
        self._taken = taken

    def __iter__(self) -> Iterator[tuple[int, int, Row]]:
        worker, _ = _worker()
        skip = self._taken.get(worker, 0)
        for number, row in enumerate(self._rows.read(skip), start=skip + 1):
            yield worker, number, row


class _Collate:
    """Collates a batch with its worker and the number of rows that worker has yielded so far."""

    def __init__(self, collate_rows: Callable[[Sequence[Row]], Any]) -> None:
        self._collate_rows = collate_rows

    def __call__(self, numbered: Sequence[tuple[int, int, Row]]) -> tuple[int, int, Any]:
        worker, taken, _ = numbered[-1]
        batch = self._collate_rows([row for _, _, row in numbered])
        return worker, taken, pack(batch) if get_worker_info() else batch


def _worker() -> tuple[int, int]:
    info = get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    if rank is None and world_size is None:
        group = torch.distributed
        if group.is_available() and group.is_initialized():
            return group.get_rank(), group.get_world_size()
        return 0, 1
    if rank is None or world_size is None or not 0 <= rank < world_size:
        msg = f"rank {rank} of {world_size}: give both, with rank from 0."
        raise UsageError(msg)
    return rank, world_size


def _find_pieces(storage: Storage, files: Sequence[str]) -> list[Piece]:
    """Return every row group of the files as one piece."""

    def pieces(name: str) -> list[Piece]:
        def read() -> pq.FileMetaData:
            with storage.open(name) as file:
                return pq.ParquetFile(file).metadata

        metadata = storage.again(read)
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        return [
            Piece(name, number, 0, group.num_rows, group.total_byte_size // max(1, group.num_rows))
            for number, group in enumerate(groups)
        ]

    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        return [piece for of_file in pool.map(pieces, files) for piece in of_file]


__all__ = ["TrainingLoader", "TrainingRows", "collate", "to_tensor"]
