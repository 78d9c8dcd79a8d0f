"""Repairs JPEGs that break the standard between their segments but have all their pixels.

Some phones omit the end marker where they append something; some programs leave bytes between
segments. Decoders ignore both. The repaired copy has neither, so that a strict decoder can check
whether the image is complete.
"""

import re

from mico_150k.core.errors import UnusableImage
from mico_150k.images import jpeg

# What is appended in place of the end marker, by its first bytes: another JPEG (several images in
# one file), a film (motion photos), or Samsung's blocks (type, length of a name, the name), whose
# directory ends the file.
_TRAILER = re.compile(rb"\xff\xd8\xff|\0[\s\S]{3}ftyp[\w ]{4}")
_SAMSUNG = re.compile(rb"\0\0[\s\S]{2}[\x01-\x40]\0\0\0[A-Z][A-Za-z_]{3}")
_SAMSUNG_END = b"SEFT"
_NEXT_MARKER = re.compile(rb"\xff+[\x01\xc0-\xcf\xd9-\xfe]")
_MOST_JUNK = 16
"""Places of it: a file of more is something else."""


def mended(data: memoryview) -> bytes | None:
    """Return the JPEG without junk and with an end marker; None if it cannot be repaired."""
    found = _without_junk(data)
    if found is not None:
        return found
    scan = _first_scan(data)
    pattern = _SAMSUNG if data[-len(_SAMSUNG_END) :] == _SAMSUNG_END else _TRAILER
    trailer = pattern.search(data, scan) if scan else None
    if trailer is None:
        return None
    return _without_junk(memoryview(bytes(data[: trailer.start()]) + jpeg.END))


def _without_junk(data: memoryview) -> bytes | None:
    """Return only the JPEG's segments; None if they do not lead to an end marker."""
    for _ in range(_MOST_JUNK):
        junk = _first_junk(data)
        if junk is None:
            return bytes(data)
        following = _NEXT_MARKER.search(data, junk) if junk else None
        if following is None:
            return None
        data = memoryview(b"".join((data[:junk], data[following.start() :])))
    return None


def _first_junk(data: memoryview) -> int | None:
    """Return the position of the first junk; None if there is none, 0 for other damage."""
    try:
        for _ in jpeg.segments(data):
            pass
    except jpeg.NoMarker as error:
        return error.position
    except UnusableImage:
        return 0
    return None


def _first_scan(data: memoryview) -> int:
    """Return the position of the first scan's coded data; 0 if there is none."""
    try:
        return next(end for marker, _, _, end in jpeg.segments(data) if marker == jpeg.SOS)
    except (StopIteration, UnusableImage):
        return 0
