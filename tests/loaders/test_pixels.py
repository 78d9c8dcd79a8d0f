"""The fast decoders give `open_rgb`'s pixels, or leave the image to it."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mico_150k.loaders import pixels
from mico_150k.loaders.pixels import rgb_pixels
from mico_150k.trainers.rgb import open_rgb

from ..factories import encode, picture

KINDS: dict[str, tuple[str, list[str], list[dict[str, Any]]]] = {
    "PNG": (
        "PNG",
        ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"],
        [{}, {"compress_level": 0}, {"optimize": True}, {"transparency": 0}, {"gamma": 1.0}],
    ),
    "JPEG": (
        "JPEG",
        ["RGB", "L", "CMYK", "YCbCr"],
        [
            *({"quality": value, "subsampling": kind} for value in (5, 95) for kind in range(3)),
            {"progressive": True},
            {"keep_rgb": True},
            {"restart_marker_blocks": 1},
            {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
        ],
    ),
    "WEBP": ("WEBP", ["RGB", "RGBA"], [{"lossless": True}]),
    "GIF": ("GIF", ["P", "L"], [{}]),
    "BMP": ("BMP", ["RGB", "L"], [{}]),
}  # fmt: skip


@st.composite
def images(draw: st.DrawFn) -> bytes:
    format_, modes, options = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    mode = draw(st.sampled_from(modes))
    option = draw(st.sampled_from(options))
    if mode not in {"RGB", "L", "P"}:
        option = {name: value for name, value in option.items() if name != "transparency"}
    if option.get("transparency") == 0 and mode == "RGB":
        option = {"transparency": (1, 2, 3)}
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    seed = draw(st.integers(0, 1 << 16))
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), np.uint8)
    soft = Image.fromarray(noise // 8 * draw(st.sampled_from([1, 8]))).convert("RGB")
    image = Image.fromarray(noise) if mode in {"RGBA", "LA"} else soft
    image = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    if option.get("keep_rgb") and mode != "RGB":
        option = {}
    data = io.BytesIO()
    image.save(data, format_, **option)
    return data.getvalue()


@settings(max_examples=300, deadline=None)
@given(images())
def test_pixels_are_those_of_open_rgb(data: bytes) -> None:
    assert np.array_equal(rgb_pixels(data), np.asarray(open_rgb(data)))


@settings(max_examples=200, deadline=None)
@given(images(), st.data())
def test_a_damaged_image_has_the_same_pixels_or_the_same_error(data: bytes, draw: Any) -> None:
    place = draw.draw(st.integers(0, len(data) - 1))
    if draw.draw(st.booleans()):
        damaged = data[:place]
    else:
        damaged = data[:place] + bytes([draw.draw(st.integers(0, 255))]) + data[place + 1 :]
    assert outcome(rgb_pixels, damaged) == outcome(lambda cell: np.asarray(open_rgb(cell)), damaged)


def outcome(decode: Any, data: bytes) -> tuple[Any, ...]:
    try:
        found = decode(data)
    except Exception as error:  # noqa: BLE001 - whatever Pillow raises
        return (type(error), type(error).__name__)
    return found.shape, found.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def sixteen_bits() -> bytes:
    """A PNG of 16 bits a sample, which Pillow calls RGB as well, and cuts to 8."""
    rows = b"".join(b"\0" + bytes(range(6 * 4)) for _ in range(3))
    header = struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def animated() -> bytes:
    data = io.BytesIO()
    picture(1).save(data, "PNG", save_all=True, append_images=[picture(2)])
    return data.getvalue()


def interlaced() -> bytes:
    """An interlaced PNG of one pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0\x01\x02\x03")) + chunk(b"IEND", b"")
    )  # fmt: skip


@pytest.mark.parametrize("make", [sixteen_bits, animated, interlaced])
def test_rare_png_has_the_pixels_of_open_rgb(make: Any) -> None:
    data = make()
    assert np.array_equal(rgb_pixels({"bytes": data}), np.asarray(open_rgb(data)))


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_plain_images_never_reach_pillows_decoder(
    format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if format_ == "PNG":
        pytest.importorskip("imagecodecs", reason="the extra `train`")
    data = io.BytesIO()
    picture(4).save(data, format_)
    expected = np.asarray(open_rgb(data.getvalue()))
    monkeypatch.setattr(pixels, "open_rgb", None)
    assert np.array_equal(rgb_pixels(data.getvalue()), expected)


def test_without_the_extra_pillow_decodes_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    pixels._decoders.cache_clear()
    try:
        assert set(pixels._decoders()) == {"JPEG"}
        assert np.array_equal(rgb_pixels(encode(picture(4))), np.asarray(picture(4)))
    finally:
        pixels._decoders.cache_clear()


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_an_image_that_is_cut_off_fails_with_pillows_error(format_: str) -> None:
    data = io.BytesIO()
    picture(4).save(data, format_)
    for cut in (data.getvalue()[:-40], data.getvalue()[: len(data.getvalue()) // 2]):
        assert outcome(rgb_pixels, cut) == outcome(lambda cell: np.asarray(open_rgb(cell)), cut)
        with pytest.raises(OSError):
            rgb_pixels(cut)
