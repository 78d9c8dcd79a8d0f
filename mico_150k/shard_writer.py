"""Writes one shard in all its configurations, row group by row group, in one pass."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.columns import Columns
from mico_150k.files import disk_errors, settle, sha256
from mico_150k.names import partial, shard_name
from mico_150k.parquet_writer import image_writer
from mico_150k.records import FileRecord
from mico_150k.row_group import RowGroup
from mico_150k.sample import Sample


class ConfigFile:
    """One Parquet file of one configuration, under its temporary name until `finish`."""

    def __init__(self, path: Path, columns: Columns) -> None:
        """Nothing is opened yet; what a killed run has left under the temporary name is removed."""
        self.path = path
        self._columns = columns
        self._rows = self._row_groups = self._arrow_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        partial(path).unlink(missing_ok=True)

    def _open_writer(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = image_writer(partial(self.path), self._columns)
        return self._writer

    def write(self, group: RowGroup) -> None:
        """Append one row group."""
        self.write_table(group.table(self._columns))

    def write_table(self, table: pa.Table) -> None:
        """Append one row group of these columns."""
        with disk_errors(self.path):
            self._open_writer().write_table(table, row_group_size=table.num_rows)
        self._rows += table.num_rows
        self._row_groups += 1
        self._arrow_bytes += table.nbytes

    def finish(self) -> FileRecord:
        """Close the file, hash it, and give it its name."""
        with disk_errors(self.path):
            self._open_writer().close()
        temporary = partial(self.path)
        record = FileRecord(
            bytes=temporary.stat().st_size,
            sha256=sha256(temporary),
            rows=self._rows,
            row_groups=self._row_groups,
            arrow_bytes=self._arrow_bytes,
        )
        settle(self.path)
        return record

    def abandon(self) -> None:
        """Close and remove the temporary file."""
        if self._writer is not None:
            with suppress(OSError):  # the disk may be full, which is why the file is abandoned
                self._writer.close()
        partial(self.path).unlink(missing_ok=True)


class ShardWriter:
    """The files of one shard, one in each configuration's folder."""

    def __init__(self, folder: Path, number: int, configs: Mapping[str, Columns]) -> None:
        """`configs` are the columns by configuration; `folder` is the dataset folder."""
        self._files: dict[str, ConfigFile] = {}
        for name, columns in configs.items():
            self._files[name] = ConfigFile(folder / name / shard_name(number), columns)

    def write(self, samples: Sequence[Sample]) -> None:
        """Append one row group to each file."""
        group = RowGroup(samples)
        for file in self._files.values():
            file.write(group)

    def finish(self) -> dict[str, FileRecord]:
        """Close all files and give them their names."""
        return {name: file.finish() for name, file in self._files.items()}

    def abandon(self) -> None:
        """Remove what was written."""
        for file in self._files.values():
            file.abandon()
