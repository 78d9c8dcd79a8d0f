"""`--verify decode`: every pixel decoded, and what decoders pass over in silence told.

Pillow takes missing rows for black or grey, and never hears what libjpeg warns of.
"""

from typing import Any

from mico_150k.errors import UnusableImage
from mico_150k.images.header import Header
from mico_150k.images.normalise import decode
from mico_150k.images.png import check_png_pixels
from mico_150k.images.probe import readable
from mico_150k.reason import Reason
from mico_150k.sample import Buffer

_COLOUR_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}


def check_pixels(data: Buffer, header: Header) -> None:
    """Decode a probed image. Raises `UnusableImage`, UNDECODABLE where not all of it is there."""
    if header.format == "PNG":
        check_png_pixels(memoryview(data).cast("B"))
    elif header.format == "JPEG" and header.coding.plain:
        _check_jpeg_pixels(data, header)
    with decode(readable(data, header)):
        pass


def _check_jpeg_pixels(data: Buffer, header: Header) -> None:
    """Decode with warnings as errors, to an eighth of the size: all coded data is read for it."""
    import simplejpeg

    small: dict[str, Any] = {"min_height": 1, "min_width": 1, "min_factor": 1}
    try:
        simplejpeg.decode_jpeg(data, _COLOUR_SPACES[header.channels], strict=True, **small)
    except ValueError as error:
        raise UnusableImage(Reason.UNDECODABLE, f"JPEG: {error}") from error
