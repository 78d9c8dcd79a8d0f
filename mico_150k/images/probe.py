"""Reads an image's header, and checks the limits beyond which no trainer can use an image.

A format's own module checks whether the file is whole. Pillow reads the rest, since all trainers
see an image through Pillow; metadata that stops Pillow would stop them.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pyarrow as pa
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from mico_150k.core.errors import UnusableImage
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.core.recognize import HEAD_BYTES, NOTHING_KNOWN, TEXT, recognize
from mico_150k.core.sample import Buffer, as_view
from mico_150k.images import jpeg, png, webp
from mico_150k.images.blame import blaming_the_image
from mico_150k.images.header import Coding, Header, Verify
from mico_150k.images.jpeg_mend import mended
from mico_150k.images.room import check_room

MAX_BYTES = 256 << 20
"""A file above this is skipped: memory would hold it several times."""
MAX_PIXELS = 89_478_485
"""Pillow warns of a decompression bomb above this; BAGEL stops at 200 million, the others here."""
MIN_SIDE = 16
"""OmniGen2 floors sides to multiples of 16: less becomes a tensor of size zero."""
MAX_ASPECT = 128
"""OmniGen2 scales the long side to 2048 pixels, so that beyond 128:1 the other falls under 16."""

PLAIN_FORMATS = ("JPEG", "PNG", "WEBP")
OTHER_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG2000", "PPM", "TIFF")
"""What is read besides JPEG, PNG and WebP. Pillow knows more; some of it runs other programs."""

_CHANNELS = {"1": 1, "L": 1, "LA": 1, "La": 1, "I": 1, "F": 1, "CMYK": 4}
_BITS = {"1": 1, "I": 32, "F": 32}
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_WHOLE_BITS = {1, 2, 4, 8, 16, 32}
_WHITE_IS_ZERO = 0
_TURNED = range(2, 9)


@cache
def readable_formats() -> tuple[str, ...]:
    """Return those of the formats above that the installed Pillow reads."""
    Pillow.init()
    return tuple(name for name in (*PLAIN_FORMATS, *OTHER_FORMATS) if name in Pillow.OPEN)


def _other_formats() -> tuple[str, ...]:
    # Called only when such a file is met: it makes Pillow import all its plugins.
    return tuple(name for name in readable_formats() if name not in PLAIN_FORMATS)


def probe(data: Buffer, verify: Verify = Verify.STRUCTURE, room: int | None = None) -> Header:
    """Read an image's header, and check its limits and whether the file is whole.

    No pixel is decoded here, except for a PNG with metadata after its pixels. With
    `Verify.DECODE` the caller has to decode the image itself.

    Args:
        data: The encoded image.
        verify: How much to check.
        room: The bytes of memory that decoding may take; None for no limit.

    Raises:
        UnusableImage: The image is damaged, too large, too small or not an image.
        MemoryTooSmall: Decoding needs more than `room`.
    """
    view = as_view(data)
    if not view.nbytes:
        raise UnusableImage(Reason.EMPTY)
    if view.nbytes > MAX_BYTES:
        raise UnusableImage(Reason.TOO_LARGE, counted(view.nbytes, "byte"))
    start = bytes(view[:12])
    if start.startswith(png.SIGNATURE):
        return _plain_header(view, "PNG", png.read_png(view, verify), room)
    if start.startswith(jpeg.SIGNATURE):
        return _jpeg_header(view, verify, room)
    if start.startswith(webp.RIFF) and start.endswith(webp.WEBP):
        return _plain_header(view, "WEBP", webp.read_webp(view), room)
    return _other_header(view)


def probe_to_decode(data: Buffer) -> Header:
    """Return the header of an image to decode, after refusing one that would take minutes.

    Raises:
        UnusableImage: The image is damaged or over a limit.
    """
    header = probe(data, Verify.HEADER)
    if header.format == "JPEG":
        jpeg.check_scans(as_view(data))
    return header


def readable(data: Buffer, header: Header) -> memoryview | bytes:
    """Return the image's bytes, repaired or without metadata where `header` says it is needed."""
    view = as_view(data)
    if header.mended:
        view = memoryview(mended(view) or view)
    return _BARE[header.format](view) if header.metadata else view


_BARE: dict[str, Callable[[memoryview], bytes]] = {
    "JPEG": jpeg.without_metadata,
    "PNG": png.without_metadata,
    "WEBP": webp.without_metadata,
}


def _jpeg_header(view: memoryview, verify: Verify, room: int | None) -> Header:
    """Return a JPEG's header; the caller decodes one whose markers are broken."""
    try:
        coding = jpeg.read_jpeg(view, verify)
    except UnusableImage:
        whole = mended(view)
        if whole is None:
            raise
        view = memoryview(whole)
        header = _plain_header(view, "JPEG", jpeg.read_jpeg(view, Verify.STRUCTURE), room)
        return replace(header, mended=True)
    return _plain_header(view, "JPEG", coding, room)


