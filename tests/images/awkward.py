"""Awkward images that no library writes on request: raw PNGs and colour profiles, by the byte."""

import itertools
import struct
import zlib
from collections.abc import Sequence

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}

Pixels = Sequence[Sequence[tuple[int, ...]]]
"""Rows of pixels, each the values of its channels."""

# Adam7 (PNG specification, section 8): where each pass starts, and its steps.
_PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip


def png(
    pixels: Pixels,
    colour: int = RGB,
    bits: int = 8,
    chunks: Sequence[tuple[bytes, bytes]] = (),
    *,
    late_chunks: Sequence[tuple[bytes, bytes]] = (),
    interlaced: bool = False,
) -> bytes:
    """A PNG with these very values; `chunks` come before the image data, `late_chunks` after it."""
    height, width = len(pixels), len(pixels[0])
    if interlaced:
        reduced = (
            [list(row[x::step_x]) for row in pixels[y::step_y]] for x, y, step_x, step_y in _PASSES
        )
        raw = b"".join(_scanlines(part, bits) for part in reduced if part and part[0])
    else:
        raw = _scanlines(pixels, bits)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(raw)), *late_chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in body)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _scanlines(pixels: Pixels, bits: int) -> bytes:
    lines = []
    for row in pixels:
        values = [value for pixel in row for value in pixel]
        packed = "".join(f"{value:0{bits}b}" for value in values)
        packed += "0" * (-len(packed) % 8)
        line = int(packed, 2).to_bytes(len(packed) // 8, "big")
        lines.append(b"\0" + line)
    return b"".join(lines)


def linear_profile(*, grey: bool = False, curve: Sequence[int] = ()) -> bytes:
    """An ICC profile with sRGB's primaries and no gamma: far from sRGB, and easy to compute.

    `curve` is another one than the identity, by its 16-bit values.
    """
    curve_tag = b"curv" + bytes(4) + struct.pack(f">I{len(curve)}H", len(curve), *curve)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 7) + b"linear\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0\0\0\0",
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
    }
    if grey:
        tags[b"kTRC"] = curve_tag
    else:
        tags |= {
            b"rXYZ": _xyz(0.4360, 0.2225, 0.0139),
            b"gXYZ": _xyz(0.3851, 0.7169, 0.0971),
            b"bXYZ": _xyz(0.1431, 0.0606, 0.7139),
            b"rTRC": curve_tag,
            b"gTRC": curve_tag,
            b"bTRC": curve_tag,
        }
    return _profile(tags, b"mntr", b"GRAY" if grey else b"RGB ", b"XYZ ")


def _profile(tags: dict[bytes, bytes], device: bytes, space: bytes, connection: bytes) -> bytes:
    """An ICC profile (ICC.1:2001, section 6)."""
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, unpadded in tags.items():
        body = unpadded + bytes(-len(unpadded) % 4)
        table += name + struct.pack(">II", start + len(data), len(body))
        data += body
    size = start + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, device, space, connection)
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(4 * 7)
    header += struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    return header.ljust(128, b"\0") + table + data


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def exif(orientation: int) -> bytes:
    """A TIFF block with one entry, the orientation."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"MM\0\x2a" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def xmp(orientation: int) -> bytes:
    """An XMP packet that says how the picture is turned, as Adobe writes it."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf'
        b'-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        b'tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>' % orientation
    )


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with these segments at its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunks(webp: bytes) -> dict[bytes, bytes]:
    """A WebP's chunks, of which none comes twice."""
    chunks, position = {}, 12
    while position < len(webp):
        kind, length = struct.unpack_from("<4sI", webp, position)
        chunks[kind] = webp[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    return chunks


def extended(width: int, height: int, flags: int) -> tuple[bytes, bytes]:
    """WebP's extended header."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def ink_profile() -> bytes:
    """A CMYK profile whose paper is grey: nothing prints lighter than half."""
    corners = b"".join(
        bytes([round(128 * (1 - max(inks))), 128, 128])
        for inks in itertools.product((0, 1), repeat=4)
    )
    identity = bytes(range(256))
    table = (
        b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
        + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
        + identity * 4 + corners + identity * 3
    )  # fmt: skip
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0\0\0\0",
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
        b"A2B0": table,
    }
    return _profile(tags, b"prtr", b"CMYK", b"Lab ")
