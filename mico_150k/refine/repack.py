"""Which shards a refined dataset has: those that keep all their rows, and those written again.

A shard that keeps every row is linked. A takedown, a benchmark and a validation split take few
rows: what they leave of a shard stays under its number, and a number of which nothing is left is
missing from then on. A choice of rows may leave little of every shard: one that keeps less than
half of its rows is then packed with the remains of others, and all are numbered anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mico_150k.dataset import layout
from mico_150k.refine.assignment import RowAssignments

OldShard = tuple[str, int]
"""A shard of the dataset that is refined: split and number."""

PACKED_BELOW = 0.5
"""The share of its rows below which what is left of a shard is packed with other remains."""


@dataclass(frozen=True, slots=True)
class NewShard:
    """A shard to be: its rows by their places, and the shard that it is a link to, if any."""

    split: str
    number: int
    places: tuple[int, ...]
    link: OldShard | None


def plan_shards(
    fates: RowAssignments, shards: Mapping[OldShard, int], shard_bytes: int, *, pack: bool
) -> tuple[NewShard, ...]:
    """All shards of all splits. `shards` are those there are, with their bytes of images.

    `pack` is whether small remains are packed, to `shard_bytes`; rows that go to another split
    always are.
    """
    rows: dict[OldShard, list[int]] = {shard: [] for shard in sorted(shards)}
    for place, row in enumerate(fates.rows):
        rows[row.split, row.shard].append(place)
    planned: list[NewShard] = []
    for split in (layout.SPLIT, layout.VALIDATION):
        packs = _Packs(shard_bytes)
        for old, there in rows.items():
            kept = [place for place in there if fates.split(place) == split]
            enough = PACKED_BELOW * len(there) if pack else 1
            if old[0] == split and len(kept) == len(there):
                packs.add_whole(kept, old, old)
            elif old[0] == split and len(kept) >= enough:
                packs.add_whole(kept, old, None)
            else:
                packs.add(kept, shards[old] / max(1, len(there)))
        planned += packs.shards(split, keep_numbers=not pack)
    return tuple(planned)


class _Packs:
    """The shards of a split in the order of the first row of each."""

    def __init__(self, shard_bytes: int) -> None:
        self._shard_bytes = shard_bytes
        self._shards: list[tuple[list[int], OldShard | None, OldShard | None]] = []
        self._open: list[int] = []
        self._open_bytes = 0.0

    def add_whole(self, places: list[int], old: OldShard, link: OldShard | None) -> None:
        """A shard of its own, which was `old`."""
        self._shards.append((places, old, link))

    def add(self, places: Iterable[int], row_bytes: float) -> None:
        """Rows that go where there is room."""
        for place in places:
            if self._open and self._open_bytes + row_bytes > self._shard_bytes:
                self._open, self._open_bytes = [], 0.0
            if not self._open:
                self._shards.append((self._open, None, None))
            self._open.append(place)
            self._open_bytes += row_bytes

    def shards(self, split: str, *, keep_numbers: bool) -> Iterator[NewShard]:
        """All of them. What is packed is a split's alone where numbers are kept."""
        for place, (places, old, link) in enumerate(self._shards):
            number = old[1] if old and keep_numbers else place
            yield NewShard(split, number, tuple(places), link)
