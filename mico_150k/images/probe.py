"""An image's header by its bytes, and the limits beyond which no trainer could use it."""

import io
import warnings

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from mico_150k.errors import UnusableImage
from mico_150k.images import jpeg, png, webp
from mico_150k.images.header import Header, Verify, orientation_of
from mico_150k.reason import Reason
from mico_150k.sample import Buffer

MAX_BYTES = 256 << 20
"""A file above this is no picture of this kind; it would be held in memory several times."""
MAX_PIXELS = 89_478_485
"""Pillow warns of a decompression bomb above this; BAGEL stops at 200 million, the others here."""
MIN_SIDE = 16
"""OmniGen2 floors sides to multiples of 16: less becomes a tensor of size zero."""
MAX_ASPECT = 128
"""OmniGen2 scales the long side to 2048 pixels, so that beyond 128:1 the other falls under 16."""

OTHER_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG2000", "PPM", "TIFF")
"""What is read besides JPEG, PNG and WebP. Pillow knows more; some of it runs other programs."""


def probe(data: Buffer, verify: Verify = Verify.STRUCTURE) -> Header:
    """Read the header, check the limits, and check that the file is whole as far as `verify` says.

    No pixel is decoded here: `Verify.DECODE` is the caller's to finish, with `decode`.
    Raises `UnusableImage`.
    """
    view = memoryview(data).cast("B")  # Arrow's buffers count as signed bytes
    if not view.nbytes:
        raise UnusableImage(Reason.EMPTY)
    if view.nbytes > MAX_BYTES:
        raise UnusableImage(Reason.TOO_LARGE, f"{view.nbytes} bytes")
    header = _read(view, verify)
    _check_limits(header)
    return header


def _read(view: memoryview, verify: Verify) -> Header:
    start = bytes(view[:12])
    if start.startswith(png.SIGNATURE):
        return png.read_png(view, verify)
    if start.startswith(jpeg.SIGNATURE):
        return jpeg.read_jpeg(view, verify)
    if start.startswith(webp.RIFF) and start.endswith(webp.WEBP):
        return webp.read_webp(view)
    return _read_other(view)


def _read_other(view: memoryview) -> Header:
    """Whatever Pillow recognises among `OTHER_FORMATS`, by its header."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with it is said by an error
            with Pillow.open(io.BytesIO(view), formats=OTHER_FORMATS) as image:
                return Header(
                    format=str(image.format),
                    width=image.width,
                    height=image.height,
                    channels={"1": 1, "L": 1, "LA": 1, "CMYK": 4}.get(image.mode, 3),
                    bits={"1": 1, "I": 32, "F": 32}.get(
                        image.mode, 16 if ";16" in image.mode else 8
                    ),
                    palette=image.mode in {"P", "PA"},
                    alpha=image.has_transparency_data,
                    animated=getattr(image, "is_animated", False),
                    icc=image.info.get("icc_profile") or b"",
                    orientation=orientation_of(image.info.get("exif", b"")),
                    plain=False,
                )
    except Pillow.DecompressionBombError as error:
        raise UnusableImage(Reason.TOO_MANY_PIXELS, str(error)) from error
    except UnidentifiedImageError as error:
        detail = f"starts with {bytes(view[:8])!r}"
        raise UnusableImage(Reason.UNKNOWN_FORMAT, detail) from error
    except Exception as error:  # a broken header makes Pillow raise a dozen types
        raise UnusableImage(Reason.CORRUPT, str(error)) from error


def _check_limits(header: Header) -> None:
    short, long = sorted((header.width, header.height))
    sides = f"{header.width} x {header.height}"
    if short * long > MAX_PIXELS:
        raise UnusableImage(Reason.TOO_MANY_PIXELS, sides)
    if short < MIN_SIDE:
        raise UnusableImage(Reason.TOO_SMALL, sides)
    if long > MAX_ASPECT * short:
        raise UnusableImage(Reason.TOO_LONG, sides)
