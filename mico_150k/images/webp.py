"""WebP by its RIFF chunks (RFC 9649): the header, and whether the file is whole."""

from struct import Struct

from mico_150k.errors import UnusableImage
from mico_150k.images.header import Header, orientation_of
from mico_150k.reason import Reason

RIFF, WEBP = b"RIFF", b"WEBP"

_CHUNK = Struct("<4sI")
_SIZE = Struct("<I")
_LOSSY_SIDES = Struct("<HH")
_RIFF_HEADER = 12
_EXTENDED_LENGTH = 10
_LOSSY_HEADER = 10
_LOSSLESS_HEADER = 5
_LOSSLESS_SIGNATURE = 0x2F
_ALPHA_FLAG, _ANIMATION_FLAG = 0x10, 0x02
_SIDE_BITS = 14
_SIDE_MASK = (1 << _SIDE_BITS) - 1


def read_webp(data: memoryview) -> Header:
    """Walk the RIFF chunks to the length that the file gives itself.

    Raises `UnusableImage`: TRUNCATED where bytes are missing, CORRUPT where chunks do not fit.
    """
    if len(data) < _RIFF_HEADER:
        raise UnusableImage(Reason.TRUNCATED, "WebP ends within its RIFF header")
    end = 8 + _SIZE.unpack_from(data, 4)[0]
    if end > len(data):
        raise UnusableImage(Reason.TRUNCATED, f"WebP of {len(data)} bytes says it has {end}")
    sides: tuple[int, int] | None = None
    alpha = animated = pixels = False
    orientation, icc = 1, b""
    position = _RIFF_HEADER
    while position + _CHUNK.size <= end:
        kind, length = _CHUNK.unpack_from(data, position)
        body = data[position + _CHUNK.size : position + _CHUNK.size + length]
        position += _CHUNK.size + length + length % 2
        if len(body) < length or position > end + 1:
            raise UnusableImage(Reason.CORRUPT, "a WebP chunk reaches beyond the file")
        if kind == b"VP8X":
            if len(body) < _EXTENDED_LENGTH:
                raise UnusableImage(Reason.CORRUPT, "WebP's extended header is too short")
            alpha, animated = bool(body[0] & _ALPHA_FLAG), bool(body[0] & _ANIMATION_FLAG)
            sides = (_uint24(body, 4) + 1, _uint24(body, 7) + 1)
        elif kind == b"VP8 ":
            pixels, sides = True, sides or _lossy_sides(body)
        elif kind == b"VP8L":
            lossless_sides, lossless_alpha = _lossless(body)
            pixels, sides, alpha = True, sides or lossless_sides, alpha or lossless_alpha
        elif kind == b"ANMF":
            pixels = True
        elif kind == b"EXIF":
            orientation = orientation_of(body)
        elif kind == b"ICCP":
            icc = bytes(body)
    if sides is None or not pixels:
        raise UnusableImage(Reason.CORRUPT, "WebP without image data")
    return Header(
        format="WEBP",
        width=sides[0],
        height=sides[1],
        alpha=alpha,
        animated=animated,
        orientation=orientation,
        icc=icc,
    )


def _lossy_sides(body: memoryview) -> tuple[int, int]:
    """Sides of a VP8 key frame (RFC 6386, section 9.1)."""
    if len(body) < _LOSSY_HEADER or bytes(body[3:6]) != b"\x9d\x01\x2a" or body[0] & 1:
        raise UnusableImage(Reason.CORRUPT, "WebP's image data is no VP8 key frame")
    width, height = _LOSSY_SIDES.unpack_from(body, 6)
    return width & _SIDE_MASK, height & _SIDE_MASK


def _lossless(body: memoryview) -> tuple[tuple[int, int], bool]:
    """Sides and alpha of a VP8L image (RFC 9649, section 3.4)."""
    if len(body) < _LOSSLESS_HEADER or body[0] != _LOSSLESS_SIGNATURE:
        raise UnusableImage(Reason.CORRUPT, "WebP's image data is no VP8L stream")
    packed = _SIZE.unpack_from(body, 1)[0]
    width, height = packed & _SIDE_MASK, packed >> _SIDE_BITS & _SIDE_MASK
    return (width + 1, height + 1), bool(packed >> 2 * _SIDE_BITS & 1)


def _uint24(body: memoryview, offset: int) -> int:
    return int.from_bytes(body[offset : offset + 3], "little")
