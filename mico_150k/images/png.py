"""PNG's chunks (https://www.w3.org/TR/png-3/): whether a file is whole, and how it is coded.

Pillow and the trainers tolerate files that break the specification, each in its own way. Refused
here is what they would decode to different images, or to none.
"""

import zlib
from collections.abc import Iterator
from struct import Struct

from zlib_ng import zlib_ng

from mico_150k.core.errors import UnusableImage
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.images import png_color
from mico_150k.images.header import Coding, Verify

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHUNK = Struct(">I4s")
_CRC = Struct(">I")
_IHDR = Struct(">IIBBBBB")
_IHDR_LENGTH = 13
_LONGEST_CHUNK = 2**31 - 1
_PACKED_AT_ONCE = 1 << 16
_INFLATED_AT_ONCE = 1 << 20
_SURPLUS = 1 << 16
"""Bytes behind the last line that some encoders write, and all readers ignore; more is a bomb."""
_MOST_CHUNKS = 100_000
"""An image of `MAX_BYTES` in chunks of 8 kB has a third of it; each costs a reader microseconds."""

# Color type → values a pixel, color channels, and bits that a value may have (table 11.1).
_COLOUR_TYPES = {
    0: (1, 1, {1, 2, 4, 8, 16}),
    2: (3, 3, {8, 16}),
    3: (1, 3, {1, 2, 4, 8}),
    4: (2, 1, {8, 16}),
    6: (4, 3, {8, 16}),
}
_PALETTE = 3
_COLOURS = range(3, 3 * 256 + 1, 3)  # bytes of a palette
_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_COLOR_BYTES = 64
"""More than any chunk of `png_color` has, whose length tells whether it is one."""
_SILENT_AFTER_PIXELS = {b"IDAT", b"IEND", b"tIME"}

# Adam7 (section 8): where each pass starts, and its steps.
_PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip


def _is_remark(kind: bytes, body: memoryview) -> bool:
    """Whether a chunk is a text that no reader takes for EXIF, XMP, colors or opacity."""
    return kind == b"tEXt" and bytes(body).partition(b"\0")[0] in _REMARKS


_REMARK_BYTES = 4096
"""Of texts behind the pixels that are not looked at; Pillow stops at more than 64 MiB."""
# Keywords of the PNG specification, section 11.3.3.2.
_REMARKS = {
    b"Title", b"Author", b"Description", b"Copyright", b"Creation Time", b"Software",
    b"Disclaimer", b"Warning", b"Source", b"Comment",
}  # fmt: skip


def read_png(data: memoryview, verify: Verify) -> Coding:
    """Walk a PNG's chunks to IEND.

    Args:
        data: The whole file.
        verify: With `Verify.HEADER` no CRC is computed.

    Raises:
        UnusableImage: TRUNCATED if IEND is missing; CORRUPT if a CRC or the order is wrong.
    """
    ihdr: tuple[int, int, int, int, int, int, int] | None = None
    palette = late = False
    pixel_bytes = remarks = 0
    before = b""
    colors: dict[bytes, bytes] = {}
    for kind, body in _chunks(data, verify):
        if ihdr is None:
            ihdr = _read_ihdr(kind, body)
        elif kind == b"IHDR":
            raise UnusableImage(Reason.CORRUPT, "PNG with a second IHDR")
        elif kind == b"PLTE":
            palette = len(body) in _COLOURS
        elif kind == b"IDAT":
            if pixel_bytes and before != kind:
                raise UnusableImage(Reason.CORRUPT, "PNG with a chunk within its image data")
            if ihdr[3] == _PALETTE and not palette:
                raise UnusableImage(Reason.CORRUPT, "PNG without the palette that it needs")
            pixel_bytes += len(body)
        elif kind in png_color.KINDS and not (palette or pixel_bytes):  # too late for any reader
            colors.setdefault(kind, bytes(body[:_COLOR_BYTES]))
        if pixel_bytes and kind not in _SILENT_AFTER_PIXELS:
            remarks += len(body)
            late = late or remarks > _REMARK_BYTES or not _is_remark(kind, body)
        before = kind
    if ihdr is None or not pixel_bytes:
        raise UnusableImage(Reason.CORRUPT, "PNG without image data")
    over_profile, under_profile = png_color.stated(colors)
    return Coding(
        channels=_COLOUR_TYPES[ihdr[3]][1],
        bits=ihdr[2],
        late=late,
        sides=ihdr[:2],
        over_profile=over_profile,
        under_profile=under_profile,
    )


