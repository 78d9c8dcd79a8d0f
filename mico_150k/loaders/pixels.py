"""Decodes an image cell's pixels for `to_tensor`: as `open_rgb` does, but faster.

Pillow reads the header, and decodes whatever is not plain 8-bit RGB or what a faster decoder
refuses. So a broken image fails with Pillow's own error.
"""

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from mico_150k.trainers.rgb import open_rgb

Pixels = NDArray[np.uint8]
Decoder = Callable[[bytes], Pixels]


def rgb_pixels(cell: bytes | Mapping[str, Any]) -> Pixels:
    """Return an image cell's RGB pixels, of shape (height, width, 3); they may be read-only."""
    data = cell["bytes"] if isinstance(cell, Mapping) else cell
    pixels = _decode_fast(data)
    return np.asarray(open_rgb(data)) if pixels is None else pixels


def _decode_fast(data: bytes) -> Pixels | None:
    """Return the pixels, or None if Pillow has to decode the image."""
    image = Pillow.open(io.BytesIO(data))
    decoder = _decoders().get(image.format or "")
    if decoder is None or not _is_plain(image):
        return None
    try:
        pixels = decoder(data)
    except Exception:  # noqa: BLE001 - each decoder has its own; Pillow says what is wrong
        return None
    width, height = image.size
    return pixels if pixels.shape == (height, width, 3) and pixels.dtype == np.uint8 else None


def _is_plain(image: Pillow.Image) -> bool:
    """Return whether it is opaque 8-bit RGB, as `open_rgb` returns it."""
    if image.mode != "RGB" or "transparency" in image.info:
        return False
    if image.format == "PNG":
        # A 16-bit PNG has mode RGB too; only its raw mode differs. Pillow decodes animated ones.
        raw_modes = {tile[3] for tile in getattr(image, "tile", ())}
        return raw_modes == {"RGB"} and not getattr(image, "is_animated", False)
    return True


@cache
def _decoders() -> dict[str, Decoder]:
    """Return decoders by Pillow's format name; imported in the worker with the first image.

    Decoders that are not installed are omitted: both come with the extra `train`.
    """
    decoders: dict[str, Decoder] = {}
    with suppress(ImportError):
        from simplejpeg import decode_jpeg

        # Strict: Pillow judges what libjpeg only warns about.
        decoders["JPEG"] = partial(decode_jpeg, colorspace="RGB", strict=True)
    with suppress(ImportError):
        from imagecodecs import png_decode

        decoders["PNG"] = png_decode
    return decoders
