"""Codes that were made before, in the same way, of pictures that are still the same.

What is left to encode comes into other batches than it would: with more than one picture in a
batch, a code that has two candidates as good as equal may become the other (see `Precision`).
"""

from dataclasses import replace
from pathlib import Path

from mico_150k.builders.dimoo_tokens import CODE, Shape
from mico_150k.core.errors import BrokenFile, NotADataset
from mico_150k.dataset.codes import Codes, CodesFolder
from mico_150k.images.reader import digest_of
from mico_150k.pretokenize.encoder import ChunkCodes, Encoded
from mico_150k.pretokenize.identity import Identity, is_same_way
from mico_150k.pretokenize.material import FilePlace
from mico_150k.pretokenize.plan import Chunk, Item


class KnownCodes:
    """Of pictures by their digest, at their shapes. All are held: a gigabyte or so of MICo-150K."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        """What is in `folder`: nothing where it was made in another way, or is damaged."""
        self._codes: dict[tuple[str, Shape], Codes] = {}
        self._found: dict[int, dict[int, Encoded]] = {}
        try:
            before = CodesFolder.open(folder)
            if is_same_way(before.made_with, identity):
                for picture in (picture for row in before.read() for picture in row.pictures):
                    rows, columns = picture.codes.shape
                    key = picture.digest, (columns * CODE, rows * CODE)
                    self._codes.setdefault(key, picture.codes.copy())
        except (NotADataset, BrokenFile):
            self._codes.clear()

    def rest(self, chunk: Chunk) -> Chunk:
        """What of a chunk is still to be encoded."""
        if not self._codes:
            return chunk
        found: dict[int, Encoded] = {}
        items = []
        number = 0
        for item in chunk.items:
            digest = item.digest or _digest(item)
            missing = []
            for place, shape in enumerate(item.shapes, start=number):
                if (digest, shape) in self._codes:
                    found[place] = Encoded(self._codes[digest, shape], digest)
                else:
                    missing.append(shape)
            if missing:
                items.append(replace(item, shapes=tuple(missing)))
            number += len(item.shapes)
        self._found[chunk.number] = found
        return Chunk(chunk.number, tuple(items))

    def whole(self, rest: ChunkCodes) -> ChunkCodes:
        """The chunk, of the rest that was encoded."""
        found = self._found.pop(rest.number, {})
        encoded = iter(rest.encoded)
        total = len(found) + len(rest.encoded)
        return ChunkCodes(
            rest.number, [found.get(place) or next(encoded) for place in range(total)]
        )


def _digest(item: Item) -> str:
    """The picture's, "" where it cannot be read: its fault is told when it is to be encoded."""
    assert isinstance(item.place, FilePlace)
    try:
        return digest_of(Path(item.place.path).read_bytes())
    except OSError:
        return ""
