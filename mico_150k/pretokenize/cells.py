"""Images out of a dataset's shards, one row group at a time."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mico_150k.builders import BUILDERS
from mico_150k.pretokenize.material import CellPlace


class Cells:
    """Holds the row group that was read last: places come in order."""

    def __init__(self) -> None:
        """Nothing is held yet."""
        self._at: tuple[str, int] | None = None
        self._inputs = self._outputs = pa.nulls(0)

    def read(self, place: CellPlace) -> memoryview:
        """The image's encoded bytes, a view into the row group."""
        if self._at != (place.shard, place.group):
            self._load(place.shard, place.group)
        inputs = self._inputs[place.row].values
        cell = inputs[place.image] if place.image < len(inputs) else self._outputs[place.row]
        return memoryview(cell["bytes"].as_buffer())

    def _load(self, shard: str, group: int) -> None:
        columns = {
            column.attribute: name
            for name, column in BUILDERS[Path(shard).parent.name].columns.items()
            if column.attribute in {"inputs", "output"}
        }
        with pq.ParquetFile(shard, pre_buffer=False) as file:
            table = file.read_row_group(group, columns=list(columns.values()))
        self._inputs = table[columns["inputs"]].combine_chunks()
        self._outputs = table[columns["output"]].combine_chunks()
        self._at = shard, group
