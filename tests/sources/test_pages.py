"""Page headers are read as any Parquet writer writes them, and as small as they are."""

import io
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.sources.pages import read_page_headers

BLOBS = [os.urandom(300 + 37 * n) for n in range(60)]


def written(**options: object) -> tuple[io.BytesIO, pq.FileMetaData]:
    table = pa.table({"blob": BLOBS * 2, "number": list(range(120))})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **{"write_statistics": False, **options})
    return buffer, pq.read_metadata(buffer)


@pytest.mark.parametrize("options", [
    {},
    {"use_dictionary": False, "compression": "none"},
    {"use_dictionary": False, "data_page_size": 1, "write_batch_size": 1},
    {"data_page_version": "2.0"},
    {"write_statistics": True},
    {"compression": "zstd", "write_page_checksum": True},
])  # fmt: skip
def test_pages_add_up_to_their_column_chunk(options: dict[str, object]) -> None:
    buffer, metadata = written(**options)
    for place in range(2):
        column = metadata.row_group(0).column(place)
        start = column.dictionary_page_offset or column.data_page_offset
        end = start + column.total_compressed_size
        pages = list(read_page_headers(buffer, start, end))
        data = [page for page in pages if not page.is_dictionary]
        assert sum(page.values for page in data) == column.num_values == 120
        headers = column.total_compressed_size - sum(page.compressed for page in pages)
        assert 0 < headers <= (4000 if options.get("write_statistics") else 60) * len(pages)
        unpacked = sum(page.uncompressed for page in pages) + headers
        assert unpacked == column.total_uncompressed_size


def test_a_dictionary_page_tells_how_many_different_values_there_are() -> None:
    buffer, metadata = written()
    column = metadata.row_group(0).column(0)
    first = next(read_page_headers(buffer, column.dictionary_page_offset, 10**9))
    assert first.is_dictionary
    assert first.values == len(set(BLOBS))


def test_a_column_chunk_of_many_pages_is_read_lazily() -> None:
    buffer, metadata = written(use_dictionary=False, data_page_size=1, write_batch_size=1)
    column = metadata.row_group(0).column(0)
    end = column.data_page_offset + column.total_compressed_size
    pages = read_page_headers(buffer, column.data_page_offset, end)
    next(pages)
    assert buffer.tell() < column.data_page_offset + 400


@given(st.binary(max_size=300))
def test_what_is_no_page_ends_the_walk(data: bytes) -> None:
    list(read_page_headers(io.BytesIO(data), 0, len(data)))
