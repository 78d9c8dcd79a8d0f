"""Records and pictures of a dataset folder: where each image lies in its shards.

Not even a header is read where the dataset's index, or `default`, tells what is in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mico_150k.core.errors import BrokenFile, EmptySource
from mico_150k.core.excerpt import excerpt
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.row_group import group_sizes
from mico_150k.pretokenize.material import CellPlace, EncodeInputs, Picture, Record


@dataclass(frozen=True, slots=True)
class _Facts:
    """A row of a dataset, without its images."""

    id: str
    prompt: str
    digests: list[str]
    widths: list[int]
    heights: list[int]

    @property
    def are_whole(self) -> bool:
        """Whether nothing is null, and each image has a digest and two sides."""
        if not all((self.id, self.prompt is not None, self.digests, self.widths, self.heights)):
            return False
        sides = (*self.widths, *self.heights)
        return (
            len(self.digests) == len(self.widths) == len(self.heights)
            and all(self.digests)
            and all(side is not None and side > 0 for side in sides)
        )


def open_dataset_folder(folder: DatasetFolder) -> EncodeInputs:
    """All rows of the split `train`. Raises `BrokenFile`, `EmptySource`, `UnknownConfig`.

    Raises `NotADataset` where the manifest is damaged.
    """
    if DatasetFolder.is_built(folder.path):
        manifest = folder.manifest
        if folder.listed(layout.INDEX):
            Dataset.of_folder(folder.path, manifest).index()
    config = layout.DEFAULT if folder.files(layout.DEFAULT) else "dimoo"
    numbers: dict[str, int] = {}
    records: list[Record] = []
    pictures: list[Picture] = []
    for shard in folder.shards(config):
        try:
            places = _row_places(shard)
            rows = list(_facts(folder, config, shard))
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            msg = f"{shard}: it cannot be read: {excerpt(error)}"
            raise BrokenFile(msg) from error
        for (group, row), facts in zip(places, rows, strict=True):
            if not facts.are_whole:
                msg = f"{shard}, row {row} of row group {group}: lists of images do not fit."
                raise BrokenFile(msg)
            images = []
            for image, digest in enumerate(facts.digests):
                if digest not in numbers:
                    numbers[digest] = len(numbers)
                    cell = CellPlace(str(shard), group, row, image)
                    sides = facts.widths[image], facts.heights[image]
                    pictures.append(Picture(cell, *sides, digest, digest))
                images.append(numbers[digest])
            records.append(Record(facts.id, facts.prompt, tuple(images)))
    if not records:
        msg = f"{folder.path / config}: no rows in it."
        raise EmptySource(msg)
    return EncodeInputs(str(folder.path), tuple(records), tuple(pictures), {}, {})


def _row_places(shard: Path) -> list[tuple[int, int]]:
    """Row → its row group, and its place in that."""
    sizes = group_sizes(pq.read_metadata(shard))
    return [(group, row) for group, rows in enumerate(sizes) for row in range(rows)]


def _facts(folder: DatasetFolder, config: str, shard: Path) -> Iterator[_Facts]:
    """All rows of a shard in order: of the index, or of `default`'s own columns."""
    if config == layout.DEFAULT:
        yield from _table_facts(pq.read_table(shard, columns=_FACTS))
        return
    rows = pq.read_metadata(shard).num_rows
    for index in folder.files(layout.INDEX):
        wanted = pc.field("shard") == int(shard.stem.rpartition("-")[2])
        table = pq.read_table(index, columns=[*_FACTS, "row"], filters=wanted)
        if table["row"].to_pylist() == list(range(rows)):
            yield from _table_facts(table)
            return
    msg = (
        f"{folder.path} has neither {layout.DEFAULT} nor an {layout.INDEX} with the rows of "
        f"{shard.name}: fetch its folder {layout.INDEX}."
    )
    raise BrokenFile(msg)


_FACTS = ["id", "instruction", "digests", "widths", "heights"]


def _table_facts(table: pa.Table) -> Iterator[_Facts]:
    for values in zip(*(table[name].to_pylist() for name in _FACTS), strict=True):
        yield _Facts(*values)
