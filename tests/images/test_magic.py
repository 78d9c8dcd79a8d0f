"""What bytes are is told by how they begin; whatever else they are, it is told without an error."""

import base64
import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.images.magic import NAMED_BYTES, name_of
from mico_150k.images.reader import ImageReader

from ..factories import encode, picture, signed_view


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


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0f3a\nsize 183204\n"
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
    "a Git LFS pointer": LFS,
    "a tar archive": _tar(),
    "a zip archive": _zip(),
    "gzip data": gzip.compress(b"{}"),
    "HTML": b"\n\n<!-- moved -->\n<HTML lang=en><title>404</title>",
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg width="9"/>',
    "XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "JSON": b'{"error": "Entry not found"}',
    "a URL": b"https://example.com/a.jpg",
    "a data URI": b"data:image/png;base64,iVBORw0KGgo=",
    "base64 text of a JPEG": base64.b64encode(encode(picture(2), "JPEG")),
    "base64 text of a PNG": base64.b64encode(encode(picture(2))),
    "base64 text": base64.b64encode(bytes(range(200))),
    "text": "Pardon, l'image a été supprimée.".encode(),
    "nothing but zeros": bytes(500),
    "": b"\x07\x01\x02unknown",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_thing_is_named(name: str) -> None:
    assert name_of(NAMED[name]) == name


def test_html_is_named_in_other_spellings() -> None:
    page = "<!doctype html><title>Sign in</title>"
    for data in (page.encode(), page.encode("utf-8-sig"), page.encode("utf-16")):
        assert name_of(data) == "HTML"


def test_a_character_that_is_cut_at_the_end_of_what_is_looked_at_is_no_binary() -> None:
    assert name_of(b"a" + "é".encode() * NAMED_BYTES) == "text"


@given(st.binary(max_size=300), st.sampled_from(list(NAMED.values())))
def test_any_bytes_are_named_or_not_and_nothing_is_raised(tail: bytes, start: bytes) -> None:
    assert isinstance(name_of(tail), str)
    for end in (0, 1, 9, 17):
        assert isinstance(name_of(start[:end] + tail), str)


@pytest.mark.parametrize(
    "name", ["HEIC", "a Git LFS pointer", "HTML", "SVG", "PDF", "base64 text of a PNG"]
)
def test_what_is_no_image_that_is_read_is_named_in_the_reason(name: str) -> None:
    with pytest.raises(UnusableImage) as error:
        ImageReader().read(signed_view(NAMED[name]))
    assert error.value.reason is Reason.UNKNOWN_FORMAT
    assert error.value.detail == f"{name}: not an image format that is read"


def test_what_nobody_knows_is_shown_by_its_first_bytes() -> None:
    with pytest.raises(UnusableImage, match=r"starts with b'\\x07\\x01\\x02unkno'"):
        ImageReader().read(NAMED[""])


def test_a_broken_tiff_is_named_too() -> None:
    with pytest.raises(UnusableImage, match="TIFF"):
        ImageReader().read(NAMED["TIFF"][:40])
