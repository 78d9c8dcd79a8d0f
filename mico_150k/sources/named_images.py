"""Records the images that a file names by path and does not embed, and their state."""

from array import array as packed
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from mico_150k.core.errors import BrokenFile, PathOutsideSource
from mico_150k.core.pattern import leave_out
from mico_150k.core.recognize import not_a_path
from mico_150k.core.sample import Missing
from mico_150k.io.cells import is_list, plain_array, plain_values
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.leaves import Leaves
from mico_150k.sources.shape import Kind, Shape, kind_of

PATHS_AT_ONCE = 4096
"""The most paths held at once, within `PATHS_BYTES`: a text may be of any length."""
PATHS_BYTES = 4 << 20

Status = tuple[int | Missing, str]


def _no_numbers() -> "packed[int]":
    return packed("Q")


@dataclass(frozen=True, slots=True)
class ImageStates:
    """The state of each image when it was planned: 24 bytes per image, whatever its path."""

    paths: "packed[int]" = field(default_factory=_no_numbers)
    states: "packed[int]" = field(default_factory=_no_numbers)
    sizes: "packed[int]" = field(default_factory=_no_numbers)

    @classmethod
    def of(cls, found: dict[str, tuple[int, int]]) -> "ImageStates":
        """Make the states from path → state and size."""
        rows = sorted((_hash(path), state, size) for path, (state, size) in found.items())
        return cls(*(packed("Q", column) for column in zip(*rows, strict=True)))

    def size(self, path: str) -> int | None:
        """Return the bytes that an image had; None if it was not checked."""
        place = self._place(path)
        return None if place is None else self.sizes[place]

    def is_same(self, path: str, status: Status) -> bool:
        """Return whether an image that was checked still has this status."""
        place = self._place(path)
        return place is None or self.states[place] == _state(status)

    def _place(self, path: str) -> int | None:
        wanted = _hash(path)
        place = bisect_left(self.paths, wanted)
        there = place < len(self.paths) and self.paths[place] == wanted
        return place if there else None


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def _state(status: Status) -> int:
    size, mtime_token = status
    return _hash(f"{size.reason if isinstance(size, Missing) else size} {mtime_token}")


class NamedImages:
    """Collects the images that a file names by path: their bytes, content and mtime tokens."""

    def __init__(self, paths: ImagePaths) -> None:
        """Collect images that `paths` finds."""
        self._paths = paths
        self._found: dict[str, tuple[int, int]] = {}
        self._content_hash = xxhash.xxh3_128()
        self._mtime_token = xxhash.xxh3_128()
        self.bytes = 0

    def add(self, path: str, *, perhaps_embedded: bool = False) -> None:
        """Count one use of an image. Raises `PathOutsideSource`, and `BrokenFile` for no path.

        A path that is `perhaps_embedded` may point anywhere: it is refused when it is read. A text
        that is not a path is refused if it is a file's first; later, only its row is skipped.
        """
        if what := not_a_path(path):
            if not self._found and not perhaps_embedded:
                raise _no_path(self._paths.file, what)
            return
        if path not in self._found:
            try:
                size, mtime_token = status = self._paths.status(path)
            except PathOutsideSource:
                if perhaps_embedded:
                    return
                raise
            bytes_ = 0 if isinstance(size, Missing) else size
            self._found[path] = (_state(status), bytes_)
            self._content_hash.update(f"{path}\0{bytes_}\0".encode("utf-8", "replace"))
            self._mtime_token.update(f"{path}\0{mtime_token}\0".encode("utf-8", "replace"))
        self.bytes += self._found[path][1]

    def add_all(self, file: pq.ParquetFile, shape: Shape, leaves: Leaves) -> None:
        """Count the images that a Parquet file names and does not embed. Raises as `add` does."""
        kinds = {field.name: kind_of(field.type) for field in file.schema_arrow}
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        for name in shape.image_columns:
            if kinds[name] in {Kind.TEXT, Kind.TEXTS}:
                for place, group in enumerate(groups):
                    (leaf,) = leaves.places[name]
                    for cells in _column(file, name, name, place, group.column(leaf)):
                        for path in filter(None, plain_values(cells)):
                            self.add(path)
        beside = [name for name in shape.image_columns if kinds[name] in {Kind.IMAGE, Kind.IMAGES}]
        # Over a network, checking a path takes a request.
        unknown = self._paths.storage.is_local
        for place, group in enumerate(groups):
            for name in beside:
                found = _beside_bytes(file, place, group, leaves, name, unknown=unknown)
                for path, perhaps_embedded in found:
                    self.add(path, perhaps_embedded=perhaps_embedded)

    def states(self) -> ImageStates:
        """Return the state of each image."""
        return ImageStates.of(self._found) if self._found else ImageStates()

    @property
    def content_hash(self) -> str:
        """A digest of the paths and sizes; "" if no image was named."""
        return self._content_hash.hexdigest() if self._found else ""

    @property
    def mtime_token(self) -> str:
        """A token that changes when any of the files is written; "" if no image was named."""
        return self._mtime_token.hexdigest() if self._found else ""


def _no_path(file: str, what: str) -> BrokenFile:
    return BrokenFile(
        f"{file}: instead of the path of an image, there is {what}.\n"
        "Decode it: into a binary column of Parquet, or into files with their paths in the JSON. "
        f"{leave_out(file)}"
    )


def _beside_bytes(  # noqa: PLR0913 - a place in a file
    file: pq.ParquetFile,
    place: int,
    group: pq.RowGroupMetaData,
    leaves: Leaves,
    name: str,
    *,
    unknown: bool,
) -> Iterator[tuple[str, bool]]:
    """Yield paths of `{bytes, path}` cells that may lack bytes, and whether bytes are possible.

    Finding out which cells have bytes would mean reading the bytes. The footer has the number of
    cells with bytes: usually all, so that the paths need not be read either. `unknown` includes
    the cells of a file whose footer lacks the number.
    """
    of_path = {leaves.paths[leaf]: leaf for leaf in leaves.places[name]}
    for path, leaf in of_path.items():
        if path == name or not path.endswith(".path"):
            continue
        chunk = group.column(leaf)
        bytes_leaf = of_path.get(f"{path.removesuffix('path')}bytes")
        embedded = 0 if bytes_leaf is None else _values(group.column(bytes_leaf))
        if _values(chunk) == 0 or embedded == chunk.num_values:
            continue
        if embedded is None and not unknown:
            continue
        if embedded:
            cells = _column(file, name, path, place, chunk)
            if embedded == sum(len(array) - array.null_count for array in cells):
                continue
        for array in _column(file, name, path, place, chunk):
            for text in filter(None, plain_values(array.field("path"))):
                yield text, embedded != 0


def _values(chunk: pq.ColumnChunkMetaData) -> int | None:
    """Return a column chunk's number of non-null values; None if its footer lacks it."""
    statistics = chunk.statistics
    if statistics is None or not statistics.has_null_count:
        return None
    return int(chunk.num_values - statistics.null_count)


def _column(
    file: pq.ParquetFile, name: str, leaf: str, group: int, chunk: pq.ColumnChunkMetaData
) -> Iterator[pa.Array]:
    """Yield the cells of a small column in one row group, without the enclosing lists."""
    each = chunk.total_uncompressed_size // max(1, chunk.num_values)
    rows = max(1, min(PATHS_AT_ONCE, PATHS_BYTES // max(1, each)))
    for batch in file.iter_batches(rows, row_groups=[group], columns=[leaf], use_threads=False):
        array = plain_array(batch.column(name))
        while is_list(array.type):
            array = plain_array(array.flatten())
        yield array
