"""The part of the work that needs a device: all chunks are encoded, and kept as they are done."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mico_150k.pretokenize.chunks import ChunkFiles
from mico_150k.pretokenize.encoder import ChunkCodes
from mico_150k.pretokenize.losses import FailedRecords
from mico_150k.pretokenize.material import Fault
from mico_150k.pretokenize.plan import Chunk, EncodingPlan
from mico_150k.pretokenize.reuse import KnownCodes

OnProgress = Callable[[int, int], None]
"""Takes how many are done, and how many there are."""

Encode = Callable[[Iterator[Chunk], Callable[[int], None]], Iterator[ChunkCodes]]
"""Encodes chunks, and tells a function of every few encodings that are done."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """All chunks of a plan: those that are kept, and those that are missing."""

    plan: EncodingPlan
    chunks: ChunkFiles
    losses: FailedRecords

    def missing(self) -> list[int]:
        """Chunks that are not whole, or with a picture whose file could not be read.

        Faults of all others are losses from now on.
        """
        found = []
        for number in range(self.plan.chunks):
            faults = self.chunks.faults(number, len(self.plan.pictures(number)))
            if faults is None or any(fault.may_pass for fault in faults.values()):
                found.append(number)
            else:
                self._lose(number, faults)
        return found

    def encodings(self, numbers: Iterable[int]) -> int:
        """How many there are in these chunks."""
        return sum(len(self.plan.pictures(number)) for number in numbers)

    def run(
        self, missing: list[int], encode: Encode, known: KnownCodes, on_progress: OnProgress
    ) -> int:
        """Encode the chunks that are missing, but for what is `known`; returns how many were not.

        Raises `TooManyLeftOut`, and what `encode` raises.
        """
        total = self.plan.encodings
        done = before = total - self.encodings(missing)
        on_progress(done, total)

        def count(more: int) -> None:
            nonlocal done
            done += more
            on_progress(done, total)

        def rests() -> Iterator[Chunk]:
            nonlocal before
            for number in missing:
                chunk = self.plan.chunk(number)
                rest = known.rest(chunk)
                before += len(chunk.shapes) - len(rest.shapes)
                count(len(chunk.shapes) - len(rest.shapes))
                yield rest

        for rest in encode(rests(), count):
            chunk = known.whole(rest)
            self.chunks.write(chunk)
            faults = {
                place: found.fault for place, found in enumerate(chunk.encoded) if found.fault
            }
            self._lose(chunk.number, faults)
            self.losses.check()
        return before

    def _lose(self, number: int, faults: dict[int, Fault]) -> None:
        pictures = self.plan.pictures(number)
        for place, fault in faults.items():
            self.losses.add(pictures[place], fault)
