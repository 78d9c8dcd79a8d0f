"""Passes a worker's batch in one memory file, which the receiver maps.

torch makes a shared memory file of every tensor, copies into mapped pages one fault at a time,
and hands each over through a socket of its own. Here the arrays of a batch are written into one
unnamed file. It does not count toward the size of `/dev/shm`, and is freed with its last user.
"""

import io
import mmap
import os
import pickle
from collections.abc import Sequence
from multiprocessing.reduction import DupFd, ForkingPickler
from typing import Any

import torch

_LARGE = 1 << 12
"""The minimum size in bytes of an array that is stored in the file."""
_ALIGNMENT = 64


class Parcel:
    """A container that unpickles as its batch."""

    __slots__ = ("_file", "_pickled", "_places", "_size")

    def __init__(self, pickled: bytes, buffers: Sequence[memoryview]) -> None:
        """Write the buffers of a pickled batch."""
        self._file = -1
        self._pickled = pickled
        self._places: list[tuple[int, int]] = []
        self._file = os.memfd_create("batch")
        self._size = 0
        with open(self._file, "wb", closefd=False) as file:
            for buffer in buffers:
                start = file.seek(-(-self._size // _ALIGNMENT) * _ALIGNMENT)
                self._size = start + file.write(buffer)
                self._places.append((start, self._size))

    def __reduce__(self) -> tuple[Any, ...]:
        """Hand the file over: torch's queue pickles a batch once."""
        sent = DupFd(self._file)
        self._close()
        return _unpack, (sent, self._size, self._places, self._pickled)

    def __del__(self) -> None:
        """Close the file of a batch that was never requested."""
        self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def pack(batch: Any) -> Any:  # noqa: ANN401 - whatever a collate function returns
    """Return the batch as a `Parcel`, or itself where there are no large arrays in it."""
    if not hasattr(os, "memfd_create"):  # not Linux
        return batch
    buffers: list[memoryview] = []

    def take(buffer: pickle.PickleBuffer) -> bool:
        """Return whether the buffer stays in the pickle."""
        raw = buffer.raw()
        if raw.nbytes < _LARGE:
            return True
        buffers.append(raw)
        return False

    pickled = io.BytesIO()
    _Pickler(pickled, 5, True, take).dump(batch)
    return Parcel(pickled.getvalue(), buffers) if buffers else batch


class _Pickler(ForkingPickler):
    """Pickles tensors as out-of-band buffers, like numpy arrays; all else as torch's queues do."""

    def reducer_override(self, value: Any) -> Any:  # noqa: ANN401 - any part of a batch
        if type(value) is torch.Tensor and _is_plain(value):
            flat = value.detach().reshape(-1).view(torch.uint8).numpy()
            return _tensor, (pickle.PickleBuffer(flat), value.dtype, tuple(value.shape))
        return NotImplemented


def _is_plain(tensor: torch.Tensor) -> bool:
    """Return whether the tensor consists only of its bytes, dtype and shape."""
    return bool(
        tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and not tensor.requires_grad
        and not tensor.is_quantized
        and not tensor.is_conj()
        and not tensor.is_neg()
        and tensor.is_contiguous()
        and tensor.numel()
    )


def _tensor(buffer: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:  # noqa: ANN401
    return torch.frombuffer(buffer, dtype=dtype).view(shape)


def _unpack(sent: Any, size: int, places: Sequence[tuple[int, int]], pickled: bytes) -> Any:  # noqa: ANN401
    """Unpack the batch; the file stays mapped while one of its arrays is in use."""
    file = sent.detach()
    try:
        mapped = memoryview(mmap.mmap(file, size))
    finally:
        os.close(file)
    return pickle.loads(pickled, buffers=[mapped[start:stop] for start, stop in places])  # noqa: S301 - of our own worker
