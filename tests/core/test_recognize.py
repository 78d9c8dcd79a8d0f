"""What cannot be read is named, with the way out; whatever else it is, nothing is raised."""

import base64
import gzip
import io
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.recognize import (
    HEAD_BYTES,
    JSON,
    PARQUET,
    describe_file,
    recognize,
    recognize_name,
    recognize_path,
)

from ..factories import encode, picture


def _brands(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands[1:])
    return (8 + len(body)).to_bytes(4, "big") + b"ftyp" + body + b"\0\0\0\x08free" * 4


def _tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("0001.jpg")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    return packed.getvalue()


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.jpg", b"abc")
    return packed.getvalue()


def _stream() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"a": [1]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    return bytes(sink.getvalue())


NAMED = {
    "JPEG": encode(picture(1), "JPEG"),
    "PNG": encode(picture(1)),
    "WebP": encode(picture(1), "WEBP"),
    "GIF": encode(picture(1), "GIF"),
    "BMP": encode(picture(1), "BMP"),
    "TIFF": encode(picture(1), "TIFF"),
    "PPM": encode(picture(1), "PPM"),
    "AVIF": encode(picture(1), "AVIF"),
    "PostScript": encode(picture(1), "EPS"),
    "PDF": encode(picture(1), "PDF"),
    "HEIC": _brands(b"mif1", b"mif1", b"heic"),
    "HEIF": _brands(b"mif1", b"miaf"),
    "a video (MP4)": _brands(b"isom", b"iso2", b"mp41"),
    "a video (QuickTime)": _brands(b"qt  "),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0f3a\nsize 18\n",
    "a tar archive": _tar(),
    "a ZIP archive": _zip(),
    "gzip data": gzip.compress(b"{}"),
    "a Parquet file": _parquet(),
    "an Arrow stream, as `save_to_disk` writes": _stream(),
    "HTML": b"\n\n<!-- moved -->\n<HTML lang=en><title>404</title>",
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg width="9"/>',
    "XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "JSON text": b'{"error": "Entry not found"}',
    "a URL": b"https://example.com/a.jpg",
    "a data URI": b"data:image/png;base64,iVBORw0KGgo=",
    "base64 text of a JPEG": base64.b64encode(encode(picture(2), "JPEG")),
    "base64 text of a PNG": base64.b64encode(encode(picture(2))),
    "base64 text": base64.b64encode(bytes(range(200))),
    "text": "Pardon, l'image a été supprimée.".encode(),
    "only zero bytes": bytes(500),
    "": b"\x07\x01\x02unknown",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_thing_is_named(name: str) -> None:
    assert recognize(NAMED[name]).name == recognize(NAMED[name][:HEAD_BYTES]).name == name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\n  <html lang=en><head><title>Sign in", "HTML"),
        (b"<!-- cached --><!DOCTYPE HTML PUBLIC", "HTML"),
        (b'<?xml version="1.0"?><svg xmlns="x">', "SVG"),
        (b"<Error><Code>AccessDenied</Code>", "XML"),
        (b"\0\0\0\x24ftypheix\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "a video (MP4)"),
        (b'\xef\xbb\xbf [ {"a": 1}]', "JSON text"),
        (base64.encodebytes(encode(picture(3))), "base64 text of a PNG"),
    ],
)
def test_a_thing_is_named_in_other_forms_too(data: bytes, name: str) -> None:
    assert recognize(data).name == name


def test_html_is_named_in_other_spellings() -> None:
    page = "<!doctype html><title>Sign in</title>"
    for data in (page.encode(), page.encode("utf-8-sig"), page.encode("utf-16")):
        assert recognize(data).name == "HTML"


def test_a_character_that_is_cut_at_the_end_of_what_is_looked_at_is_no_binary() -> None:
    assert recognize(b"a" + "é".encode() * HEAD_BYTES).name == "text"


@given(st.binary(max_size=300), st.sampled_from(list(NAMED.values())))
def test_any_bytes_are_named_or_not_and_nothing_is_raised(tail: bytes, start: bytes) -> None:
    assert isinstance(recognize(tail).name, str)
    for end in (0, 1, 9, 17):
        assert isinstance(recognize(start[:end] + tail).name, str)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a Git LFS pointer", "git lfs pull"),
        ("HTML", "a page"),
        ("XML", "storage service"),
        ("SVG", "convert"),
        ("HEIC", "convert"),
        ("AVIF", "convert"),
        ("a tar archive", "unpack"),
        ("a ZIP archive", "unpack"),
        ("gzip data", "gunzip"),
        ("an Arrow stream, as `save_to_disk` writes", "to_parquet"),
        ("a Parquet file", "a Parquet file: let its name end in .parquet"),
        ("WebP", "WebP"),
    ],
)
def test_what_stands_in_a_file_s_place_is_named_with_the_way_out(name: str, said: str) -> None:
    described = describe_file(NAMED[name], JSON)
    assert described.startswith(name)
    assert said in described


def test_what_was_expected_and_what_is_unknown_is_not_described() -> None:
    assert describe_file(_parquet()[:HEAD_BYTES], PARQUET) == ""
    assert describe_file(b'{"a": 1}', JSON) == describe_file(b"\n[\n{", JSON) == ""
    assert describe_file(b"to whom it may concern", JSON) == describe_file(b"<tag>", JSON) == ""
    assert describe_file(b"", JSON) == "empty"


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
