"""Detects column chunk metadata that makes pyarrow abort, before pyarrow is asked for it.

`RowGroupMetaData.column` catches no C++ exception: one damaged byte aborts the process. This module
first checks the same values in the footer's Thrift.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq

from mico_150k.core.plural import counted
from mico_150k.sources.thrift import Compact

_MAGIC, _TAIL = 4, 8
_ROW_GROUPS = 4  # of FileMetaData
_COLUMNS = 1  # of RowGroup
_META_DATA, _CRYPTO = 3, 8  # of ColumnChunk
_TYPE, _SIZE_STATISTICS = 1, 16  # of ColumnMetaData
_UNENCODED, _REPETITIONS, _DEFINITIONS = 1, 2, 3  # of SizeStatistics
_TYPES = (
    "BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY",
)  # fmt: skip
_BYTE_ARRAY = "BYTE_ARRAY"


def unsafe_chunk(footer: bytes, columns: Sequence[pq.ColumnSchema]) -> str:
    """Return the row group and column that pyarrow must not read; "" if all are safe.

    `footer` is as `write_metadata_file` writes it. Raises IndexError, KeyError and TypeError for
    what is no footer.
    """
    reader = Compact(footer[_MAGIC:-_TAIL])
    for number, kind in reader.fields():
        if number != _ROW_GROUPS:
            reader.value(kind)
            continue
        for place, group in enumerate(reader.structs()):
            chunks = group[_COLUMNS]
            if len(chunks) != len(columns):
                return (
                    f"row group {place}: {counted(len(chunks), 'column')} instead of {len(columns)}"
                )
            for chunk, column in zip(chunks, columns, strict=True):
                if _is_unsafe(chunk, column):
                    return f"row group {place}, column {column.path}"
    return ""


def _is_unsafe(chunk: dict[int, Any], column: pq.ColumnSchema) -> bool:
    if _CRYPTO in chunk:  # encrypted, and no key is available
        return True
    metadata = chunk[_META_DATA]
    if _TYPES[metadata[_TYPE]] != column.physical_type:
        return True
    sizes = metadata.get(_SIZE_STATISTICS)
    if sizes is None:
        return False
    levels = (
        (_REPETITIONS, column.max_repetition_level),
        (_DEFINITIONS, column.max_definition_level),
    )
    return (_UNENCODED in sizes and column.physical_type != _BYTE_ARRAY) or any(
        len(sizes.get(field, ())) not in {0, level + 1} for field, level in levels
    )
