"""Reads Thrift's compact protocol, in which Parquet writes its footers and page headers."""

from collections.abc import Iterator
from typing import Any

# Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class Compact:
    """Parses just enough of the compact protocol to read structs of numbers and skip the rest."""

    def __init__(self, data: bytes) -> None:
        """Start at the beginning of the data."""
        self._data = data
        self.position = 0

    def struct(self) -> dict[int, Any]:
        """Return field number → value. Raises IndexError if the data ends early."""
        return {
            number: kind == _TRUE if kind in {_TRUE, _FALSE} else self.value(kind)
            for number, kind in self.fields()
        }

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number and type of each field of a struct; the caller reads its value."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            yield number, head & 0x0F

    def structs(self) -> Iterator[dict[int, Any]]:
        """Yield the structs of a list, one at a time."""
        for _ in range(self._size(self._byte())):
            yield self.struct()

    def value(self, kind: int) -> Any:  # noqa: ANN401 - a Thrift value is a number, bytes or nested
        """Return a value of this type. Raises IndexError at the end, KeyError for a wrong type."""
        if kind == _STRUCT:
            return self.struct()
        if kind in {_I16, _I32, _I64}:
            return self._signed()
        if kind in {_LIST, _SET}:
            head = self._byte()
            return [self.value(head & 0x0F) for _ in range(self._size(head))]
        if kind == _BINARY:
            return self._take(self._unsigned())
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        msg = f"type {kind} is not in a page header"
        raise KeyError(msg)

    def _size(self, head: int) -> int:
        return self._unsigned() if head >> 4 == 0x0F else head >> 4  # noqa: PLR2004 - a flag

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
