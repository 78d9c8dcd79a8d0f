"""WebP's RIFF chunks (RFC 9649): whether a file is whole. libwebp checks the rest."""

from collections.abc import Iterator
from struct import Struct

from mico_150k.core.errors import UnusableImage
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.images.header import Coding

RIFF, WEBP = b"RIFF", b"WEBP"

_CHUNK = Struct("<4sI")
_SIZE = Struct("<I")
_SIDES = Struct("<HH")
_RIFF_HEADER = 12
_EXTENDED_LENGTH = 10
_LOSSY_HEADER = 10
_LOSSLESS_HEADER = 5
_LOSSLESS_SIGNATURE = 0x2F
_LOSSLESS_VERSION_SHIFT = 29
_SHOWN = 0x10  # in the first byte of a lossy frame, whose lowest bit says that it is no key frame
_MOST_PROFILE = 3
_MOST_CHUNKS = 100_000
"""An hour of an animation, at 25 frames a second."""
_PICTURE = {b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"}
_PICTURE_FLAGS = 0x12  # alpha and animation
_SIDE_BITS = 14
_SIDE_MASK = (1 << _SIDE_BITS) - 1


def read_webp(data: memoryview) -> Coding:
    """Walk the RIFF chunks to the length that the file states.

    Raises:
        UnusableImage: TRUNCATED if bytes are missing; CORRUPT if chunks do not fit, or are not
            those of one image.
    """
    if len(data) < _RIFF_HEADER:
        raise UnusableImage(Reason.TRUNCATED, "WebP ends within its RIFF header")
    end = 8 + _SIZE.unpack_from(data, 4)[0]
    if end > len(data):
        raise UnusableImage(
            Reason.TRUNCATED, f"WebP of {counted(len(data), 'byte')} says it has {end:,}"
        )
    canvas: tuple[int, int] | None = None
    sides = 0, 0
    pixels = False
    for kind, body in _chunks(data, end):
        if kind == b"VP8X":
            canvas = _canvas(body)
        elif kind in _SIDES_OF and not pixels:
            pixels = True
            sides = _SIDES_OF[kind](body)
            if sides != (canvas or sides):
                raise UnusableImage(Reason.CORRUPT, f"WebP of {sides} on a canvas of {canvas}")
        elif kind == b"ANMF":
            pixels = True
    if not pixels:
        raise UnusableImage(Reason.CORRUPT, "WebP without image data")
    return Coding(sides=canvas or sides)


def without_metadata(data: memoryview) -> bytes:
    """Return the WebP with only the chunks that define its pixels; others may stop a reader."""
    kept = [WEBP]
    for kind, body in _chunks(data, len(data)):
        if kind in _PICTURE:
            whole = bytes(body)
            if kind == b"VP8X":
                whole = bytes([whole[0] & _PICTURE_FLAGS]) + whole[1:]
            kept.append(_CHUNK.pack(kind, len(whole)) + whole + b"\0" * (len(whole) % 2))
    return RIFF + _SIZE.pack(sum(map(len, kept))) + b"".join(kept)


def _chunks(data: memoryview, end: int) -> Iterator[tuple[bytes, memoryview]]:
    """Yield each chunk's type and body."""
    position = _RIFF_HEADER
    for _ in range(_MOST_CHUNKS):
        if position + _CHUNK.size > end:
            return
        kind, length = _CHUNK.unpack_from(data, position)
        body = data[position + _CHUNK.size : position + _CHUNK.size + length]
        position += _CHUNK.size + length + length % 2
        if len(body) < length or position > end + 1:
            raise UnusableImage(Reason.CORRUPT, "a WebP chunk reaches beyond the file")
        yield kind, body
    raise UnusableImage(Reason.CORRUPT, f"WebP of more than {_MOST_CHUNKS} chunks")


def _canvas(body: memoryview) -> tuple[int, int]:
    if len(body) < _EXTENDED_LENGTH:
        raise UnusableImage(Reason.CORRUPT, "WebP's extended header is too short")
    return _uint24(body, 4) + 1, _uint24(body, 7) + 1


def _lossy(body: memoryview) -> tuple[int, int]:
    """Return the sides of a visible VP8 key frame whose partitions fit (RFC 6386, section 9.1)."""
    tag = body[0] if len(body) >= _LOSSY_HEADER else 1
    if tag & 1 or not tag & _SHOWN or bytes(body[3:6]) != b"\x9d\x01\x2a":
        raise UnusableImage(Reason.CORRUPT, "WebP's image data is not a VP8 key frame")
    if tag >> 1 & 7 > _MOST_PROFILE or _uint24(body, 0) >> 5 > len(body) - _LOSSY_HEADER:
        raise UnusableImage(Reason.CORRUPT, "WebP's VP8 frame is longer than its chunk")
    width, height = _SIDES.unpack_from(body, 6)
    return width & _SIDE_MASK, height & _SIDE_MASK


def _lossless(body: memoryview) -> tuple[int, int]:
    """Return the sides of a VP8L image in pixels (RFC 9649, section 3.4)."""
    packed = _SIZE.unpack_from(body, 1)[0] if len(body) >= _LOSSLESS_HEADER else 0
    if not packed or body[0] != _LOSSLESS_SIGNATURE or packed >> _LOSSLESS_VERSION_SHIFT:
        raise UnusableImage(Reason.CORRUPT, "WebP's image data is not a VP8L stream")
    return (packed & _SIDE_MASK) + 1, (packed >> _SIDE_BITS & _SIDE_MASK) + 1


_SIDES_OF = {b"VP8 ": _lossy, b"VP8L": _lossless}


def _uint24(body: memoryview, offset: int) -> int:
    return int.from_bytes(body[offset : offset + 3], "little")
