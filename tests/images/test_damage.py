"""Damaged images never get through as if they were whole, and never stop a run."""

import io
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader

from ..factories import encode, picture, signed_view
from .awkward import GREY, PALETTE, chunk, extended, linear_profile, png, riff, riff_chunks

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
    image = ImageReader(verify).read(signed_view(data))
    return Image.open(io.BytesIO(image.data)).convert("RGB").tobytes()


def refused(data: bytes, verify: Verify = Verify.STRUCTURE) -> Reason | None:
    """Why an image is refused; None where it is not."""
    try:
        ImageReader(verify).read(signed_view(data))
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


def _silently_short() -> dict[str, bytes]:
    """Whole by their structure, and decoded without a word by Pillow, but for the first."""
    grey = png([[(0,)] * 32] * 32, GREY)
    taller = grey[16:20] + (64).to_bytes(4, "big") + grey[24:29]
    jpeg, progressive = WHOLE["jpeg"], WHOLE["progressive jpeg"]
    scan = jpeg.rindex(b"\xff\xda") + 200
    last = progressive.rindex(b"\xff\xda") + 60
    height = jpeg.index(b"\xff\xc0") + 5
    return {
        "png data cut": grey[: grey.index(b"IDAT") - 4]
        + chunk(b"IDAT", b"\x78\x9c\x63\x60")
        + chunk(b"IEND", b""),
        "png of fewer lines than it says": grey[:8] + chunk(b"IHDR", taller) + grey[33:],
        "jpeg cut and ended": jpeg[:scan] + b"\xff\xd9",
        "jpeg zeroed": jpeg[:scan] + bytes(200) + jpeg[scan + 200 :],
        "jpeg of fewer lines than it says": jpeg[:height] + b"\0\xc0" + jpeg[height + 2 :],
        "progressive jpeg cut and ended": progressive[:last] + b"\xff\xd9",
    }


@pytest.mark.parametrize("name", _silently_short())
def test_decoding_finds_missing_pixels_that_structure_cannot(name: str) -> None:
    short = _silently_short()[name]
    assert refused(short, Verify.STRUCTURE) is None
    assert refused(short, Verify.DECODE) is Reason.UNDECODABLE


def _jpeg(*changes: tuple[bytes, bytes]) -> bytes:
    data = WHOLE["jpeg"]
    for old, new in changes:
        assert old in data
        data = data.replace(old, new, 1)
    return data


PNG = WHOLE["png"]
BROKEN_STRUCTURES = {
    "png with a second header": PNG[:33] + PNG[8:33] + PNG[33:],
    "png with a text between its pixels": PNG[:-12] + chunk(b"tEXt", b"a\0b") + PNG[33:],
    "png of a new filter": PNG[:8] + chunk(b"IHDR", PNG[16:27] + b"\1" + PNG[28:29]) + PNG[33:],
    "png of a new order": PNG[:8] + chunk(b"IHDR", PNG[16:28] + b"\2") + PNG[33:],
    "png without its palette": png([[(1,)] * 32] * 32, PALETTE),
    "png of no pixels": PNG[:33] + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
    "jpeg of two channels": _jpeg((b"\x03\x01\x22\0", b"\x02\x01\x22\0")),
    "jpeg without quantisation": _jpeg((b"\xff\xdb", b"\xff\xfe"), (b"\xff\xdb", b"\xff\xfe")),
    "jpeg with half of a table": _jpeg((b"\xff\xdb\0\x43", b"\xff\xdb\0\x42")),
    "jpeg with a restart interval of one byte": _jpeg((b"\xff\xdb", b"\xff\xdd\0\3\0\xff\xdb")),
    "jpeg with an extension": _jpeg((b"\xff\xdb", b"\xff\xf0\0\2\xff\xdb")),
    "webp of another size than its canvas": riff(
        extended(64, 64, 0), (b"VP8 ", riff_chunks(WHOLE["lossy webp"])[b"VP8 "])
    ),
    "webp that is not shown": WHOLE["lossy webp"].replace(
        riff_chunks(WHOLE["lossy webp"])[b"VP8 "][:3],
        (int.from_bytes(riff_chunks(WHOLE["lossy webp"])[b"VP8 "][:3], "little") & ~0x10).to_bytes(
            3, "little"
        ),
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("verify", [Verify.STRUCTURE, Verify.DECODE])
@pytest.mark.parametrize("name", BROKEN_STRUCTURES)
def test_what_readers_make_different_pictures_of_or_none_is_refused(
    name: str, verify: Verify
) -> None:
    assert refused(BROKEN_STRUCTURES[name], verify) in {Reason.CORRUPT, Reason.TRUNCATED}


@pytest.mark.parametrize("channels", [0, 2, 5, 65, 217])
def test_a_jpeg_of_any_number_of_channels_stops_nothing(channels: int) -> None:
    data = bytearray(encode(picture(1), "JPEG", icc_profile=linear_profile()))
    data[data.index(b"\xff\xc0") + 9] = channels
    assert refused(bytes(data)) is Reason.CORRUPT


def test_an_error_of_a_library_is_about_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise KeyError(217)

    monkeypatch.setattr("mico_150k.images.reader.normalise", fail)
    assert refused(WHOLE["rgba png"]) is Reason.UNDECODABLE


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


def test_as_many_pixels_as_pillow_takes_without_a_warning() -> None:
    def sized(width: int, height: int) -> bytes:
        small = png([[(0,)] * 32] * 32, GREY)
        sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        return small[:8] + chunk(b"IHDR", sides + small[24:29]) + small[33:]

    assert refused(sized(9459, 9459)) is None
    assert refused(sized(9459, 9460)) is Reason.TOO_MANY_PIXELS


def test_a_file_too_large_to_be_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    data = WHOLE["png"]
    monkeypatch.setattr("mico_150k.images.probe.MAX_BYTES", len(data))
    assert refused(data) is None
    monkeypatch.setattr("mico_150k.images.probe.MAX_BYTES", len(data) - 1)
    assert refused(data) is Reason.TOO_LARGE


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


@pytest.mark.slow
def test_bombs_in_colour_profiles_are_neither_unpacked_nor_held() -> None:
    reader = ImageReader()
    packed = zlib.compress(bytes(200 << 20))
    bomb = png([[(0,)] * 32] * 32, GREY, chunks=[(b"iCCP", b"bomb\0\0" + packed)])
    tracemalloc.start()
    try:
        assert reader.read(memoryview(bomb)).actions == ("metadata",)
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
        for number in range(40):
            odd = number.to_bytes(4, "big") + bytes((1 << 20) - 100)
            large = png([[(0,)] * 32] * 32, GREY, chunks=[(b"iCCP", b"a\0\0" + zlib.compress(odd))])
            reader.read(memoryview(large))
        assert tracemalloc.get_traced_memory()[0] < 10 << 20
    finally:
        tracemalloc.stop()
