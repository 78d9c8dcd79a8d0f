"""Stores the codes of finished chunks, one file each, until they are written as `dimoo-codes`.

Pages have checksums, so that a file damaged on disk does not count as finished.
"""

from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.builders.dimoo_tokens import Shape, grid
from mico_150k.core.reasons import Reason
from mico_150k.dataset.codes import Codes
from mico_150k.io.files import disk_errors, settle
from mico_150k.io.temporary import partial
from mico_150k.pretokenize.encoder import ChunkCodes
from mico_150k.pretokenize.failed_records import Fault

CHUNKS_HELD = 64
"""Of a chunk's codes, at most 3 MB where images have their usual size."""

_SCHEMA = pa.schema(
    {
        "codes": pa.list_(pa.field("element", pa.uint16())),
        "reason": pa.string(),
        "detail": pa.string(),
    }
)


class ChunkStore:
    """The folder of finished chunks, with the codes of some in memory."""

    def __init__(self, folder: Path, starts: list[int]) -> None:
        """Set the folder, created with the first file, and the first encoding of each chunk."""
        self._folder = folder
        self._starts = starts
        self._codes = lru_cache(CHUNKS_HELD)(
            lambda number: self._read(number, ["codes"])["codes"].combine_chunks()
        )

    def write(self, chunk: ChunkCodes) -> None:
        """Write a chunk, which is then finished."""
        rows = [
            {"codes": (), "reason": str(found.reason), "detail": found.detail}
            if isinstance(found, Fault)
            else {"codes": found.ravel(), "reason": "", "detail": ""}
            for found in chunk.encoded
        ]
        table = pa.Table.from_pylist(rows, _SCHEMA)
        path = self._path(chunk.number)
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, partial(path), compression="none", write_page_checksum=True)
        settle(path)

    def faults(self, number: int, encodings: int) -> dict[int, Fault] | None:
        """Return the chunk's encodings without codes, by position; None if it is not finished."""
        try:
            table = self._read(number)
        except (OSError, pa.ArrowException):
            return None
        if table.num_rows != encodings or not table.schema.equals(_SCHEMA):
            return None
        told = zip(table["reason"].to_pylist(), table["detail"].to_pylist(), strict=True)
        return {
            place: Fault(Reason(reason), detail)
            for place, (reason, detail) in enumerate(told)
            if reason
        }

    def codes(self, encoding: int, shape: Shape) -> Codes:
        """Return the codes of an encoding, rows × columns."""
        chunk = bisect_right(self._starts, encoding) - 1
        columns, rows = grid(shape)
        values = self._codes(chunk)[encoding - self._starts[chunk]].values
        found: Codes = values.to_numpy().reshape(rows, columns)
        return found

    def _read(self, number: int, columns: list[str] | None = None) -> pa.Table:
        with pq.ParquetFile(self._path(number), page_checksum_verification=True) as file:
            return file.read(columns)

    def _path(self, number: int) -> Path:
        return self._folder / f"chunk-{number:05d}.parquet"
