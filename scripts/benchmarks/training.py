"""What a trainer gets: shuffled rows of decoded uint8 tensors, from a `DataLoader` of 2 workers.

Every peer shuffles encoded bytes where it can, and decodes with Pillow, as its own documentation
has it. `first batch`: without the imports. Take 2 GB or more: a worker of `datasets` or WebDataset
has nothing to do where there is one shard alone.
"""

import io
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.case import Case
from benchmarks.reading import MOSAIC, OURS, WEBDATASET

BATCH, WORKERS, SHUFFLED = 4, 2, 100


def _tensor(data: Any) -> Any:
    import numpy as np
    import torch
    from PIL import Image

    image = Image.open(io.BytesIO(data)) if isinstance(data, bytes) else data
    array = np.asarray(image.convert("RGB"))
    return torch.from_numpy(array.transpose(2, 0, 1).copy())


def _decoded(row: dict[str, Any]) -> list[Any]:
    return [_tensor(image) for image in row["image_list"]]


def _collate_rows(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Decode in the worker that collates, so that a shuffle buffer holds bytes."""
    return [_decoded(row) for row in rows]


def _same(batch: Any) -> Any:
    return batch


def _take(batches: Iterable[Any], first: bool, started: float) -> float:  # noqa: FBT001
    """The seconds to the first batch, or to the end; each image is looked at."""
    rows = 0
    for batch in batches:
        images = batch["image_list"] if isinstance(batch, dict) else batch
        rows += len(images)
        assert all(image.shape[0] == 3 for row in images for image in row)  # noqa: PLR2004
        if first:
            break
    assert rows
    return time.perf_counter() - started


def ours(source: str, _: str, *, first: bool = False) -> float:
    """`TrainingLoader`."""
    from mico_150k.loaders.torch import TrainingLoader, TrainingRows

    started = time.perf_counter()
    rows = TrainingRows(source, "bagel", seed=0)
    return _take(TrainingLoader(rows, BATCH, num_workers=WORKERS), first, started)


def with_datasets(source: str, _: str, *, first: bool = False) -> float:
    """`datasets`, streaming from the same shards."""
    import datasets
    from torch.utils.data import DataLoader

    started = time.perf_counter()
    paths = sorted(map(str, Path(source).glob("bagel/*.parquet")))
    rows = datasets.load_dataset("parquet", data_files=paths, split="train", streaming=True)
    images = getattr(datasets, "List", datasets.Sequence)(datasets.Image(decode=False))
    rows = rows.cast_column("image_list", images).shuffle(seed=0, buffer_size=SHUFFLED)
    loader = DataLoader(rows, BATCH, num_workers=WORKERS, collate_fn=_collate_cells)
    return _take(loader, first, started)


def _collate_cells(rows: list[dict[str, Any]]) -> list[list[Any]]:
    return [[_tensor(cell["bytes"]) for cell in row["image_list"]] for row in rows]


def with_webdataset(source: str, _: str, *, first: bool = False) -> float:
    """WebDataset's own reader and shuffle buffer."""
    import webdataset
    from torch.utils.data import DataLoader

    started = time.perf_counter()
    tars = sorted(map(str, Path(source).glob("*.tar")))
    rows = webdataset.WebDataset(tars, shardshuffle=len(tars), seed=0, empty_check=False)
    loader = DataLoader(
        rows.shuffle(SHUFFLED).map(_decode_members).batched(BATCH, collation_fn=_same),
        batch_size=None,
        num_workers=WORKERS,
    )
    return _take(loader, first, started)


def _decode_members(sample: dict[str, Any]) -> list[Any]:
    return [_tensor(data) for name, data in sample.items() if name.endswith(".img")]


def with_mosaic(source: str, _: str, *, first: bool = False) -> float:
    """MosaicML's own reader and shuffle."""
    from streaming import StreamingDataset
    from torch.utils.data import DataLoader

    started = time.perf_counter()
    rows = StreamingDataset(
        local=source, shuffle=True, shuffle_seed=0, batch_size=BATCH, allow_unsafe_types=True
    )
    return _take(
        DataLoader(rows, BATCH, num_workers=WORKERS, collate_fn=_collate_rows), first, started
    )


CASES = {
    f"{part}, {name}": Case(partial(run, first=part == "first batch"), needs, made_by)
    for part in ("batches", "first batch")
    for name, run, needs, made_by in (
        ("ours", ours, "torch", OURS),
        ("datasets", with_datasets, "torch", OURS),
        ("WebDataset", with_webdataset, "webdataset", WEBDATASET),
        ("MDS", with_mosaic, "streaming", MOSAIC),
    )
}
