"""The codes of finished chunks, a file for each, until all are written as `dimoo-codes`.

Pages have checksums, so that a file that a disk has damaged is no finished chunk.
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
from mico_150k.pretokenize.material import Fault

CHUNKS_HELD = 64
"""Of a chunk's codes, at most 3 MB where pictures have their usual size."""

_SCHEMA = pa.schema(
    {
        "codes": pa.list_(pa.field("element", pa.uint16())),
        "digest": pa.string(),
        "reason": pa.string(),
        "detail": pa.string(),
    }
)


class ChunkFiles:
    """The folder of them."""

    def __init__(self, folder: Path) -> None:
        """`folder` is there once a chunk is written."""
        self._folder = folder

    def write(self, chunk: ChunkCodes) -> None:
        """Write a chunk: from then on it is finished."""
        faults = [found.fault for found in chunk.encoded]
        table = pa.table(
            [
                pa.array([found.codes.ravel() for found in chunk.encoded], _SCHEMA[0].type),
                pa.array([found.digest for found in chunk.encoded], pa.string()),
                pa.array([str(fault.reason) if fault else "" for fault in faults], pa.string()),
                pa.array([fault.detail if fault else "" for fault in faults], pa.string()),
            ],
            schema=_SCHEMA,
        )
        path = self._path(chunk.number)
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, partial(path), compression="none", write_page_checksum=True)
        settle(path)

    def faults(self, number: int, encodings: int) -> dict[int, Fault] | None:
        """The encodings that have no codes, by their place; None where no such chunk is whole."""
        try:
            table = self.read(number)
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

    def read(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """A chunk. Raises what reading Parquet raises."""
        with pq.ParquetFile(self._path(number), page_checksum_verification=True) as file:
            return file.read(columns)

    def clear(self) -> None:
        """Remove all."""
        for path in self._folder.glob("chunk-*"):
            path.unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"chunk-{number:05d}.parquet"


class ChunkStore:
    """All finished chunks, found by the number of an encoding; some of them are held."""

    def __init__(self, files: ChunkFiles, starts: list[int]) -> None:
        """`starts` are the first encodings of the chunks."""
        self._starts = starts
        self._digests = [
            files.read(number, ["digest"])["digest"].to_pylist() for number in range(len(starts))
        ]
        self._codes = lru_cache(CHUNKS_HELD)(
            lambda number: files.read(number, ["codes"])["codes"].combine_chunks()
        )

    def digest(self, encoding: int) -> str:
        """Of the encoded picture."""
        chunk, place = self._find(encoding)
        return str(self._digests[chunk][place])

    def codes(self, encoding: int, shape: Shape) -> Codes:
        """Rows × columns."""
        chunk, place = self._find(encoding)
        columns, rows = grid(shape)
        found: Codes = self._codes(chunk)[place].values.to_numpy().reshape(rows, columns)
        return found

    def _find(self, encoding: int) -> tuple[int, int]:
        chunk = bisect_right(self._starts, encoding) - 1
        return chunk, encoding - self._starts[chunk]
