"""Reads the headers of a column chunk's pages: their sizes and numbers of values.

A Parquet reader must hold a whole page in memory. pyarrow shows a file's row groups but not its
pages, and with its defaults one page can be a gigabyte. Only headers are read here, of some
30 bytes each, in Thrift's compact protocol (parquet-format, parquet.thrift, PageHeader).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from mico_150k.sources.thrift import Compact

_MOST_HEADER_BYTES = 16 << 10  # a header is longer only if it carries statistics
_FIRST_READ = 256
_MOST_COUNTED = 1 << 31  # the format's numbers have 32 bits

# Fields of PageHeader and its nested structs.
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
_BY_TYPE = {0: 5, 2: 7, 3: 8}  # data page, dictionary page, data page v2 → their header's field
_DICTIONARY_TYPE = 2
_NUM_VALUES = 1


@dataclass(frozen=True, slots=True)
class PageHeader:
    """One page: its bytes before and after decompression, without the header, and its end."""

    is_dictionary: bool
    values: int
    compressed: int
    uncompressed: int
    end: int


def read_page_headers(file: BinaryIO, start: int, end: int) -> Iterator[PageHeader]:
    """Yield the headers of the pages in a column chunk that spans bytes `start` to `end`.

    Lazy: each header costs one small read. Stops at what is no page header.
    """
    while start < end:
        header = _header_at(file, start, end)
        if header is None:
            return
        yield header
        start = header.end


def _header_at(file: BinaryIO, start: int, end: int) -> PageHeader | None:
    for size in (_FIRST_READ, _MOST_HEADER_BYTES):
        file.seek(start)
        data = file.read(min(size, end - start))
        reader = Compact(data)
        try:
            fields = reader.struct()
            page = fields[_BY_TYPE[fields[_TYPE]]]
            compressed = _count(fields[_COMPRESSED])
            return PageHeader(
                is_dictionary=fields[_TYPE] == _DICTIONARY_TYPE,
                values=_count(page[_NUM_VALUES]),
                compressed=compressed,
                uncompressed=_count(fields[_UNCOMPRESSED]),
                end=start + reader.position + compressed,
            )
        except (IndexError, KeyError, TypeError, RecursionError):
            continue
    return None


def _count(value: Any) -> int:  # noqa: ANN401 - any Thrift value
    """Return a valid number of bytes or values. Raises KeyError for anything else."""
    if not isinstance(value, int) or not 0 <= value < _MOST_COUNTED:
        raise KeyError(value)
    return value
