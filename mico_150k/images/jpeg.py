"""JPEG's markers (ITU-T T.81, annex B): whether a file is whole, and how it is coded."""

import re
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct

from mico_150k.core.errors import UnusableImage
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.images.header import Coding, Verify

SIGNATURE = b"\xff\xd8\xff"

_LENGTH = Struct(">H")
_FRAME = Struct(">BHHB")
END = b"\xff\xd9"
SOS, _EOI, _DQT, _DRI, _APP0, _ADOBE, _APP15, _COM, _TEM = (
    0xDA, 0xD9, 0xDB, 0xDD, 0xE0, 0xEE, 0xEF, 0xFE, 0x01,
)  # fmt: skip
_EXTENSIONS = range(0xF0, 0xFE)  # of later parts of the standard; no decoder takes them
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # DHT, JPG and DAC are no frames
_PLAIN_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive, with Huffman coding
_LOSSLESS_FRAMES = {0xC3, 0xC7, 0xCB, 0xCF}  # they quantize nothing
_FIRST_RESERVED, _LAST_RESERVED = 0x02, 0xBF
_CHANNELS = {1, 3, 4}
_COMPONENT_BYTES = 3
_TABLE_VALUES = 64
_MOST_SEGMENTS = 10_000
"""A profile and an XMP of the largest size have hundreds. Pillow holds each in memory."""
_MOST_SCANS = 500
"""What libjpeg-turbo's own fuzz targets allow: of a few bytes, each takes time for all pixels."""

# What ends a scan's coded data: a marker that is neither a stuffed zero nor a restart.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class NoMarker(UnusableImage):
    """Something else stands where a marker must."""

    def __init__(self, position: int) -> None:
        """`position` is its first byte."""
        super().__init__(Reason.CORRUPT, f"no JPEG marker at byte {position}")
        self.position = position


def read_jpeg(data: memoryview, verify: Verify) -> Coding:
    """Walk a JPEG's segments to the end of the image.

    Changed bytes within a scan decode to other pixels and break no structure, unless they form a
    marker.

    Args:
        data: The whole file.
        verify: With `Verify.HEADER` the walk ends at the first scan.

    Raises:
        UnusableImage: TRUNCATED if the end of the image is missing; CORRUPT if a marker is missing
            where one must be, or a table that decoding needs is absent.
    """
    frame: memoryview | None = None
    frame_marker = scans = 0
    tables: set[int] = set()
    for marker, body, _, _ in segments(data):
        if marker in _FRAMES:
            if frame is not None:
                raise UnusableImage(Reason.CORRUPT, "JPEG with a second frame")
            frame, frame_marker = body, marker
            _check_frame(body)
        elif marker == _DQT:
            tables.update(_tables(body))
        elif marker in _EXTENSIONS or (marker == _DRI and len(body) != _LENGTH.size):
            raise UnusableImage(Reason.CORRUPT, f"JPEG with an invalid segment {marker:X}")
        elif marker == SOS:
            if frame is None:
                raise UnusableImage(Reason.CORRUPT, "JPEG scan before its frame")
            if not scans and frame_marker not in _LOSSLESS_FRAMES:
                _check_tables(frame, tables)
            scans += 1
            _check_scans(scans)
            if verify is Verify.HEADER:
                break
    if frame is None or not scans:
        raise UnusableImage(Reason.CORRUPT, "JPEG without image data")
    bits, height, width, _ = _FRAME.unpack_from(frame)
    return Coding(bits=bits, plain=frame_marker in _PLAIN_FRAMES, sides=(width, height))


def check_scans(data: memoryview) -> None:
    """Raise `UnusableImage` for a JPEG with too many scans, which would take minutes to decode."""
    scans = 0
    with suppress(UnusableImage):
        for marker, _, _, _ in segments(data):
            scans += marker == SOS
            if scans > _MOST_SCANS:
                break
    _check_scans(scans)


def _check_scans(scans: int) -> None:
    if scans > _MOST_SCANS:
        raise UnusableImage(Reason.UNDECODABLE, f"JPEG of more than {_MOST_SCANS} scans")


