"""Damaged images never get through as if they were whole, and never stop a run."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mico_150k.errors import UnusableImage
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader
from mico_150k.reason import Reason

from ..factories import encode, picture
from .awkward import GREY, chunk, png

WHOLE = {
    "jpeg": encode(picture(1), "JPEG"),
    "progressive jpeg": encode(picture(2), "JPEG", progressive=True),
    "png": encode(picture(3)),
    "rgba png": encode(picture(3, mode="RGBA")),
    "lossy webp": encode(picture(4), "WEBP"),
    "lossless webp": encode(picture(4), "WEBP", lossless=True),
    "alpha webp": encode(picture(4, mode="RGBA"), "WEBP"),
}
OTHERS = {
    "gif": encode(picture(5), "GIF"),
    "bmp": encode(picture(5), "BMP"),
    "tiff": encode(picture(5), "TIFF"),
    "avif": encode(picture(5), "AVIF"),
    "jpeg2000": encode(picture(5), "JPEG2000"),
    "ppm": encode(picture(5), "PPM"),
}
PLACES = range(20)


def read(data: bytes, verify: Verify = Verify.STRUCTURE) -> bytes:
    """The pixels that would be written."""
    image = ImageReader(verify).read(memoryview(data))
    return Image.open(io.BytesIO(image.data)).convert("RGB").tobytes()


def refused(data: bytes, verify: Verify = Verify.STRUCTURE) -> Reason | None:
    """Why an image is refused; None where it is not."""
    try:
        ImageReader(verify).read(memoryview(data))
    except UnusableImage as error:
        return error.reason
    return None


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", WHOLE)
def test_a_truncated_image_is_refused(name: str, place: int) -> None:
    data = WHOLE[name]
    cut = data[: len(data) * place // 20]
    reason = refused(cut)
    assert reason in {Reason.EMPTY, Reason.UNKNOWN_FORMAT, Reason.TRUNCATED, Reason.CORRUPT}


@given(st.data())
@pytest.mark.parametrize("name", WHOLE)
def test_truncated_anywhere_an_image_is_refused(name: str, data: st.DataObject) -> None:
    whole = WHOLE[name]
    assert refused(whole[: data.draw(st.integers(0, len(whole) - 1))]) is not None


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_truncated_are_refused_unless_no_pixel_is_lost(name: str, place: int) -> None:
    data = OTHERS[name]
    cut = data[: len(data) * place // 20]
    if refused(cut) is None:
        assert read(cut) == read(data)


@given(st.data())
@pytest.mark.parametrize("name", ["png", "rgba png"])
def test_a_changed_byte_of_a_png_is_always_found(name: str, data: st.DataObject) -> None:
    whole = WHOLE[name]
    place = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :]
    assert refused(changed) is not None


@given(st.data())
@settings(max_examples=300)
@pytest.mark.parametrize("verify", [Verify.STRUCTURE, Verify.DECODE])
@pytest.mark.parametrize("name", [*WHOLE, *OTHERS])
def test_changed_bytes_never_stop_a_run(name: str, verify: Verify, data: st.DataObject) -> None:
    changed = bytearray((WHOLE | OTHERS)[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] ^= data.draw(st.integers(1, 255))
    if refused(bytes(changed), verify) is None and verify is Verify.DECODE:
        read(bytes(changed), verify)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", WHOLE)
def test_a_changed_byte_is_refused_or_the_bytes_stay_as_they_are(name: str, place: int) -> None:
    changed = bytearray(WHOLE[name])
    changed[len(changed) * place // 20] ^= 0x55
    if refused(bytes(changed)) is None:
        image = ImageReader().read(memoryview(bytes(changed)))
        assert image.actions or image.data == changed


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBP", b"GIF89a"):
        refused(start + data)


def test_an_end_marker_in_mid_scan_is_found() -> None:
    data = WHOLE["jpeg"]
    middle = (len(data) + data.rindex(b"\xff\xda")) // 2
    assert refused(data[:middle] + b"\xff\xd9" + data[middle + 2 :]) is Reason.CORRUPT


def test_header_verification_stops_at_the_header() -> None:
    data = WHOLE["jpeg"]
    assert refused(data[: len(data) // 2 + 300], Verify.HEADER) is None
    damaged = bytearray(WHOLE["png"])
    damaged[-20] ^= 1  # within the image data, which its CRC would show
    assert refused(bytes(damaged), Verify.HEADER) is None
    assert refused(bytes(damaged), Verify.STRUCTURE) is Reason.CORRUPT


def test_decoding_finds_what_structure_cannot() -> None:
    rows = [[(0,)] * 32] * 32
    whole = png(rows, GREY)
    short = (
        whole[: whole.index(b"IDAT") - 4]
        + chunk(b"IDAT", b"\x78\x9c\x63\x60")
        + chunk(b"IEND", b"")
    )
    assert refused(short, Verify.STRUCTURE) is None
    assert refused(short, Verify.DECODE) is Reason.UNDECODABLE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Reason.UNKNOWN_FORMAT),
        (b"%PDF-1.7", Reason.UNKNOWN_FORMAT),
        (encode(picture(1, (15, 400))), Reason.TOO_SMALL),
        (encode(picture(1, (16 * 128 + 1, 16))), Reason.TOO_LONG),
        (encode(picture(1, (16 * 128, 16))), None),
        (encode(picture(1, (16, 16))), None),
    ],
)
def test_limits(data: bytes, reason: Reason | None) -> None:
    assert refused(data) is reason


@pytest.mark.parametrize("verify", list(Verify))
@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "JPEG"])
def test_a_bomb_is_refused_by_its_header(kind: str, verify: Verify) -> None:
    # 20,000 x 20,000 pixels, said by a file of some hundred bytes: nothing is decoded.
    small = encode(picture(1, (64, 64)), kind)
    if kind == "PNG":
        body = (20_000).to_bytes(4, "big") * 2 + small[24:29]
        bomb = small[:8] + chunk(b"IHDR", body) + small[33:]
    elif kind == "BMP":
        bomb = small[:18] + (20_000).to_bytes(4, "little") * 2 + small[26:]
    elif kind == "GIF":
        bomb = small[:6] + (20_000).to_bytes(2, "little") * 2 + small[10:]
    else:
        start = small.index(b"\xff\xc0") + 5
        bomb = small[:start] + (20_000).to_bytes(2, "big") * 2 + small[start + 4 :]
    assert refused(bomb, verify) is Reason.TOO_MANY_PIXELS


def test_a_bomb_in_a_colour_profile_is_not_unpacked() -> None:
    import tracemalloc
    import zlib

    packed = zlib.compress(bytes(200 << 20))
    bomb = png([[(0,)] * 32] * 32, GREY, chunks=[(b"iCCP", b"bomb\0\0" + packed)])
    tracemalloc.start()
    try:
        ImageReader().read(memoryview(bomb))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
