"""Reads a Parquet file's footer and page headers: row groups, pages, and bytes of images."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from mico_150k.core.errors import BrokenFile
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out
from mico_150k.core.plural import counted
from mico_150k.sources.chunk_metadata import unsafe_chunk
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.leaves import Leaves
from mico_150k.sources.named_images import ImageStates, NamedImages
from mico_150k.sources.pages import PageHeader, read_page_headers
from mico_150k.sources.shape import Kind, Shape, kind_of

MOST_PAGES = 32
"""The most page headers that are read per column chunk, to learn how large its pages are."""
FREE_ROWS = 1 << 20
"""Rows that a file may have however small it is; more than that must take a byte each, and a row
with an image takes a hundred. A footer of 2 kB can promise any number."""


@dataclass(frozen=True, slots=True)
class ImageChunk:
    """The images of one column in one row group, according to its headers; sizes are in bytes."""

    values: int
    compressed: int
    decoded: int
    dictionary: int
    largest_page: int
    pages: int
    pages_counted: bool


@dataclass(frozen=True, slots=True)
class Footer:
    """The facts about a file before its rows are read.

    `row_groups` are their numbers of rows, `chunks` the embedded images of each, `path_bytes`
    the bytes of the images that are named and not embedded. `content_hash` is a digest of the
    footer, which has sizes, offsets and statistics of everything in the file, and of the named
    images' sizes; `path_mtime_token` changes when one of these is written again, and `images` are
    their states. `text_bytes` are those of the columns of text in each row group.
    """

    schema: pa.Schema
    row_groups: tuple[int, ...]
    chunks: tuple[tuple[ImageChunk, ...], ...]
    path_bytes: int
    content_hash: str
    path_mtime_token: str
    images: ImageStates
    text_bytes: tuple[int, ...]

    @classmethod
    def read(
        cls, handle: BinaryIO, file: pq.ParquetFile, shape: Shape, leaves: Leaves, paths: ImagePaths
    ) -> "Footer":
        """Read the headers of the image pages in `file`, which was opened on `handle`.

        Raises `BrokenFile` where the pages hold less than the footer promises.
        """
        metadata = file.metadata
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        kinds = {field.name: kind_of(field.type) for field in file.schema_arrow}
        embedded = [
            leaf
            for name in shape.image_columns
            if kinds[name] in {Kind.IMAGE, Kind.IMAGES}
            for leaf in leaves.places[name]
            if leaves.paths[leaf] == name or not leaves.paths[leaf].endswith(".path")
        ]
        chunks = tuple(
            tuple(_image_chunks(paths.file, handle, group, sorted(embedded))) for group in groups
        )
        named = NamedImages(paths)
        named.add_all(file, shape, leaves)
        return cls(
            schema=file.schema_arrow,
            row_groups=tuple(group.num_rows for group in groups),
            chunks=chunks,
            path_bytes=named.bytes,
            content_hash=content_of(metadata) + named.content_hash,
            path_mtime_token=named.mtime_token,
            images=named.states(),
            text_bytes=tuple(_text_bytes(group, shape, kinds, leaves) for group in groups),
        )

    @property
    def rows(self) -> int:
        """The number of rows in the file."""
        return sum(self.row_groups)

    @property
    def image_bytes(self) -> int:
        """The decompressed bytes of all images, or of the files that paths name."""
        return sum(chunk.decoded for group in self.chunks for chunk in group) + self.path_bytes

    @property
    def page_memory(self) -> int:
        """The bytes that a reader holds per row group: dictionaries, and the largest page twice."""
        groups = (
            sum(chunk.dictionary for chunk in group)
            + 2 * max((chunk.largest_page for chunk in group), default=0)
            for group in self.chunks
        )
        return max(groups, default=0)


def _text_bytes(
    group: pq.RowGroupMetaData, shape: Shape, kinds: dict[str, Kind], leaves: Leaves
) -> int:
    """Return the bytes of a row group's columns that are read, without embedded images."""
    images = {Kind.IMAGE, Kind.IMAGES}
    texts = [name for name in shape.columns if kinds[name] not in images]
    return sum(group.column(leaf).total_uncompressed_size for leaf in leaves.of_columns(texts))


