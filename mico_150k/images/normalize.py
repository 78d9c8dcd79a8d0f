"""Re-encodes an image that trainers would read differently into a form that they all agree on.

The result is the first frame, upright, on white, 8-bit sRGB, as PNG. The same image and the same
version of Pillow give the same bytes.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image as Pillow
from PIL import ImageFile

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, as_view
from mico_150k.images.blame import blaming_the_image
from mico_150k.images.color import is_srgb, to_srgb
from mico_150k.images.header import Header
from mico_150k.images.jpeg import check_scans
from mico_150k.images.probe import readable, readable_formats

COMPRESS_LEVEL = 2
"""PNG's. Measured on photos with zlib-ng: a fifth of the time of level 6, a tenth larger."""

_BITS = 8
_SIXTEEN_BIT_VALUES = 1 << 16

# EXIF orientation → what makes the image upright (EXIF 2.3, table 6).
_UPRIGHT = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


@contextmanager
def decode(data: Buffer) -> Iterator[Pillow.Image]:
    """Yield the first frame, with all its pixels decoded.

    Pillow's switch that accepts truncated files is global, and trainers turn it on; here it is off.

    Raises:
        UnusableImage: Some pixels do not decode.
    """
    tolerant = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with blaming_the_image(Reason.UNDECODABLE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Pillow.open(io.BytesIO(data), formats=readable_formats())
            image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
    with image:
        yield image


def normalise(data: Buffer, header: Header) -> bytes:
    """Return the image as an upright, opaque, 8-bit sRGB PNG.

    Raises:
        UnusableImage: It does not decode, or no RGB form of it is known.
    """
    encoded = io.BytesIO()
    _picture(data, header).save(encoded, "PNG", compress_level=COMPRESS_LEVEL)
    return encoded.getvalue()


def _picture(data: Buffer, header: Header) -> Pillow.Image:
    """Return the pixels to encode; each step releases those before it to save memory."""
    picture, opacity = _decoded(data, header)
    if header.color and not header.color.is_srgb:
        picture = header.color.to_srgb(picture, _low_bytes(data, header))
    elif header.icc and not is_srgb(header.icc, header.channels):
        picture = to_srgb(picture, header.icc)
    elif picture.mode != "RGB":
        picture = picture.convert("RGB")
    if opacity is not None:
        white = Pillow.new("RGB", picture.size, "white")
        white.paste(picture, mask=opacity)
        picture, opacity = white, None
        del white
    if header.orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[header.orientation])
    picture.info.clear()  # no profile, orientation or transparency may survive
    return picture


def _decoded(data: Buffer, header: Header) -> tuple[Pillow.Image, Pillow.Image | None]:
    """Return the colors in L, RGB or CMYK, and the opacity in L or None."""
    if header.format == "JPEG":
        check_scans(as_view(data))
    with decode(readable(data, header)) as image:
        return _eight_bits(image, header)


def _eight_bits(image: Pillow.Image, header: Header) -> tuple[Pillow.Image, Pillow.Image | None]:
    """Return the file's own colors in L, RGB or CMYK, and the opacity in L or None."""
    if header.channels == 1:
        return _grey(image, header.coding.bits)
    transparency = image.info.get("transparency")
    if image.mode == "RGB" and transparency is not None and header.coding.bits > _BITS:
        # Pillow has dropped the low bytes, which distinguish the transparent color from others.
        raise UnusableImage(Reason.UNDECODABLE, "16-bit RGB with one transparent color")
    if image.mode in {"PA", "RGBA", "RGBa"} or transparency is not None:
        whole = image if image.mode == "RGBA" else image.convert("RGBA")
        return whole.convert("RGB"), whole.getchannel("A")
    if image.mode in {"RGB", "CMYK"}:
        return image, None
    if image.mode in {"P", "RGBX", "YCbCr", "HSV"}:
        return image.convert("RGB"), None
    raise _no_form(image)


def _grey(image: Pillow.Image, bits: int) -> tuple[Pillow.Image, Pillow.Image | None]:
    transparent = image.info.get("transparency")
    if image.mode == "RGBA":  # what Pillow makes of 16-bit gray with alpha
        return image.getchannel("R"), image.getchannel("A")
    if image.mode in {"LA", "La"}:
        plain = image.convert("LA")
        return plain.getchannel("L"), plain.getchannel("A")
    if bits == 2 * _BITS:
        return _sixteen_bit_grey(image, transparent)
    if image.mode not in {"1", "L"}:
        raise _no_form(image)
    grey = image.convert("L")
    if transparent is None:
        return grey, None
    # Pillow has spread 2 or 4 bits over 8, the transparent value it has not; of one bit it has.
    clear = transparent if image.mode == "1" else transparent * 255 // (2**bits - 1)
    return grey, grey.point(lambda value: 0 if value == clear else 255)


def _no_form(image: Pillow.Image) -> UnusableImage:
    return UnusableImage(Reason.UNDECODABLE, f"mode {image.mode} has no 8-bit RGB form")


def _sixteen_bit_grey(
    image: Pillow.Image, transparent: int | None
) -> tuple[Pillow.Image, Pillow.Image | None]:
    values = image.convert("I")
    grey = values.point([value >> _BITS for value in range(_SIXTEEN_BIT_VALUES)], "L")
    if transparent is None:
        return grey, None
    opaque = [255] * _SIXTEEN_BIT_VALUES
    opaque[transparent] = 0
    return grey, values.point(opaque, "L")


# Pillow's word for how values are stored → one by which it reads their low bytes.
_LOW = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}


def _low_bytes(data: Buffer, header: Header) -> Pillow.Image | None:
    """Return the low bytes of a PNG's 16-bit values, in L or RGB; Pillow gives only the high ones.

    Dark values of linear light differ only in these.
    """
    if header.coding.bits != 2 * _BITS:
        return None
    with blaming_the_image(Reason.UNDECODABLE):
        image = Pillow.open(io.BytesIO(readable(data, header)), formats=("PNG",))
        (tile,) = image.tile
        stored = str(tile.args)
        image.tile = [tile._replace(args=_LOW.get(stored, stored))]
        image.load()
    with image:
        if stored == "LA;16B":
            return image.getchannel("G")
        if header.channels == 1:
            low = [value & 0xFF for value in range(_SIXTEEN_BIT_VALUES)]
            return image.convert("I").point(low, "L")
        return image if image.mode == "RGB" else image.convert("RGB")
