"""Lists what to encode in a dataset folder: its rows, and each image's position in a shard.

No image is read: the index has the sizes.
"""

from dataclasses import dataclass

import pyarrow.parquet as pq

from mico_150k.core.errors import BrokenFile, EmptySource
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, damage
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.row_group import group_sizes


@dataclass(frozen=True, slots=True)
class Cell:
    """An image's position in a shard: its row in the row group, and its index in the row."""

    shard: str
    group: int
    row: int
    image: int

    def __str__(self) -> str:
        return f"{self.shard}, row group {self.group}, row {self.row}, image {self.image + 1}"


@dataclass(frozen=True, slots=True)
class Picture:
    """An image: its stored width and height in pixels, and the XXH3-128 of its bytes."""

    cell: Cell
    width: int
    height: int
    digest: str


@dataclass(frozen=True, slots=True)
class Record:
    """A row as the indices of its images: inputs in order, then the output."""

    id: str
    prompt: str
    pictures: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """The number of input images."""
        return len(self.pictures) - 1


@dataclass(frozen=True, slots=True)
class EncodeInputs:
    """All rows of the split `train`, and all images in the order of their first use."""

    name: str
    records: tuple[Record, ...]
    pictures: tuple[Picture, ...]

    @classmethod
    def of(cls, folder: DatasetFolder) -> "EncodeInputs":
        """Read the index. Raises `NotADataset`, `BrokenFile`, `EmptySource`, `UnknownConfig`."""
        index = Dataset.of_folder(folder.path, folder.manifest).index()
        places = _places(folder)
        numbers: dict[str, int] = {}
        records: list[Record] = []
        pictures: list[Picture] = []
        columns = (index[name].to_pylist() for name in _COLUMNS)
        for id_, prompt, digests, widths, heights, shard, row in zip(*columns, strict=True):
            if (shard, row) not in places:
                msg = (
                    f"{folder.path}: the index names row {row} of shard {shard}, which is missing."
                )
                raise BrokenFile(msg)
            images = []
            for image, digest in enumerate(digests):
                if digest not in numbers:
                    numbers[digest] = len(numbers)
                    cell = Cell(*places[shard, row], image)
                    pictures.append(Picture(cell, widths[image], heights[image], digest))
                images.append(numbers[digest])
            records.append(Record(id_, prompt, tuple(images)))
        if not records:
            msg = f"{folder.path} has no rows."
            raise EmptySource(msg)
        return cls(str(folder.path), tuple(records), tuple(pictures))


_COLUMNS = ("id", "instruction", "digests", "widths", "heights", "shard", "row")


def _places(folder: DatasetFolder) -> dict[tuple[int, int], tuple[str, int, int]]:
    """Return shard and row → the file, the row group, and the row's position in it."""
    found = {}
    for path in folder.shards(layout.DEFAULT if folder.files(layout.DEFAULT) else "dimoo"):
        with damage(path):
            sizes = group_sizes(pq.read_metadata(path))
        places = ((group, row) for group, rows in enumerate(sizes) for row in range(rows))
        for number, (group, row) in enumerate(places):
            found[layout.number_of(path.name), number] = (str(path), group, row)
    return found
