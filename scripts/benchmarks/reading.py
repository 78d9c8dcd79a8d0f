"""Ways to read the data: our shards, the default layout, WebDataset and MDS.

`first`: a process opens a shard that no cache holds and gets its first sample. `loader`: all
samples through a `DataLoader` with one worker, images as bytes.
"""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.case import Case

OURS, DEFAULT = "ours, one configuration", "pyarrow, default layout"
WEBDATASET, MOSAIC = "webdataset ShardWriter", "mosaicml MDSWriter"


def _parquet(source: str) -> list[str]:
    path = Path(source)
    return [str(path)] if path.is_file() else sorted(map(str, path.glob("bagel/*.parquet")))


def _forget(paths: Iterable[Path]) -> None:
    """Drop files from the page cache; on a memory-backed folder they stay."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _files(source: str) -> list[Path]:
    path = Path(source)
    return [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]


def first_of_parquet(source: str, _: str) -> float:
    """pyarrow, one row."""
    import pyarrow.parquet as pq

    _forget(_files(source))
    started = time.perf_counter()
    file = pq.ParquetFile(_parquet(source)[0], pre_buffer=False, buffer_size=1 << 20)
    row = next(file.iter_batches(1)).to_pylist()[0]
    assert row["image_list"]
    return time.perf_counter() - started


def first_of_webdataset(source: str, _: str) -> float:
    """The tar's first sample."""
    import webdataset

    _forget(_files(source))
    started = time.perf_counter()
    tars = sorted(map(str, Path(source).glob("*.tar")))
    assert next(iter(webdataset.WebDataset(tars[:1], shardshuffle=False)))["0.img"]
    return time.perf_counter() - started


def first_of_mosaic(source: str, _: str) -> float:
    """The MDS shard's first sample."""
    from streaming import StreamingDataset

    _forget(_files(source))
    started = time.perf_counter()
    dataset = StreamingDataset(local=source, shuffle=False, batch_size=1, allow_unsafe_types=True)
    assert dataset[0]["image_list"]
    return time.perf_counter() - started


def load_parquet(source: str, _: str) -> float:
    """`datasets`, streaming."""
    import datasets

    rows = datasets.load_dataset(
        "parquet", data_files=_parquet(source), split="train", streaming=True
    )
    images = getattr(datasets, "List", datasets.Sequence)(datasets.Image(decode=False))
    if rows.features is not None and rows.features["image_list"] != images:
        rows = rows.cast_column("image_list", images)
    return _load(rows)


def load_webdataset(source: str, _: str) -> float:
    """WebDataset's own reader."""
    import webdataset

    tars = sorted(map(str, Path(source).glob("*.tar")))
    return _load(webdataset.WebDataset(tars, shardshuffle=False))


def load_mosaic(source: str, _: str) -> float:
    """MosaicML's own reader."""
    from streaming import StreamingDataset

    return _load(
        StreamingDataset(local=source, shuffle=False, batch_size=1, allow_unsafe_types=True)
    )


def _load(rows: Any) -> float:
    from torch.utils.data import DataLoader

    started = time.perf_counter()
    count = sum(1 for _ in _samples(DataLoader(rows, batch_size=None, num_workers=1)))
    assert count
    return time.perf_counter() - started


def _samples(loader: Iterable[Any]) -> Iterator[Any]:
    yield from loader


CASES = {
    "first sample, ours": Case(first_of_parquet, made_by=OURS),
    "first sample, default layout": Case(first_of_parquet, made_by=DEFAULT),
    "first sample, WebDataset": Case(first_of_webdataset, needs="webdataset", made_by=WEBDATASET),
    "first sample, MDS": Case(first_of_mosaic, needs="streaming", made_by=MOSAIC),
    "loader, ours": Case(load_parquet, needs="torch", made_by=OURS),
    "loader, default layout": Case(load_parquet, needs="torch", made_by=DEFAULT),
    "loader, WebDataset": Case(load_webdataset, needs="webdataset", made_by=WEBDATASET),
    "loader, MDS": Case(load_mosaic, needs="streaming", made_by=MOSAIC),
}