def require_plausible(name: str, size: int, file: pq.ParquetFile, leaves: Leaves) -> None:
    """Check that a footer's numbers fit the size of its file.

    Raises:
        BrokenFile: They do not.
    """
    metadata = file.metadata
    rows = metadata.num_rows
    if rows > max(FREE_ROWS, size):
        msg = (
            f"{name}: its footer says {counted(rows, 'row')}, but the file has only "
            f"{counted(size, 'byte')}, too few for rows with images.\n"
            f"{leave_out(name)}"
        )
        raise BrokenFile(msg)
    columns = [file.schema.column(place) for place in range(len(file.schema))]
    try:
        unsafe = unsafe_chunk(_serialized(metadata), columns)
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _contradiction(name, "what it consists of") from error
    if unsafe:
        raise _contradiction(name, unsafe)
    promised = 0
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        promised += group.num_rows
        for leaf in range(metadata.num_columns):
            column = group.column(leaf)
            values, length = column.num_values, column.total_compressed_size
            wrong = (
                min(values, length, column.total_uncompressed_size, column.data_page_offset) < 0
                or _start(column) + length > size
                or (values < group.num_rows if leaves.repeated[leaf] else values != group.num_rows)
            )
            if wrong or group.num_rows < 0:
                where = f"row group {place}, column {leaves.paths[leaf]}"
                raise _contradiction(name, where)
    if promised != rows:
        raise _contradiction(name, "its number of rows")


def _contradiction(name: str, where: str) -> BrokenFile:
    return BrokenFile(
        f"{name}: its footer contradicts itself or the file's size: {excerpt(where)}.\n"
        f"Download it again. {leave_out(name)}"
    )


def _start(column: pq.ColumnChunkMetaData) -> int:
    """Return the byte at which a column chunk begins."""
    start: int = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset:
        start = min(start, column.dictionary_page_offset)
    return start


def _image_chunks(
    name: str, handle: BinaryIO, group: pq.RowGroupMetaData, leaves: list[int]
) -> Iterator[ImageChunk]:
    """Yield each chunk of embedded images in a row group, from the headers."""
    for leaf in leaves:
        column = group.column(leaf)
        if column.physical_type not in {"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}:
            continue
        start = _start(column)
        end = start + column.total_compressed_size
        pages = list(islice(read_page_headers(handle, start, end), MOST_PAGES))
        held = sum(page.values for page in pages if not page.is_dictionary)
        reached = pages[-1].end if pages else start
        if reached >= end and held < column.num_values:
            msg = (
                f"{name}: column {excerpt(column.path_in_schema)} has pages with "
                f"{counted(held, 'value')}, "
                f"and its footer says {column.num_values}.\n"
                f"Download it again. {leave_out(name)}"
            )
            raise BrokenFile(msg)
        yield _image_chunk(column, pages)


def _image_chunk(column: pq.ColumnChunkMetaData, pages: list[PageHeader]) -> ImageChunk:
    nulls = column.statistics.null_count if column.statistics else 0
    values = column.num_values - (nulls or 0)
    dictionary = next((page for page in pages if page.is_dictionary), None)
    decoded = column.total_uncompressed_size
    if dictionary and dictionary.values:
        # An image that is stored once in the dictionary counts once per reference.
        decoded = max(decoded, values * dictionary.uncompressed // dictionary.values)
    seen = sum(page.values for page in pages if not page.is_dictionary)
    share = seen / column.num_values if column.num_values else 1.0
    return ImageChunk(
        values=values,
        compressed=column.total_compressed_size,
        decoded=decoded,
        dictionary=dictionary.uncompressed if dictionary else 0,
        largest_page=max((page.uncompressed for page in pages), default=decoded),
        pages=round(len(pages) / share) if share else 0,
        pages_counted=share >= 1,
    )


def content_of(metadata: pq.FileMetaData) -> str:
    """Return a digest of the footer: sizes, offsets and statistics of everything in the file."""
    return xxhash.xxh3_128_hexdigest(_serialized(metadata))


def _serialized(metadata: pq.FileMetaData) -> bytes:
    sink = pa.BufferOutputStream()
    metadata.write_metadata_file(sink)
    footer: bytes = sink.getvalue().to_pybytes()
    return footer
