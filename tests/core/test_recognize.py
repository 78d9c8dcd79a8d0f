"""What cannot be read is named, with the way out."""

import gzip
import io
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.core.recognize import (
    HEAD_BYTES,
    JSON,
    PARQUET,
    recognize,
    recognize_name,
    recognize_path,
)

from ..factories import encode, picture


def archive(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("a.txt", "x")
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("000.jpg"), io.BytesIO())
    return buffer.getvalue()


def stream() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"a": [1]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    return bytes(sink.getvalue())


THINGS = {
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n",
    "an HTML page": b"\n  <html lang=en><head><title>Sign in",
    "an HTML page, such": b"<!-- cached --><!DOCTYPE HTML PUBLIC",
    "storage service": b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>',
    "SVG": b'<?xml version="1.0"?><svg xmlns="x">',
    "HEIC": b"\0\0\0\x24ftypheix\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0",
    "a video": b"\0\0\0\x20ftypisom\0\0\2\0",
    "tar": archive("tar"),
    "ZIP": archive("zip"),
    "gzip": gzip.compress(b"{}"),
    "save_to_disk": stream(),
    "a Parquet file": parquet(),
    "a WebP": encode(picture(), "WEBP"),
    "a PNG": encode(picture()),
    "a JPEG": encode(picture(), "JPEG"),
    "JSON text": b'\xef\xbb\xbf [ {"a": 1}]',
    "zeros": bytes(300),
    "empty": b"",
}


@pytest.mark.parametrize("what", THINGS)
def test_a_file_is_named_by_its_first_bytes(what: str) -> None:
    assert what in recognize(THINGS[what][:HEAD_BYTES])


def test_what_was_expected_and_what_is_unknown_is_not_named() -> None:
    assert recognize(parquet()[:HEAD_BYTES], PARQUET) == ""
    assert recognize(b'{"a": 1}', JSON) == recognize(b"\n[\n{", JSON) == ""
    assert recognize(b"to whom it may concern") == recognize(b"<tag>") == ""


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("http://127.0.0.1/x.png", "a URL"),
        ("s3://bucket/x.png", "a URL"),
        ("file:///srv/x.png", "`file://`"),
        ("FILE:/srv/x.png", "`file://`"),
        ("D:/data/x.png", "Windows"),
        ("\\\\server\\share\\x.png", "Windows"),
        ("train\\x.png", "Windows"),
    ],
)
def test_a_path_that_is_none_of_this_machine_is_named(path: str, what: str) -> None:
    assert what in recognize_path(path)


@pytest.mark.parametrize("path", ["a.png", "a:b.png", "x/y: z.png", "x/ba\\ck.png", "é/ß.png"])
def test_any_other_path_is_a_path(path: str) -> None:
    assert recognize_path(path) == ""


def test_a_name_tells_what_no_source_is_made_of() -> None:
    found = recognize_name("train/shard-01.TAR.GZ")
    assert found is not None
    assert "WebDataset" in found.several
    assert recognize_name("notes.txt") is None