def _plain_header(view: memoryview, name: str, coding: Coding, room: int | None) -> Header:
    """Return the header that Pillow reads; without the metadata, if that stops Pillow."""
    if all(coding.sides):  # before Pillow makes room for them, as it does for WebP
        _check_limits(*coding.sides)
    if coding.late:
        check_room(room, name, coding.sides, view.nbytes)
    try:
        with blaming_the_image(Reason.CORRUPT):
            return _opened(pa.BufferReader(pa.py_buffer(view)), name, coding)  # without a copy
    except UnusableImage as error:
        if error.reason is not Reason.CORRUPT:
            raise
        broken = error
    bare = io.BytesIO(_BARE[name](view))
    try:
        with blaming_the_image(Reason.CORRUPT):
            header = _opened(bare, name, replace(coding, late=False))
    except UnusableImage as error:
        raise (broken if error.reason is Reason.CORRUPT else error) from error
    return replace(header, orientation=1, icc=b"", metadata=True)


def _other_header(view: memoryview) -> Header:
    start = bytes(view[:HEAD_BYTES])
    kind = recognize(start)
    try:
        with blaming_the_image(Reason.CORRUPT, f"{kind.name or 'image'}: "):
            return _opened(io.BytesIO(view), "", Coding(plain=False))
    except UnusableImage as error:
        if not isinstance(error.__cause__, UnidentifiedImageError):
            raise
        if kind in {NOTHING_KNOWN, TEXT}:
            detail = f"{kind.name} starts with {start[:8]!r}".strip()
        else:
            advice = kind.advice and f"; {kind.advice}"
            detail = f"{kind.name}: this image format is not supported{advice}"
        raise UnusableImage(Reason.UNKNOWN_FORMAT, detail) from error


def _opened(file: Any, name: str, coding: Coding) -> Header:  # noqa: ANN401 - a file, of any kind
    """Return what Pillow reads, and let its errors pass.

    Args:
        file: The open image.
        name: The format, "" for one of `OTHER_FORMATS`.
        coding: What the format's own module found.
    """
    formats = (name,) if name else _other_formats()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an error reports what is wrong with it
        try:
            with Pillow.open(file, formats=formats) as image:
                _check_limits(*image.size)
                icc = b"" if coding.over_profile else _profile(image)
                return Header(
                    format=name or str(image.format),
                    width=image.width,
                    height=image.height,
                    coding=coding if name else replace(coding, bits=_bits(image)),
                    channels=coding.channels or _CHANNELS.get(image.mode.partition(";")[0], 3),
                    palette=image.mode in {"P", "PA"},
                    alpha=image.has_transparency_data,
                    # A JPEG may hold more images after its end, which no trainer looks for.
                    animated=name != "JPEG" and getattr(image, "is_animated", False),
                    icc=icc,
                    color=coding.over_profile or (None if icc else coding.under_profile),
                    orientation=_orientation(image, late=coding.late),
                )
        except Pillow.DecompressionBombError as error:
            raise UnusableImage(Reason.TOO_MANY_PIXELS, str(error)) from error


def _profile(image: Pillow.Image) -> bytes:
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else b""  # a TIFF's tag may be of any type


def _bits(image: Pillow.Image) -> int:
    """Return the bits per channel of a format besides JPEG, PNG and WebP."""
    tags: Any = getattr(image, "tag_v2", {})
    stored = tags.get(_TIFF_BITS, (0,))
    stored = stored if isinstance(stored, tuple) else (stored,)
    bits = _BITS.get(image.mode, 16 if ";16" in image.mode else 8)
    inverted = tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
    if (any(stored) and not _WHOLE_BITS.issuperset(stored)) or (bits > _EIGHT and inverted):
        raise UnusableImage(
            Reason.UNDECODABLE,
            f"TIFF with {'/'.join(map(str, stored))}-bit channels, which Pillow does not scale",
        )
    if image.format == "PPM" and image.mode == "I":
        return 16
    return bits


_EIGHT = 8


def _orientation(image: Pillow.Image, *, late: bool) -> int:
    """Return the orientation from EXIF or XMP, as `datasets` and Pillow find it.

    Pillow's errors on broken metadata pass through.
    """
    if hasattr(image, "tag_v2"):
        return 1  # Pillow turns a TIFF by itself
    if late:
        image.load()
    # The PNG class's own method would decode every PNG without EXIF, to look behind its pixels.
    value = Pillow.Image.getexif(image).get(ExifTags.Base.Orientation)
    return next((turn for turn in _TURNED if value == turn), 1)


def _check_limits(width: int, height: int) -> None:
    short, long = sorted((width, height))
    sides = f"{width} x {height}"
    if short * long > MAX_PIXELS:
        raise UnusableImage(Reason.TOO_MANY_PIXELS, sides)
    if short < MIN_SIDE:
        raise UnusableImage(Reason.TOO_SMALL, sides)
    if long > MAX_ASPECT * short:
        raise UnusableImage(Reason.TOO_LONG, sides)