def without_metadata(data: memoryview) -> bytes:
    """Return the JPEG without comments and application segments, which may stop a reader.

    Adobe's segment stays: it says what the channels are.
    """
    kept = [SIGNATURE[:2]]
    for marker, _, start, end in segments(data):
        if marker != _COM and (marker == _ADOBE or not _APP0 <= marker <= _APP15):
            kept.append(bytes(data[start:end]))
    return b"".join(kept)


def segments(data: memoryview) -> Iterator[tuple[int, memoryview, int, int]]:
    """Yield each segment up to the end of the image; a scan includes its coded data.

    Yields:
        The marker, the segment's body, and the positions where the segment starts and ends.
    """
    start = 2
    for _ in range(_MOST_SEGMENTS):
        marker, position = _marker(data, start)
        body, end = data[:0], position
        if marker not in _RESTARTS and marker not in {_EOI, _TEM}:
            body, end = _segment(data, position)
        if marker == SOS:
            # Yield at once, before the next marker is read: the caller may want the header only.
            yield marker, body, start, end
            scan_end = _end_of_scan(data, end)
            yield _SCAN, data[end:scan_end], end, scan_end
            start = scan_end
            continue
        yield marker, body, start, end
        if marker == _EOI:
            _refuse_second_end(data[end:])
            return
        start = end
    raise UnusableImage(Reason.CORRUPT, f"JPEG of more than {_MOST_SEGMENTS} segments")


_SCAN = -1
"""In place of a marker: a scan's coded data."""


def _check_frame(frame: memoryview) -> None:
    channels = frame[5] if len(frame) >= _FRAME.size else 0
    if channels not in _CHANNELS or len(frame) != _FRAME.size + channels * _COMPONENT_BYTES:
        detail = f"JPEG with a broken frame, or of {counted(channels, 'channel')}"
        raise UnusableImage(Reason.CORRUPT, detail)


def _tables(body: memoryview) -> Iterator[int]:
    """Yield the numbers of the quantization tables in a segment."""
    position = 0
    while position < len(body):
        width, number = 1 + (body[position] >> 4), body[position] & 0x0F
        position += 1 + width * _TABLE_VALUES
        if position > len(body):
            raise UnusableImage(Reason.CORRUPT, "JPEG with a broken quantization table")
        yield number


def _check_tables(frame: memoryview, tables: set[int]) -> None:
    wanted = frame[_FRAME.size + 2 :: _COMPONENT_BYTES]
    if not tables.issuperset(wanted):
        raise UnusableImage(Reason.CORRUPT, "JPEG without a quantization table that it needs")


def _refuse_second_end(rest: memoryview) -> None:
    """Refuse a second end marker after the end: a changed byte has cut the scan short.

    Cameras append zeros, a video or another image, none of which starts like a scan.
    """
    after = bytes(rest)
    if after.rstrip(b"\0").endswith(END) and after.strip(END + b"\0") and SIGNATURE not in after:
        raise UnusableImage(
            Reason.CORRUPT, "JPEG with an end-of-image marker within its image data"
        )


def _marker(data: memoryview, position: int) -> tuple[int, int]:
    """Return the marker at `position`, after any fill bytes, and where it ends."""
    start = position
    while position < len(data) and data[position] == 0xFF:  # noqa: PLR2004 - every marker's first byte
        position += 1
    if position >= len(data):
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends before its end-of-image marker")
    marker = data[position]
    if position == start or marker == 0 or _FIRST_RESERVED <= marker <= _LAST_RESERVED:
        raise NoMarker(start)
    return marker, position + 1


def _segment(data: memoryview, position: int) -> tuple[memoryview, int]:
    """Return the segment's body after its length, and where it ends."""
    if position + _LENGTH.size > len(data):
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends within a segment")
    end = position + _LENGTH.unpack_from(data, position)[0]
    if end < position + _LENGTH.size:
        raise UnusableImage(Reason.CORRUPT, f"JPEG segment without a length at byte {position}")
    if end > len(data):
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends within a segment")
    return data[position + _LENGTH.size : end], end


def _end_of_scan(data: memoryview, position: int) -> int:
    """Return the position of the marker that ends the scan."""
    found = _END_OF_SCAN.search(data, position)
    if not found:
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends within its image data")
    return found.start()
