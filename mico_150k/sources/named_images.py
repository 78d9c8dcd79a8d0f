"""The images that a file names by path and does not embed: which they are, and their state."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from mico_150k.errors import PathOutsideSource
from mico_150k.sample import Missing
from mico_150k.sources.cells import is_list, kind_of, plain_values
from mico_150k.sources.shape import Kind, Shape
from mico_150k.sources.storage import ImagePaths


class NamedImages:
    """Adds up the images that a file names by path: their bytes, content and stamps."""

    def __init__(self, paths: ImagePaths) -> None:
        """`paths` finds them."""
        self._paths = paths
        self._sizes: dict[str, int] = {}
        self._content = xxhash.xxh3_128()
        self._stamp = xxhash.xxh3_128()
        self.bytes = 0

    def add(self, path: str, *, perhaps_embedded: bool = False) -> None:
        """Count one use of an image. Raises `PathOutsideSource`.

        One that is `perhaps_embedded` may lead anywhere: it is refused where it is read.
        """
        if path not in self._sizes:
            try:
                size, stamp = self._paths.status(path)
            except PathOutsideSource:
                if perhaps_embedded:
                    return
                raise
            self._sizes[path] = 0 if isinstance(size, Missing) else size
            self._content.update(f"{path}\0{self._sizes[path]}\0".encode("utf-8", "replace"))
            self._stamp.update(f"{path}\0{stamp}\0".encode("utf-8", "replace"))
        self.bytes += self._sizes[path]

    def add_all(self, file: pq.ParquetFile, shape: Shape) -> None:
        """Count what a Parquet file names and does not embed. Raises `PathOutsideSource`."""
        for name in shape.image_columns:
            if kind_of(file.schema_arrow.field(name).type) in {Kind.TEXT, Kind.TEXTS}:
                for array in _column(file, name):
                    for path in filter(None, plain_values(array)):
                        self.add(path)
            else:
                # Over a network, a look for each path is a request.
                beside = _beside_bytes(file, name, unknown=self._paths.storage.is_local)
                for path, perhaps_embedded in beside:
                    self.add(path, perhaps_embedded=perhaps_embedded)

    @property
    def content(self) -> str:
        """The same for the same paths and sizes; "" where no image was named."""
        return self._content.hexdigest() if self._sizes else ""

    @property
    def stamp(self) -> str:
        """Another one when any of the files is written again; "" where no image was named."""
        return self._stamp.hexdigest() if self._sizes else ""


def _beside_bytes(file: pq.ParquetFile, name: str, *, unknown: bool) -> Iterator[tuple[str, bool]]:
    """Paths of cells of `{bytes, path}` that may lack their bytes, and whether these may be there.

    Which cells have bytes stands among the bytes, and is too much to read. How many have, the
    footer tells: mostly all of them, so that not even the paths need be read. `unknown` takes
    those of a file whose footer does not.
    """
    for place in range(file.num_row_groups):
        group = file.metadata.row_group(place)
        chunks = {
            chunk.path_in_schema: chunk for chunk in map(group.column, range(group.num_columns))
        }
        for leaf, chunk in chunks.items():
            if not (leaf.startswith(f"{name}.") and leaf.endswith(".path")):
                continue
            embedded = _values(chunks.get(f"{leaf.removesuffix('path')}bytes"))
            if _values(chunk) == 0 or embedded == chunk.num_values:
                continue
            if embedded is None and not unknown:
                continue
            arrays = list(_column(file, leaf, place))
            if embedded == sum(len(array) - array.null_count for array in arrays):
                continue
            for array in arrays:
                for path in filter(None, plain_values(array.field("path"))):
                    yield path, embedded != 0


def _values(chunk: pq.ColumnChunkMetaData | None) -> int | None:
    """How many values of a column chunk are no nulls; None where its footer does not tell."""
    if chunk is None:
        return 0
    statistics = chunk.statistics
    if statistics is None or not statistics.has_null_count:
        return None
    return int(chunk.num_values - statistics.null_count)


def _column(file: pq.ParquetFile, leaf: str, group: int | None = None) -> Iterator[pa.Array]:
    """The cells of a small column, in one row group or all, without the lists around them."""
    groups = range(file.num_row_groups) if group is None else [group]
    for batch in file.iter_batches(
        4096, row_groups=list(groups), columns=[leaf], use_threads=False
    ):
        array = batch.column(0)
        while is_list(array.type):
            array = array.flatten()
        yield array
