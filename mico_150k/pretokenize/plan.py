"""Plans which image is encoded at which sizes, in chunks of work.

A chunk is the unit of work for a device, and is redone after an interruption. The records alone
determine its content and which images are encoded together: the number of devices changes nothing.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from mico_150k.builders.dimoo_tokens import Shape, SizeTable, code_count, shape_for
from mico_150k.pretokenize.dataset_images import Cell, EncodeInputs

BATCHES_A_CHUNK = 32
"""Batches per chunk, a few seconds of work: 2,048 encodings on a GPU, 32 on a CPU."""
USUAL_SIDE = 512
"""The side in pixels of a typical encoding. It limits a chunk's pixels, so that images that wait
for others of their shape take under 2 GB, in batches of 64."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image and the shapes to encode it at; `size` is its width and height."""

    cell: Cell
    size: Shape
    shapes: tuple[Shape, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the work that one worker encodes as a whole."""

    number: int
    items: tuple[Item, ...]

    @property
    def shapes(self) -> list[Shape]:
        """Return the shape of each encoding, in order."""
        return [shape for item in self.items for shape in item.shapes]


class EncodingPlan:
    """All encodings, numbered by image and then by size, the largest first."""

    def __init__(self, inputs: EncodeInputs, table: SizeTable, chunk: int) -> None:
        """Plan encodings; `chunk` is the encodings per chunk, fewer if they are large."""
        self._inputs = inputs
        self._table = table
        wanted: list[set[int]] = [set() for _ in inputs.pictures]
        for record in inputs.records:
            for number, size in self.wanted(record.pictures):
                wanted[number].add(size)
        self._sizes = [tuple(sorted(sizes, reverse=True)) for sizes in wanted]
        self._first = [0]
        for sizes in self._sizes:
            self._first.append(self._first[-1] + len(sizes))
        self._cuts = list(_cuts(self._sizes, chunk))

    def wanted(self, pictures: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """Yield a record's images, each with its size in this record."""
        *inputs, output = pictures
        size = self._table.of_inputs(len(inputs))
        for number in inputs:
            yield number, size
        yield output, self._table.output

    @property
    def encodings(self) -> int:
        """The number of encodings."""
        return self._first[-1]

    @property
    def codes(self) -> int:
        """The total number of codes."""
        return sum(
            code_count(self.shape(number, size))
            for number, sizes in enumerate(self._sizes)
            for size in sizes
        )

    @property
    def chunks(self) -> int:
        """The number of chunks."""
        return len(self._cuts) - 1

    def encoding(self, picture: int, size: int) -> int:
        """Return the number of an image's encoding at a size."""
        return self._first[picture] + self._sizes[picture].index(size)

    def shape(self, picture: int, size: int) -> Shape:
        """Return the shape to which an image is cropped at a size."""
        found = self._inputs.pictures[picture]
        return shape_for(found.width, found.height, size)

    def start(self, number: int) -> int:
        """Return the first encoding of a chunk."""
        return self._first[self._cuts[number]]

    def pictures(self, number: int) -> list[int]:
        """Return the image of each encoding of a chunk."""
        pictures = range(self._cuts[number], self._cuts[number + 1])
        return [picture for picture in pictures for _ in self._sizes[picture]]

    def chunk(self, number: int) -> Chunk:
        """Return the work of a chunk."""
        return Chunk(
            number,
            tuple(
                Item(
                    found.cell,
                    (found.width, found.height),
                    tuple(self.shape(picture, size) for size in self._sizes[picture]),
                    found.digest,
                )
                for picture in range(self._cuts[number], self._cuts[number + 1])
                if self._sizes[picture]
                for found in (self._inputs.pictures[picture],)
            ),
        )

    def digest(self) -> str:
        """Return the SHA-256 of the records and of everything that determines the chunks."""
        digest = sha256(f"{self._table} {self._table.output} {self._cuts}".encode())
        for record in self._inputs.records:
            digest.update(json.dumps([record.id, record.prompt, record.pictures]).encode())
        for picture in self._inputs.pictures:
            digest.update(f"{picture.width} {picture.height} {picture.digest}\n".encode())
        return digest.hexdigest()


def _cuts(sizes: Iterable[tuple[int, ...]], chunk: int) -> Iterator[int]:
    """Yield the first image of each chunk, and last the number of all images."""
    yield 0
    encodings = pixels = number = 0
    for number, of_picture in enumerate(sizes, start=1):
        encodings += len(of_picture)
        pixels += sum(size**2 for size in of_picture)
        if encodings >= chunk or pixels >= chunk * USUAL_SIDE**2:
            yield number
            encodings = pixels = 0
    if encodings:
        yield number
