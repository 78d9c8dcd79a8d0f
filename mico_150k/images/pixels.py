"""`--verify decode`: decodes every pixel, and reports what decoders silently tolerate.

Pillow fills missing rows with black or gray and hides the warnings of libjpeg.
"""

import io
from functools import cache
from importlib.util import find_spec
from typing import Any

import xxhash
from PIL import Image as Pillow

from mico_150k.core.errors import MissingPackage, UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, as_view
from mico_150k.images.header import Header, Verify
from mico_150k.images.jpeg import check_scans
from mico_150k.images.normalize import decode
from mico_150k.images.png import check_png_pixels
from mico_150k.images.probe import readable

_DECODING, _MENDING = "--verify decode", "a JPEG whose markers are broken"
_COLOUR_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}


def require_decoder(verify: Verify) -> None:
    """Raise `MissingPackage` where images are to be decoded and what decodes them is missing."""
    if verify is Verify.DECODE and find_spec("simplejpeg") is None:
        raise _missing(_DECODING)


def check_pixels(data: Buffer, header: Header) -> None:
    """Decode an image after `probe`.

    Raises:
        UnusableImage: UNDECODABLE if some of its pixels are missing.
    """
    view = as_view(data)
    if header.format == "PNG":
        check_png_pixels(view)
    elif header.format == "JPEG" and header.coding.plain:
        check_jpeg_pixels(view, header.channels)
    with decode(readable(view, header)):
        pass


def check_mended(data: Buffer, header: Header) -> None:
    """Decode a repaired JPEG.

    A strict decoder must accept the repaired copy. If Pillow, as trainers use it, reads the
    original file too, it must see the same pixels in both.

    Raises:
        UnusableImage: Some pixels are missing, or the two differ.
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
    """Return a digest of all pixels; "" if they do not decode."""
    try:
        with decode(data) as image:
            return xxhash.xxh3_128_hexdigest(image.tobytes())
    except UnusableImage:
        return ""


def check_jpeg_pixels(data: memoryview, channels: int) -> None:
    """Decode at an eighth of the size, warnings as errors: this still reads all coded data."""
    try:
        _decode_jpeg(data, channels)
    except ValueError as error:
        # It has this one type for a broken image and for arguments that it does not take.
        _decode_jpeg(_whole_jpeg(channels).cast(data.format), channels)  # type: ignore[call-overload]
        raise UnusableImage(Reason.UNDECODABLE, f"JPEG: {error}") from error


def _decode_jpeg(data: memoryview, channels: int) -> None:
    try:
        import simplejpeg
    except ImportError as error:
        raise _missing(_MENDING) from error
    small: dict[str, Any] = {"min_height": 1, "min_width": 1, "min_factor": 1}
    simplejpeg.decode_jpeg(data, _COLOUR_SPACES[channels], strict=True, **small)


def _missing(what: str) -> MissingPackage:
    return MissingPackage(
        f"{what} needs simplejpeg: pip install '.[decode]' in the clone of mico-150k"
    )


@cache
def _whole_jpeg(channels: int) -> memoryview:
    """Return a small JPEG that decodes wherever any does."""
    encoded = io.BytesIO()
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]
    Pillow.new(mode, (16, 16)).save(encoded, "JPEG")
    return memoryview(encoded.getvalue())
