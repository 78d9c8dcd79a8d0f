"""PNG by its chunks (https://www.w3.org/TR/png-3/): the header, and whether the file is whole."""

import zlib
from struct import Struct

from mico_150k.errors import UnusableImage
from mico_150k.images.header import Header, Verify, orientation_of
from mico_150k.reason import Reason

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHUNK = Struct(">I4s")
_CRC = Struct(">I")
_IHDR = Struct(">IIBBBBB")
_IHDR_LENGTH = 13
_LONGEST_CHUNK = 2**31 - 1
_MAX_PROFILE_BYTES = 16 << 20  # far above any colour profile; stops a zlib bomb in iCCP

# Colour type → (colour channels, palette, alpha channel), table 11.1 of the specification.
_COLOUR_TYPES = {
    0: (1, False, False),
    2: (3, False, False),
    3: (3, True, False),
    4: (1, False, True),
    6: (3, False, True),
}


def read_png(data: memoryview, verify: Verify) -> Header:
    """Walk the chunks to IEND; their CRCs are computed unless `verify` is HEADER.

    Raises `UnusableImage`: TRUNCATED before IEND, CORRUPT where a CRC or the order is wrong.
    """
    ihdr: tuple[int, ...] | None = None
    alpha = animated = pixels = ended = False
    orientation, icc = 1, b""
    position = len(SIGNATURE)
    while not ended:
        kind, body, position = _next_chunk(data, position, verify)
        if ihdr is None:
            if kind != b"IHDR" or len(body) != _IHDR_LENGTH:
                raise UnusableImage(Reason.CORRUPT, "PNG does not start with IHDR")
            ihdr = _IHDR.unpack(body)
        elif kind == b"IDAT":
            pixels = True
        elif kind == b"tRNS":
            alpha = True
        elif kind == b"acTL":
            animated = True
        elif kind == b"eXIf":
            orientation = orientation_of(body)
        elif kind == b"iCCP":
            icc = _profile(body)
        ended = kind == b"IEND"
    if ihdr is None or not pixels:
        raise UnusableImage(Reason.CORRUPT, "PNG without image data")
    width, height, bits, colour_type = ihdr[:4]
    if colour_type not in _COLOUR_TYPES:
        raise UnusableImage(Reason.CORRUPT, f"PNG colour type {colour_type} does not exist")
    channels, palette, alpha_channel = _COLOUR_TYPES[colour_type]
    return Header(
        format="PNG",
        width=width,
        height=height,
        channels=channels,
        bits=bits,
        palette=palette,
        alpha=alpha or alpha_channel,
        animated=animated,
        orientation=orientation,
        icc=icc,
    )


def _next_chunk(data: memoryview, start: int, verify: Verify) -> tuple[bytes, memoryview, int]:
    """The chunk at `start`: its type, its body, and where the next one begins."""
    body_start = start + _CHUNK.size
    if body_start + _CRC.size > len(data):
        raise UnusableImage(Reason.TRUNCATED, "PNG ends before IEND")
    length, kind = _CHUNK.unpack_from(data, start)
    if length > _LONGEST_CHUNK or not kind.isalpha():
        raise UnusableImage(Reason.CORRUPT, f"no PNG chunk at byte {start}")
    end = body_start + length + _CRC.size
    if end > len(data):
        raise UnusableImage(Reason.TRUNCATED, f"PNG ends within its {kind.decode()} chunk")
    body = data[body_start : end - _CRC.size]
    if verify is not Verify.HEADER:
        expected = _CRC.unpack_from(data, end - _CRC.size)[0]
        if zlib.crc32(data[body_start - len(kind) : end - _CRC.size]) != expected:
            raise UnusableImage(Reason.CORRUPT, f"wrong CRC in PNG's {kind.decode()} chunk")
    return kind, body, end


def _profile(body: memoryview) -> bytes:
    """The ICC profile of an iCCP chunk: name, NUL, method, zlib stream."""
    _, separator, rest = bytes(body).partition(b"\0")
    if not separator or not rest:
        return b""
    try:
        return zlib.decompressobj().decompress(rest[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
