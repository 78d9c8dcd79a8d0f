"""Which shards a refined dataset has: those that keep all their rows, and those written again.

A shard that keeps every row is linked. One that keeps at least half of its bytes is written again
under its own turn, so that a takedown moves no other shard's name; what is left of smaller ones
is packed together.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mico_150k import names
from mico_150k.refine.fates import Fates

OldShard = tuple[str, int]
"""A shard of the dataset that is refined: split and number."""

PACKED_BELOW = 0.5
"""The share of its bytes below which what is left of a shard is packed with other remains."""


@dataclass(frozen=True, slots=True)
class NewShard:
    """A shard to be: its rows by their places, and the shard that it is a link to, if any."""

    split: str
    number: int
    places: tuple[int, ...]
    link: OldShard | None


def plan_shards(
    fates: Fates, shards: Mapping[OldShard, int], shard_bytes: int
) -> tuple[NewShard, ...]:
    """All shards of all splits. `shards` are those there are, with their bytes of images.

    `shard_bytes` is the size to pack to.
    """
    rows: dict[OldShard, list[int]] = {shard: [] for shard in shards}
    for place, row in enumerate(fates.rows):
        rows[row.split, row.shard].append(place)
    return tuple(
        NewShard(split, number, tuple(places), link)
        for split in (names.SPLIT, names.VALIDATION)
        for number, (places, link) in enumerate(_of_split(split, fates, shards, rows, shard_bytes))
    )


def _of_split(
    split: str,
    fates: Fates,
    sizes: Mapping[OldShard, int],
    rows: Mapping[OldShard, list[int]],
    shard_bytes: int,
) -> Iterator[tuple[list[int], OldShard | None]]:
    """The places of each shard, in order, and the shard that it equals."""
    packs = _Packs(shard_bytes)
    for shard in sorted(rows):
        there = rows[shard]
        kept = [place for place in there if fates.split(place) == split]
        if shard[0] == split and len(kept) == len(there):
            packs.add_whole(kept, shard)
        elif shard[0] == split and len(kept) >= PACKED_BELOW * len(there):
            packs.add_whole(kept, None)
        else:
            packs.add(kept, sizes[shard] / max(1, len(there)))
    yield from packs.in_order()


class _Packs:
    """Shards in the order of the first row of each."""

    def __init__(self, shard_bytes: int) -> None:
        self._shard_bytes = shard_bytes
        self._shards: list[tuple[list[int], OldShard | None]] = []
        self._open: list[int] = []
        self._open_bytes = 0.0

    def add_whole(self, places: list[int], link: OldShard | None) -> None:
        """A shard of its own."""
        self._shards.append((places, link))

    def add(self, places: Iterable[int], row_bytes: float) -> None:
        """Rows that go where there is room."""
        for place in places:
            if self._open and self._open_bytes + row_bytes > self._shard_bytes:
                self._open, self._open_bytes = [], 0.0
            if not self._open:
                self._shards.append((self._open, None))
            self._open.append(place)
            self._open_bytes += row_bytes

    def in_order(self) -> list[tuple[list[int], OldShard | None]]:
        """All of them; one without rows comes where it was made."""
        return self._shards
