"""`--verify decode`: every pixel decoded, and what decoders pass over in silence told.

Pillow takes missing rows for black or grey, and never hears what libjpeg warns of.
"""

import io
from functools import cache
from typing import Any

import xxhash
from PIL import Image as Pillow

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, as_view
from mico_150k.images.header import Header
from mico_150k.images.jpeg import check_scans
from mico_150k.images.normalize import decode
from mico_150k.images.png import check_png_pixels
from mico_150k.images.probe import readable

_COLOUR_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}


def check_pixels(data: Buffer, header: Header) -> None:
    """Decode a probed image. Raises `UnusableImage`, UNDECODABLE where not all of it is there."""
    view = as_view(data)
    if header.format == "PNG":
        check_png_pixels(view)
    elif header.format == "JPEG" and header.coding.plain:
        check_jpeg_pixels(view, header.channels)
    with decode(readable(view, header)):
        pass


def check_mended(data: Buffer, header: Header) -> None:
    """Decode a JPEG that was mended. Raises `UnusableImage` unless all of it is there.

    A strict decoder must have nothing to say against the mended one. Where Pillow, as trainers open
    it, reads the file as it is too, it must see the same in both.
    """
    view = as_view(data)
    whole = readable(view, header)
    if not header.coding.plain:
        raise UnusableImage(Reason.CORRUPT, "JPEG with broken markers, in a rare coding")
    check_scans(as_view(whole))
    check_jpeg_pixels(as_view(whole), header.channels)
    if _pixels(view) not in {"", _pixels(whole)}:
        raise UnusableImage(Reason.CORRUPT, "JPEG with broken markers, read in several ways")


def _pixels(data: Buffer) -> str:
    """A digest of all pixels; "" where they do not decode."""
    try:
        with decode(data) as image:
            return xxhash.xxh3_128_hexdigest(image.tobytes())
    except UnusableImage:
        return ""


def check_jpeg_pixels(data: memoryview, channels: int) -> None:
    """Decode with warnings as errors, to an eighth of the size: all coded data is read for it."""
    try:
        _decode_jpeg(data, channels)
    except ValueError as error:
        # It has this one type for a broken image and for arguments that it does not take.
        _decode_jpeg(_whole_jpeg(channels).cast(data.format), channels)  # type: ignore[call-overload]
        raise UnusableImage(Reason.UNDECODABLE, f"JPEG: {error}") from error


def _decode_jpeg(data: memoryview, channels: int) -> None:
    import simplejpeg

    small: dict[str, Any] = {"min_height": 1, "min_width": 1, "min_factor": 1}
    simplejpeg.decode_jpeg(data, _COLOUR_SPACES[channels], strict=True, **small)


@cache
def _whole_jpeg(channels: int) -> memoryview:
    """A JPEG that decodes, if any does."""
    encoded = io.BytesIO()
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]
    Pillow.new(mode, (16, 16)).save(encoded, "JPEG")
    return memoryview(encoded.getvalue())
