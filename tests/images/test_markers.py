"""A JPEG that breaks the standard and lacks no pixel is kept; one that lacks any is not."""

import io
import random
import struct
import sys

import pytest
from PIL import Image

from mico_150k.core.errors import MissingPackage, UnusableImage
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader

from ..factories import encode, picture, signed_view
from .awkward import exif, segment, with_segments

JPEGS = {
    "baseline": encode(picture(6, (200, 120)), "JPEG"),
    "grey": encode(picture(6, (200, 120), "L"), "JPEG"),
    "restarts": encode(picture(7, (200, 120)), "JPEG", restart_marker_rows=1),
    "in full color": encode(picture(8, (203, 117)), "JPEG", subsampling=0, quality=97),
}


def samsung(*names: bytes) -> bytes:
    """Blocks as a phone appends them, and their directory."""
    blocks, entries = b"", b""
    for number, name in enumerate(names):
        block = struct.pack("<HHI", 0, 0x0A01 + number, len(name)) + name + b'{"k":1}' * 9
        entries += struct.pack("<HHII", 0, 0x0A01 + number, 0, len(block))
        blocks += block
    directory = b"SEFH" + struct.pack("<II", 106, len(names)) + entries
    return blocks + directory + struct.pack("<I", len(directory)) + b"SEFT"


FILM = (
    struct.pack(">I", 24) + b"ftypmp42" + bytes(4) + b"isommp42" + random.Random(4).randbytes(9000)
)
TRAILERS = {
    "a phone's blocks": samsung(b"Panorama_Shot_Info", b"Image_UTC_Data"),
    "another jpeg": encode(picture(9, (80, 60)), "JPEG"),
    "a film": FILM,
}


def pixels_of(data: bytes | memoryview) -> bytes:
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def kept(data: bytes, verify: Verify) -> bool:
    try:
        image = ImageReader(verify).read(signed_view(data))
    except UnusableImage:
        return False
    assert image.actions == ("markers",)
    assert image.format == "PNG"
    if not data.endswith(TRAILERS["another jpeg"]):
        assert pixels_of(image.data) == pixels_of(data)  # Pillow reads it as it is, too
    return True


CHECKED = [Verify.STRUCTURE, Verify.DECODE]


@pytest.mark.parametrize("verify", CHECKED)
@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_without_an_end_before_a_trailer_is_kept(
    name: str, trailer: str, verify: Verify
) -> None:
    data = JPEGS[name].removesuffix(b"\xff\xd9") + TRAILERS[trailer]
    assert kept(data, verify)
    assert pixels_of(ImageReader(verify).read(data).data) == pixels_of(JPEGS[name])


def test_a_jpeg_to_be_mended_stops_the_work_without_the_strict_decoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To skip it would make the rows of a dataset depend on what is installed."""
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    data = JPEGS["baseline"].removesuffix(b"\xff\xd9") + TRAILERS["a film"]
    with pytest.raises(MissingPackage, match=r"pip install '\.\[decode\]'"):
        ImageReader().read(data)


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_that_is_cut_before_a_trailer_is_refused(name: str, trailer: str) -> None:
    whole = JPEGS[name]
    start = whole.rindex(b"\xff\xda") + 20
    for place in range(20):
        cut = whole[: start + (len(whole) - 40 - start) * place // 20]
        assert not kept(cut + TRAILERS[trailer], Verify.STRUCTURE)


@pytest.mark.parametrize("verify", CHECKED)
@pytest.mark.parametrize("junk", [b"\0", b"\0" * 200, b"junk", b"\n\r\n", b"\xff\0\xff\0"])
@pytest.mark.parametrize("before", [b"\xff\xdb", b"\xff\xc4", b"\xff\xc0", b"\xff\xda"])
def test_a_jpeg_with_junk_before_a_marker_is_kept(
    before: bytes, junk: bytes, verify: Verify
) -> None:
    whole = JPEGS["baseline"]
    place = whole.index(before)
    assert kept(whole[:place] + junk + whole[place:], verify)


def test_it_is_turned_upright_too() -> None:
    data = with_segments(JPEGS["baseline"], segment(0xE1, b"Exif\0\0" + exif(6)))
    image = ImageReader().read(data[:-2] + TRAILERS["another jpeg"])
    assert image.actions == ("orientation", "markers")
    assert (image.width, image.height) == (120, 200)


@pytest.mark.parametrize("padding", [b"\0" * 5000, b"\xff" * 500, b"text " * 900, FILM[30:]])
def test_a_cut_that_something_unknown_follows_is_refused(padding: bytes) -> None:
    # A decoder takes zeros and texts for coded pixels: nothing shows where the cut is.
    whole = JPEGS["baseline"]
    assert not kept(whole[: len(whole) * 3 // 4] + padding, Verify.STRUCTURE)
    assert not kept(whole[:-2] + padding, Verify.DECODE)


def test_segments_that_are_junk_all_through_are_refused_in_no_time() -> None:
    data = JPEGS["baseline"]
    junk = (b"\0" * 50 + segment(0xFE, b"x")) * 9000
    assert not kept(data[:2] + junk + data[2:], Verify.STRUCTURE)
