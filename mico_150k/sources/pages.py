"""Headers of a column chunk's pages: how large they are, and how many values they hold.

A page is what a Parquet reader must hold whole. pyarrow shows a file's row groups but not its
pages, and with its defaults one page can be a gigabyte. Only headers are read here, of some
30 bytes each, in Thrift's compact protocol (parquet-format, parquet.thrift, PageHeader).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

_MOST_HEADER_BYTES = 16 << 10  # a header is longer than some bytes only if it carries statistics
_FIRST_READ = 256
_MOST_COUNTED = 1 << 31  # the format's numbers have 32 bits

# Fields of PageHeader and of what lies within it.
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
_BY_TYPE = {0: 5, 2: 7, 3: 8}  # data page, dictionary page, data page v2 → their header's field
_DICTIONARY_TYPE = 2
_NUM_VALUES = 1

# Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


@dataclass(frozen=True, slots=True)
class PageHeader:
    """One page: its bytes before and after decompression, without the header; where it ends."""

    is_dictionary: bool
    values: int
    compressed: int
    uncompressed: int
    end: int


def read_page_headers(file: BinaryIO, start: int, end: int) -> Iterator[PageHeader]:
    """The headers of the pages in a column chunk that lies from byte `start` to `end`.

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
        reader = _Compact(data)
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
    """A number that can be one of bytes or values. Raises KeyError for all else."""
    if not isinstance(value, int) or not 0 <= value < _MOST_COUNTED:
        raise KeyError(value)
    return value


class _Compact:
    """Just enough of the compact protocol to read one struct of numbers and skip the rest."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def struct(self) -> dict[int, Any]:
        """Field number → value. Raises IndexError where the data ends."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind = head & 0x0F
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:  # noqa: ANN401 - a Thrift value is a number, bytes or nested
        if kind == _STRUCT:
            return self.struct()
        if kind in {_I16, _I32, _I64}:
            return self._signed()
        if kind in {_LIST, _SET}:
            head = self._byte()
            size = self._unsigned() if head >> 4 == 0x0F else head >> 4  # noqa: PLR2004 - a flag
            return [self._value(head & 0x0F) for _ in range(size)]
        if kind == _BINARY:
            return self._take(self._unsigned())
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        msg = f"type {kind} is not in a page header"
        raise KeyError(msg)

    def _byte(self) -> int:
        self.position += 1
        return self._data[self.position - 1]

    def _take(self, size: int) -> bytes:
        self.position += size
        if self.position > len(self._data):
            raise IndexError
        return self._data[self.position - size : self.position]

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def _signed(self) -> int:
        zigzag = self._unsigned()
        return (zigzag >> 1) ^ -(zigzag & 1)
