"""JPEG by its markers (ITU-T T.81, annex B): the header, and whether the file is whole."""

import re
from struct import Struct

from mico_150k.errors import UnusableImage
from mico_150k.images.header import Header, Verify, orientation_of
from mico_150k.reason import Reason

SIGNATURE = b"\xff\xd8\xff"

_LENGTH = Struct(">H")
_FRAME = Struct(">BHHB")
_START, _END = b"\xff\xd8", b"\xff\xd9"
_SOS, _EOI, _APP1, _APP2, _TEM = 0xDA, 0xD9, 0xE1, 0xE2, 0x01
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # DHT, JPG and DAC are no frames
_PLAIN_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive, with Huffman coding
_FIRST_RESERVED, _LAST_RESERVED = 0x02, 0xBF

# What ends a scan's coded data: a marker that is neither a stuffed zero nor a restart.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def read_jpeg(data: memoryview, verify: Verify) -> Header:
    """Walk the segments to the end of image; to the first scan only if `verify` is HEADER.

    Changed bytes within a scan decode to other pixels without an error in any decoder: no
    structure shows them, unless they make a marker.

    Raises `UnusableImage`: TRUNCATED before the end of image, CORRUPT where no marker stands
    where one must.
    """
    frame: tuple[int, int, int, int] | None = None
    frame_marker = 0
    scans = 0
    orientation = 1
    profile: dict[int, bytes] = {}
    position = 2
    while True:
        marker, position = _marker(data, position)
        if marker == _EOI:
            _refuse_second_end(data[position:])
            break
        if marker == _TEM or marker in _RESTARTS:
            continue
        body, position = _segment(data, position)
        if marker in _FRAMES:
            if frame is not None or len(body) < _FRAME.size:
                raise UnusableImage(Reason.CORRUPT, "JPEG with a second or a broken frame")
            frame, frame_marker = _FRAME.unpack_from(body), marker
        elif marker == _APP1 and bytes(body[:6]) == b"Exif\0\0":
            orientation = orientation_of(body)
        elif marker == _APP2 and bytes(body[:12]) == b"ICC_PROFILE\0" and len(body) > _ICC_PREFIX:
            profile[body[12]] = bytes(body[_ICC_PREFIX:])
        elif marker == _SOS:
            if frame is None:
                raise UnusableImage(Reason.CORRUPT, "JPEG scan before its frame")
            scans += 1
            if verify is Verify.HEADER:
                break
            position = _end_of_scan(data, position)
    if frame is None or not scans:
        raise UnusableImage(Reason.CORRUPT, "JPEG without image data")
    bits, height, width, channels = frame
    return Header(
        format="JPEG",
        width=width,
        height=height,
        channels=channels,
        bits=bits,
        orientation=orientation,
        icc=b"".join(profile[part] for part in sorted(profile)),
        plain=frame_marker in _PLAIN_FRAMES,
    )


_ICC_PREFIX = 14  # "ICC_PROFILE\0", the part's number, the number of parts


def _refuse_second_end(rest: memoryview) -> None:
    """Refuse bytes after the end that end once more: a changed byte has cut the scan short.

    Cameras do append things: another picture, zeros, a film. None of these looks like that.
    """
    after = bytes(rest).lstrip(b"\0")
    if after.endswith(_END) and after.strip(_END) and not after.startswith(_START):
        raise UnusableImage(Reason.CORRUPT, "JPEG with an end-of-image marker in mid-picture")


def _marker(data: memoryview, position: int) -> tuple[int, int]:
    """The marker at `position`, after any fill bytes, and where it ends."""
    start = position
    while position < len(data) and data[position] == 0xFF:  # noqa: PLR2004 - every marker's first byte
        position += 1
    if position >= len(data):
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends before its end-of-image marker")
    marker = data[position]
    if position == start or marker == 0 or _FIRST_RESERVED <= marker <= _LAST_RESERVED:
        raise UnusableImage(Reason.CORRUPT, f"no JPEG marker at byte {start}")
    return marker, position + 1


def _segment(data: memoryview, position: int) -> tuple[memoryview, int]:
    """The segment's body after its length, and where it ends."""
    if position + _LENGTH.size > len(data):
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends within a segment")
    end = position + _LENGTH.unpack_from(data, position)[0]
    if end < position + _LENGTH.size:
        raise UnusableImage(Reason.CORRUPT, f"JPEG segment of no length at byte {position}")
    if end > len(data):
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends within a segment")
    return data[position + _LENGTH.size : end], end


def _end_of_scan(data: memoryview, position: int) -> int:
    """Where the marker that ends the scan begins."""
    found = _END_OF_SCAN.search(data, position)
    if not found:
        raise UnusableImage(Reason.TRUNCATED, "JPEG ends within its image data")
    return found.start()
