"""Thrift's compact protocol, as far as Parquet's headers use it: read, changed, written again.

A struct is a list of `[field, type, value]`, a list is `[type, values]`: both are changed in place.
"""

import random
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INTEGERS = {I16, I32, I64}
MOST = 10**6

_HOSTILE = (
    0, 1, -1, 2, 7, 100, 2**31 - 1, -(2**31), 2**31, 2**40, 10**12, 2**62, 2**63 - 1, -(2**63)
)  # fmt: skip


class _Reader:
    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, length: int) -> bytes:
        self.place += length
        return self.data[self.place - length : self.place]

    def value(self, kind: int) -> Any:
        if kind in {TRUE, FALSE}:
            return kind == TRUE
        if kind == BYTE:
            return self.byte()
        if kind in INTEGERS:
            return self.zigzag()
        if kind == DOUBLE:
            return self.take(8)
        if kind == BINARY:
            return self.take(self.varint())
        if kind in {LIST, SET}:
            start = self.byte()
            length = start >> 4
            if length == 0xF:
                length = self.varint()
            of = start & 0xF
            if of in {TRUE, FALSE}:
                return [of, [self.byte() == TRUE for _ in range(length)]]
            return [of, [self.value(of) for _ in range(length)]]
        if kind == STRUCT:
            return self.struct()
        msg = f"thrift type {kind}"
        raise ValueError(msg)

    def struct(self) -> list[list[Any]]:
        fields: list[list[Any]] = []
        last = 0
        while start := self.byte():
            kind = start & 0xF
            last = last + (start >> 4) if start >> 4 else self.zigzag()
            fields.append([last, kind, self.value(kind)])
        return fields


def read(data: bytes, place: int = 0) -> tuple[list[list[Any]], int]:
    """The struct that begins there, and where it ends. Raises `IndexError`, `ValueError`."""
    reader = _Reader(data, place)
    return reader.struct(), reader.place


def _varint(value: int) -> bytes:
    said = bytearray()
    value &= (1 << 70) - 1
    while value > 0x7F:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    said.append(value)
    return bytes(said)


def _zigzag(value: int) -> bytes:
    return _varint(((value << 1) ^ (value >> 63)) & ((1 << 64) - 1))


def _value(kind: int, value: Any) -> bytes:
    if kind in {TRUE, FALSE}:
        return b""
    if kind == BYTE:
        return bytes([value & 0xFF])
    if kind in INTEGERS:
        return _zigzag(value)
    if kind == DOUBLE:
        return bytes(value)
    if kind == BINARY:
        return _varint(len(value)) + value
    if kind in {LIST, SET}:
        of, values = value
        length = len(values)
        start = bytes([length << 4 | of]) if length < 0xF else bytes([0xF0 | of]) + _varint(length)
        if of in {TRUE, FALSE}:
            return start + bytes(TRUE if one else FALSE for one in values)
        return start + b"".join(_value(of, one) for one in values)
    return write(value)


def write(fields: list[list[Any]]) -> bytes:
    """The struct's bytes."""
    said = bytearray()
    last = 0
    for field, kind, value in fields:
        if kind in {TRUE, FALSE}:
            kind = TRUE if value else FALSE  # noqa: PLW2901
        step = field - last
        said += bytes([step << 4 | kind]) if 0 < step <= 0xF else bytes([kind]) + _zigzag(field)
        said += _value(kind, value)
        last = field
    return bytes(said) + b"\0"


def _slots(fields: list[list[Any]], depth: int = 0) -> list[tuple[list[Any], Any, int, int]]:
    """Each value below: what holds it, its place in there, its type and its depth."""
    found: list[tuple[list[Any], Any, int, int]] = []
    for entry in fields:
        _, kind, value = entry
        found.append((entry, 2, kind, depth))
        if kind == STRUCT:
            found += _slots(value, depth + 1)
        elif kind in {LIST, SET}:
            of, values = value
            for place, one in enumerate(values):
                found.append((values, place, of, depth + 1))
                if of == STRUCT:
                    found += _slots(one, depth + 1)
    return found


def change(fields: list[list[Any]], rng: random.Random) -> None:
    """Change one value: a number, a text, a list's length, a field's number or a whole struct."""
    slots = _slots(fields)
    if not slots:
        return
    depth = rng.choice(sorted({slot[3] for slot in slots}))
    holder, place, kind, _ = rng.choice([slot for slot in slots if slot[3] == depth])
    value = holder[place]
    if kind in {TRUE, FALSE}:
        holder[place] = not value
    elif kind == BYTE:
        holder[place] = rng.randrange(256)
    elif kind in INTEGERS:
        near = [value + 1, value - 1, value * 2, -value, value + rng.randrange(1000)]
        holder[place] = rng.choice([*_HOSTILE, *near, *near])
    elif kind == BINARY:
        holder[place] = rng.choice(
            [b"", value[:-1], value * 2, rng.randbytes(8), b"\xff\xfe", b"a" * MOST, b"bytes", b"x"]
        )
    elif kind in {LIST, SET}:
        _change_list(value[1], rng)
    elif kind == STRUCT:
        how = rng.randrange(4)
        if how == 0 and value:
            del value[rng.randrange(len(value))]
        elif how == 1 and value:
            value.append(list(rng.choice(value)))
        elif how == 2 and value:
            rng.choice(value)[0] = rng.choice([1, 2, 3, 20, 1000, 32767])
        else:
            value.clear()


def _change_list(values: list[Any], rng: random.Random) -> None:
    how = rng.randrange(4)
    if how == 0:
        values.clear()
    elif how == 1 and values:
        del values[rng.randrange(len(values))]
    elif how == 2 and values:
        values += [rng.choice(values)] * rng.choice([1, 2, 50, 2000])
    else:
        rng.shuffle(values)
