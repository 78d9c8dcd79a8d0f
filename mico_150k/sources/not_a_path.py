"""Texts that stand where a path should, and are none: images as base64, data URIs, whole novels.

They are told from their length and their first characters, before a file system sees them.
"""

import re

MOST_CHARACTERS = 4096
"""Of a path: what Linux takes. Windows and macOS take less."""

_DATA_URI = re.compile(r"\s{0,8}data:[\w.+-]*/?[\w.+-]*[;,]", re.IGNORECASE)
_BASE64 = re.compile(
    r"\s{0,8}(/9j/|iVBORw0KGgo|UklGR|R0lGOD|Qk0|SUkq|TU0AK)[A-Za-z0-9+/\r\n]{40,}={0,2}\s*"
)
"""How JPEG, PNG, WebP, GIF, BMP and TIFF begin in base64."""


def not_a_path(text: str) -> str:
    """What a text is that cannot be a path, in a few words; "" for what may be one."""
    if _DATA_URI.match(text):
        return f"a data URI of {len(text)} characters"
    start = text[:MOST_CHARACTERS]
    if _BASE64.fullmatch(start):
        return f"an image as base64 text of {len(text)} characters"
    return f"a text of {len(text)} characters" if len(text) > MOST_CHARACTERS else ""