def without_metadata(data: memoryview) -> bytes:
    """Return the PNG with only the chunks that define its pixels; others may stop a reader."""
    kept = [(kind, body) for kind, body in _chunks(data, Verify.HEADER) if kind in _PICTURE]
    return SIGNATURE + b"".join(
        _CHUNK.pack(len(body), kind) + body + _CRC.pack(zlib_ng.crc32(body, zlib_ng.crc32(kind)))
        for kind, body in kept
    )


def check_png_pixels(data: memoryview) -> None:
    """Unpack the image data and count its bytes: Pillow fills what is missing with black.

    The later frames of an animation are not checked.

    Raises:
        UnusableImage: UNDECODABLE if the data is damaged or too short.
    """
    _, ihdr = next(_chunks(data, Verify.HEADER))
    missing = _raw_bytes(_IHDR.unpack(ihdr))
    try:
        for unpacked in _unpacked(data):
            missing -= unpacked
            if missing < -_SURPLUS:
                detail = "PNG's image data continues after its last line"
                raise UnusableImage(Reason.UNDECODABLE, detail)
    except zlib.error as error:
        raise UnusableImage(Reason.UNDECODABLE, f"PNG's image data: {error}") from error
    if missing > 0:
        raise UnusableImage(
            Reason.UNDECODABLE, f"PNG lacks {counted(missing, 'byte')} of its image data"
        )


def _unpacked(data: memoryview) -> Iterator[int]:
    """Yield how many bytes each part of the image data unpacks to, up to the end of the stream."""
    unpacker = zlib.decompressobj()
    for kind, body in _chunks(data, Verify.HEADER):
        for start in range(0, len(body) if kind == b"IDAT" else 0, _PACKED_AT_ONCE):
            packed: bytes | memoryview = body[start : start + _PACKED_AT_ONCE]
            while packed and not unpacker.eof:
                yield len(unpacker.decompress(packed, _INFLATED_AT_ONCE))
                packed = unpacker.unconsumed_tail
            if unpacker.eof:
                return
    yield len(unpacker.flush())  # some bytes at most: all that was packed has been taken


def _chunks(data: memoryview, verify: Verify) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the type and body of each chunk, up to IEND."""
    position = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        kind, body, position = _next_chunk(data, position, verify)
        yield kind, body
        if kind == b"IEND":
            return
    raise UnusableImage(Reason.CORRUPT, f"PNG of more than {_MOST_CHUNKS} chunks")


def _next_chunk(data: memoryview, start: int, verify: Verify) -> tuple[bytes, memoryview, int]:
    """Return the type and body of the chunk at `start`, and where the next one begins."""
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
        if zlib_ng.crc32(data[body_start - len(kind) : end - _CRC.size]) != expected:
            raise UnusableImage(Reason.CORRUPT, f"wrong CRC in PNG's {kind.decode()} chunk")
    return kind, body, end


def _read_ihdr(kind: bytes, body: memoryview) -> tuple[int, int, int, int, int, int, int]:
    if kind != b"IHDR" or len(body) != _IHDR_LENGTH:
        raise UnusableImage(Reason.CORRUPT, "PNG does not start with IHDR")
    width, height, bits, colour_type, packing, filtering, interlacing = _IHDR.unpack(body)
    _, _, possible_bits = _COLOUR_TYPES.get(colour_type, (0, 0, set[int]()))
    if bits not in possible_bits or packing or filtering or interlacing > 1:
        raise UnusableImage(Reason.CORRUPT, f"PNG with an invalid header: {tuple(body[8:])}")
    return width, height, bits, colour_type, packing, filtering, interlacing


def _raw_bytes(ihdr: tuple[int, ...]) -> int:
    """Return the size of the unpacked image data: one filter byte and the pixels for each line."""
    width, height, bits, colour_type, *_, interlaced = ihdr
    pixel_bits = bits * _COLOUR_TYPES[colour_type][0]
    total = 0
    for x, y, step_x, step_y in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, lines = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if columns > 0 and lines > 0:
            total += lines * (1 + -(-columns * pixel_bits // 8))
    return total
