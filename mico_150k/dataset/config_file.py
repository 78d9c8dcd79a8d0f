"""One Parquet file of one configuration, under a temporary name until it is whole."""

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.core.columns import Columns
from mico_150k.dataset.records import FileRecord
from mico_150k.dataset.row_group import RowGroup
from mico_150k.io.files import GrowingHash, disk_errors, settle
from mico_150k.io.parquet import image_writer
from mico_150k.io.temporary import partial, process_mark


class ConfigFile:
    """One Parquet file of one configuration, under its temporary name until `finish`."""

    def __init__(self, path: Path, columns: Columns) -> None:
        """Nothing is opened yet; what a killed run has left under the temporary name is removed."""
        self.path = path
        self._columns = columns
        # Of this process alone: one that is thought dead may write on, on another machine.
        self._temporary = partial(path, process_mark())
        self._hash = GrowingHash(self._temporary)
        self._written = self._rows = self._row_groups = self._arrow_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f"{path.name}.*partial"):
            leftover.unlink(missing_ok=True)

    def _open_writer(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = image_writer(self._temporary, self._columns)
        return self._writer

    def write(self, group: RowGroup) -> None:
        """Append one row group."""
        self.write_table(group.table(self._columns))

    def write_table(self, table: pa.Table) -> None:
        """Append one row group of these columns."""
        with disk_errors(self.path):
            self._open_writer().write_table(table, row_group_size=table.num_rows)
        self._written = self._temporary.stat().st_size
        self._rows += table.num_rows
        self._row_groups += 1
        self._arrow_bytes += table.nbytes

    def hash_so_far(self) -> None:
        """Hash what is written, beside what is being written; not beside `finish`."""
        if self._written:
            self._hash.catch_up(self._written)

    def finish(self) -> FileRecord:
        """Close the file, hash the rest of it, and give it its name."""
        with disk_errors(self.path):
            self._open_writer().close()
        record = FileRecord(
            bytes=self._temporary.stat().st_size,
            sha256=self._hash.finish(),
            rows=self._rows,
            row_groups=self._row_groups,
            arrow_bytes=self._arrow_bytes,
        )
        settle(self.path, self._temporary)
        return record

    def close(self) -> None:
        """Remove what was written, unless it is finished."""
        if self._writer is not None:
            with suppress(OSError):  # the disk may be full, which is why the file is abandoned
                self._writer.close()
        self._temporary.unlink(missing_ok=True)
