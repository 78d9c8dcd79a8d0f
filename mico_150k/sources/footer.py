"""What a Parquet file's footer and page headers say: row groups, pages, and bytes of images."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from mico_150k.sources.cells import kind_of
from mico_150k.sources.named_images import NamedImages
from mico_150k.sources.pages import PageHeader, read_page_headers
from mico_150k.sources.shape import Kind, Shape
from mico_150k.sources.storage import ImagePaths

MOST_PAGES = 32
"""Page headers that are read of one column chunk, to learn how large its pages are."""


@dataclass(frozen=True, slots=True)
class ImageChunk:
    """The images of one column in one row group, by its headers; bytes."""

    values: int
    compressed: int
    decoded: int
    dictionary: int
    largest_page: int
    pages: int
    pages_counted: bool


@dataclass(frozen=True, slots=True)
class Footer:
    """What is known of a file before its rows are read.

    `row_groups` are their numbers of rows, `chunks` the embedded images of each, `path_bytes`
    the bytes of the images that are named and not embedded. `content` is a digest of the
    footer, which has sizes, offsets and statistics of everything in the file, and of the named
    images' sizes; `path_stamp` changes when one of these is written again.
    """

    schema: pa.Schema
    row_groups: tuple[int, ...]
    chunks: tuple[tuple[ImageChunk, ...], ...]
    path_bytes: int
    content: str
    path_stamp: str

    @classmethod
    def read(
        cls, handle: BinaryIO, file: pq.ParquetFile, shape: Shape, paths: ImagePaths
    ) -> "Footer":
        """Read the headers of the image pages in `file`, which was opened on `handle`."""
        metadata = file.metadata
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        embedded = [
            name
            for name in shape.image_columns
            if kind_of(file.schema_arrow.field(name).type) in {Kind.IMAGE, Kind.IMAGES}
        ]
        named = NamedImages(paths)
        named.add_all(file, shape)
        return cls(
            schema=file.schema_arrow,
            row_groups=tuple(group.num_rows for group in groups),
            chunks=tuple(tuple(_image_chunks(handle, group, embedded)) for group in groups),
            path_bytes=named.bytes,
            content=_content(metadata) + named.content,
            path_stamp=named.stamp,
        )

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return sum(self.row_groups)

    @property
    def image_bytes(self) -> int:
        """Bytes of all images once decompressed, or of the files that paths name."""
        return sum(chunk.decoded for group in self.chunks for chunk in group) + self.path_bytes

    @property
    def page_memory(self) -> int:
        """What a reader holds of one row group: dictionaries, and the largest page twice."""
        groups = (
            sum(chunk.dictionary for chunk in group)
            + 2 * max((chunk.largest_page for chunk in group), default=0)
            for group in self.chunks
        )
        return max(groups, default=0)


def _image_chunks(
    handle: BinaryIO, group: pq.RowGroupMetaData, columns: list[str]
) -> Iterator[ImageChunk]:
    """What the headers say of each chunk of embedded images in a row group."""
    for place in range(group.num_columns):
        column = group.column(place)
        if not _holds_images(column, columns):
            continue
        start = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset:
            start = min(start, column.dictionary_page_offset)
        end = start + column.total_compressed_size
        pages = list(islice(read_page_headers(handle, start, end), MOST_PAGES))
        yield _image_chunk(column, pages)


def _image_chunk(column: pq.ColumnChunkMetaData, pages: list[PageHeader]) -> ImageChunk:
    nulls = column.statistics.null_count if column.statistics else 0
    values = column.num_values - (nulls or 0)
    dictionary = next((page for page in pages if page.is_dictionary), None)
    decoded = column.total_uncompressed_size
    if dictionary and dictionary.values:
        # An image that stands once in the dictionary is as many images as name it.
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


def _holds_images(column: pq.ColumnChunkMetaData, columns: list[str]) -> bool:
    path = column.path_in_schema
    return column.physical_type in {"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"} and any(
        path == name or (path.startswith(f"{name}.") and not path.endswith(".path"))
        for name in columns
    )


def _content(metadata: pq.FileMetaData) -> str:
    """A digest of the footer: sizes, offsets and statistics of everything in the file."""
    sink = pa.BufferOutputStream()
    metadata.write_metadata_file(sink)
    return xxhash.xxh3_128_hexdigest(sink.getvalue())
