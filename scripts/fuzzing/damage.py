"""Damage to bytes of any kind."""

import random
from collections.abc import Callable

Mutate = Callable[[bytes, random.Random], bytes]

TELLING = (
    0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1
)  # fmt: skip
MOST_PLACES = 8
LONGEST_PIECE = 256


def flip(data: bytes, rng: random.Random) -> bytes:
    """Some bits turned."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, MOST_PLACES) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, rng: random.Random) -> bytes:
    """A telling number in place of some bytes."""
    width = rng.choice([1, 2, 4, 8])
    value = (rng.choice(TELLING) & ((1 << 8 * width) - 1)).to_bytes(
        width, rng.choice(["little", "big"])
    )
    place = rng.randrange(max(1, len(data)))
    return data[:place] + value + data[place + width :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """Its start alone."""
    return data[: rng.randrange(max(1, len(data)))]


def drop(data: bytes, rng: random.Random) -> bytes:
    """A piece gone."""
    place, length = _piece(data, rng)
    return data[:place] + data[place + length :]


def insert(data: bytes, rng: random.Random) -> bytes:
    """Bytes of any kind in between."""
    place, length = _piece(data, rng)
    return data[:place] + rng.randbytes(length) + data[place:]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """A piece of it, elsewhere."""
    place, length = _piece(data, rng)
    target = rng.randrange(max(1, len(data)))
    return data[:target] + data[place : place + length] + data[target:]


def blank(data: bytes, rng: random.Random) -> bytes:
    """Zeros in place of a piece, as after a power cut."""
    place, length = _piece(data, rng)
    return data[:place] + b"\0" * min(length, len(data) - place) + data[place + length :]


def nothing(data: bytes, rng: random.Random) -> bytes:
    """An empty file, or one of noise alone."""
    return rng.choice([b"", rng.randbytes(len(data) % 4096)])


WAYS: tuple[Mutate, ...] = (
    flip, flip, flip, overwrite, overwrite, cut, drop, insert, repeat, blank,
)  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Damaged in one way or two, and seldom gone."""
    if rng.random() < 1 / 50:
        return nothing(data, rng)
    for _ in range(rng.choice([1, 1, 1, 2])):
        data = rng.choice(WAYS)(data, rng)
    return data


def _piece(data: bytes, rng: random.Random) -> tuple[int, int]:
    return rng.randrange(max(1, len(data))), rng.randint(1, LONGEST_PIECE)
