"""A batch leaves its parcel as it went in."""

import os
import pickle
import sys
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train`")

import torch
from torch.multiprocessing import get_context

from mico_150k.loaders.parcel import Parcel, pack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")


def carried(batch: Any) -> Any:
    """What another end of a queue gets, in this process."""
    queue = get_context("fork").Queue()
    queue.cancel_join_thread()  # or a test that fails waits for it at the end
    queue.put(pack(batch))
    return queue.get(timeout=20)


def large(dtype: torch.dtype) -> torch.Tensor:
    return torch.arange(9000).view(9, 20, 50).to(dtype)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.bool, torch.int64, torch.bfloat16, torch.float64, torch.complex64]
)
def test_a_tensor_keeps_its_type_shape_and_values(dtype: torch.dtype) -> None:
    [found] = carried([large(dtype)])
    assert found.dtype == dtype
    assert torch.equal(found, large(dtype))


def test_everything_else_of_a_batch_comes_along() -> None:
    image = large(torch.uint8)
    batch = {
        "images": [[image, image[0]], [torch.zeros(3, 0, 2, dtype=torch.uint8)]],
        "turned": large(torch.uint8).permute(2, 0, 1),
        "grad": torch.ones(5000, requires_grad=True),
        "array": np.arange(10_000).reshape(100, 100),
        "text": ["a", "b"],
        "count": torch.tensor([3, 4]),
    }
    found = carried(batch)
    assert found.keys() == batch.keys()
    assert torch.equal(found["images"][0][0], image)
    assert torch.equal(found["images"][0][1], image[0])
    assert found["images"][1][0].shape == (3, 0, 2)
    assert torch.equal(found["turned"], batch["turned"])
    assert found["grad"].requires_grad
    assert np.array_equal(found["array"], batch["array"])
    assert (found["text"], found["count"].tolist()) == (["a", "b"], [3, 4])


def test_what_has_arrived_can_be_written_and_outlives_the_batch() -> None:
    batch = carried([large(torch.int64), large(torch.uint8)])
    kept = batch[0]
    del batch
    kept += 1
    assert torch.equal(kept, large(torch.int64) + 1)


def test_no_file_stays_open() -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        carried([large(torch.uint8)])
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 8  # the queue's and the sharer's own
    deadline = time.monotonic() + 10
    while found := open_batches():  # a thread closes what it has handed over
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def open_batches() -> list[str]:
    """The files of batches that this process holds."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return [link for link in links if "memfd:batch" in link]


def test_a_batch_that_is_not_sent_leaves_no_file() -> None:
    others = len(open_batches())
    parcel = pack([large(torch.uint8)])
    assert len(open_batches()) > others
    del parcel
    assert len(open_batches()) <= others


def test_small_batches_are_sent_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = {"id": ["a"], "count": torch.tensor([1])}
    assert pack(batch) is batch
    assert isinstance(pack([large(torch.uint8)]), Parcel)
    monkeypatch.delattr(os, "memfd_create")
    images = [large(torch.uint8)]
    assert pack(images) is images


def test_what_cannot_be_pickled_fails_where_it_is_packed() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pack([large(torch.uint8), lambda: None])
