"""A small file that asks for much memory or time is refused, with little of either."""

import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader
from mico_150k.images.thumbnail import make_thumbnail

from ..factories import encode, picture, signed_view
from .awkward import GREY, RGB, chunk, exif, extended, png, riff, segment, with_segments

MB = 1 << 20


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """No more Python memory than that at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def refusal(data: bytes, verify: Verify) -> UnusableImage | None:
    try:
        ImageReader(verify).read(signed_view(data))
    except UnusableImage as error:
        return error
    return None


@cache
def inflating(surplus: int, *, interlaced: bool = False, at_once: int = 0) -> bytes:
    """A PNG of 40×40 whose image data unpacks to so much more, in chunks of `at_once` bytes."""
    whole = png([[(7, 8, 9)] * 40] * 40, RGB, interlaced=interlaced)
    start = whole.index(b"IDAT") - 4
    length = int.from_bytes(whole[start : start + 4], "big")
    raw = zlib.decompress(whole[start + 8 : start + 8 + length])
    packer = zlib.compressobj()
    packed = packer.compress(raw)
    for _ in range(surplus // MB):
        packed += packer.compress(bytes(MB))
    packed += packer.compress(bytes(surplus % MB)) + packer.flush()
    at_once = at_once or len(packed)
    parts = [packed[place : place + at_once] for place in range(0, len(packed), at_once)]
    return whole[:start] + b"".join(chunk(b"IDAT", part) for part in parts) + chunk(b"IEND", b"")


@pytest.mark.parametrize("at_once", [0, 100, 5000])
@pytest.mark.parametrize("interlaced", [False, True])
def test_image_data_that_inflates_beyond_the_pixels_is_refused(
    interlaced: bool, at_once: int
) -> None:
    bomb = inflating(90 * MB, interlaced=interlaced, at_once=at_once)
    assert len(bomb) < MB
    with at_most(24 * MB):
        error = refusal(bomb, Verify.DECODE)
    assert error is not None
    assert error.reason is Reason.UNDECODABLE
    assert "after its last line" in error.detail


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("surplus", [0, 1, 121, 60_000])
def test_a_little_more_image_data_than_pixels_hurts_nobody(surplus: int, interlaced: bool) -> None:
    data = inflating(surplus, interlaced=interlaced, at_once=50)
    image = ImageReader(Verify.DECODE).read(signed_view(data))
    assert image.data == data


def behind_the_stream(trailer: bytes) -> bytes:
    whole = encode(picture(3))
    return whole[:-12] + chunk(b"IDAT", trailer) + whole[-12:]


def test_bytes_behind_the_end_of_the_stream_are_not_unpacked_and_hurt_nobody() -> None:
    for trailer in (b"\0", b"padding" * 99, zlib.compress(bytes(100 * MB))):
        data = behind_the_stream(trailer)
        with at_most(24 * MB):
            assert ImageReader(Verify.DECODE).read(signed_view(data)).data == data


PACKED = zlib.compress(bytes(100 * MB))
CHUNKS = {
    "zTXt": (b"zTXt", b"Comment\0\0" + PACKED),
    "iTXt": (b"iTXt", b"Comment\0\1\0\0\0" + PACKED),
    "iCCP": (b"iCCP", b"bomb\0\0" + PACKED),
    "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED),
}


@pytest.mark.parametrize("verify", list(Verify))
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", CHUNKS)
def test_packed_metadata_is_not_unpacked(kind: str, late: bool, verify: Verify) -> None:
    chunks = [CHUNKS[kind]] * 3
    where = {"late_chunks": chunks} if late else {"chunks": chunks}
    bomb = png([[(9,)] * 32] * 32, GREY, **where)  # type: ignore[arg-type]
    with at_most(24 * MB):
        image = ImageReader(verify).read(signed_view(bomb))
    assert image.actions == ("metadata",)


def test_many_texts_that_are_small_alone_are_no_bomb_either() -> None:
    small = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(MB - 1), 9))
    bomb = png([[(9,)] * 32] * 32, GREY, chunks=[small] * 500)
    with at_most(100 * MB):
        assert ImageReader().read(signed_view(bomb)).actions == ("metadata",)


TINY_CHUNKS = {
    "png": png([[(9,)] * 32] * 32, GREY, chunks=[(b"teSt", b"")] * 150_000),
    "jpeg": with_segments(encode(picture(4), "JPEG"), *[segment(0xFE, b"")] * 20_000),
    "webp": riff(*[(b"TEST", b"")] * 150_000, (b"VP8 ", bytes(10))),
}


@pytest.mark.parametrize("verify", list(Verify))
@pytest.mark.parametrize("kind", TINY_CHUNKS)
def test_a_crowd_of_empty_chunks_is_refused_before_a_reader_holds_them(
    kind: str, verify: Verify
) -> None:
    error = refusal(TINY_CHUNKS[kind], verify)
    assert error is not None
    assert error.reason is Reason.CORRUPT
    assert "more than" in error.detail


def test_a_webp_is_too_large_by_its_canvas_before_room_is_made_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mico_150k.images.probe.Pillow.open", None)  # it makes room for the canvas
    huge = riff(extended(16383, 16383, 0x02), (b"ANIM", bytes(6)), (b"ANMF", bytes(40)))
    lossy = struct.pack("<HH", 16383, 16383)
    still = riff((b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + lossy))
    for data in (huge, still):
        for verify in Verify:
            error = refusal(data, verify)
            assert error is not None
            assert error.reason is Reason.TOO_MANY_PIXELS


def of_scans(number: int, *, turned: bool = False) -> bytes:
    """A progressive JPEG whose last scan is repeated until it has so many."""
    whole = encode(picture(2, (640, 480)), "JPEG", progressive=True, quality=20)
    start, scans = whole.rindex(b"\xff\xda"), whole.count(b"\xff\xda")
    # Of a scan that refines, only the end of band: it changes nothing.
    last = whole[start:-2]
    data = whole[:-2] + last * (number - scans) + whole[-2:]
    return with_segments(data, segment(0xE1, b"Exif\0\0" + exif(6))) if turned else data


@pytest.mark.parametrize("verify", [Verify.STRUCTURE, Verify.DECODE])
def test_a_jpeg_of_thousands_of_scans_is_refused_at_once(verify: Verify) -> None:
    started = time.monotonic()
    error = refusal(of_scans(4000), verify)
    assert error is not None
    assert error.reason is Reason.UNDECODABLE
    assert "more than 500 scans" in error.detail
    assert time.monotonic() - started < 1


def test_scans_are_counted_before_anything_is_decoded_even_if_only_headers_are_verified() -> None:
    error = refusal(of_scans(501, turned=True), Verify.HEADER)
    assert error is not None
    assert "more than 500 scans" in error.detail
    cut = of_scans(700, turned=True)[:-100]  # no scan more is looked for than the limit
    error = refusal(cut, Verify.HEADER)
    assert error is not None
    assert "more than 500 scans" in error.detail


def test_scans_of_a_dataset_are_counted_before_a_page_is_made_of_it() -> None:
    assert "more than 500 scans" in make_thumbnail(of_scans(501), 64).fault
    assert not make_thumbnail(of_scans(40), 64).fault


def test_a_jpeg_of_many_scans_passes() -> None:
    data = of_scans(400)
    assert ImageReader().read(io.BytesIO(data).getbuffer()).data == data
