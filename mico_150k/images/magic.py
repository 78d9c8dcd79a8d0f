"""What bytes are, by how they begin: for messages about what is no image, or none that is read.

This names a thing and decides nothing: whether an image is read is decided by who reads it.
"""

import re

NAMED_BYTES = 4096
"""Of the beginning; more is not looked at."""

TEXT = "text"
"""The name of what is UTF-8, and nothing else that is known."""

# Longer beginnings go before those that they contain.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "a Photoshop file"),
    (b"qoif", "QOI"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"DDS ", "DDS"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow IPC"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"BZh", "bzip2 data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x1aE\xdf\xa3", "a video (Matroska)"),
    (b"\x7fELF", "a program"),
)
_RIFF_KINDS = {b"WEBP": "WebP", b"AVI ": "a video (AVI)", b"WAVE": "a sound (WAV)"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"mif1", b"msf1", b"mif2"}
_LONGEST_BRANDS = 256
_TAR_MAGIC, _TAR_PLACE = b"ustar", 257
_NETPBM = re.compile(rb"P[1-7][ \t\r\n]")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|script)\b", re.IGNORECASE)
_SVG = re.compile(rb"<(?:[a-z]+:)?svg[\s>]", re.IGNORECASE)
_TEXTS = (
    (re.compile(rb"data:[\w.+/-]*[;,]", re.IGNORECASE), "a data URI"),
    (re.compile(rb"(?:https?|ftp|s3|gs|hf|file)://", re.IGNORECASE), "a URL"),
    (re.compile(rb"[{\[]"), "JSON"),
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}\s*")
_BASE64_BEGINNINGS = {
    b"/9j/": "JPEG", b"iVBORw0KGgo": "PNG", b"UklGR": "WebP", b"R0lGOD": "GIF",
}  # fmt: skip
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\f\r\x1b"})


def name_of(data: bytes) -> str:
    r"""What a file or a cell is that begins with these bytes: a phrase such as "HEIC" or "HTML".

    The first `NAMED_BYTES` are enough. "" where nothing is known that begins so.

    >>> name_of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    'HEIC'
    """
    start = bytes(data[:NAMED_BYTES])
    return _of_beginning(start) or _of_structure(start) or _of_text(start)


def _of_beginning(start: bytes) -> str:
    return next((name for beginning, name in _BEGINNINGS if start.startswith(beginning)), "")


def _of_structure(start: bytes) -> str:
    if start[4:8] == b"ftyp":
        return _of_brands(start)
    if start.startswith(b"RIFF"):
        return _RIFF_KINDS.get(start[8:12], "")
    if _NETPBM.match(start):
        return "PPM"
    if start[_TAR_PLACE : _TAR_PLACE + len(_TAR_MAGIC)] == _TAR_MAGIC:
        return "a tar archive"
    return "nothing but zeros" if start and not start.strip(b"\0") else ""


def _of_brands(start: bytes) -> str:
    """Of a file in ISO's base media format: HEIC, AVIF, or a film."""
    end = min(int.from_bytes(start[:4], "big"), _LONGEST_BRANDS)
    brands = [start[8:12], *(start[place : place + 4] for place in range(16, end, 4))]
    for names, name in ((_HEIC_BRANDS, "HEIC"), (_AVIF_BRANDS, "AVIF"), (_HEIF_BRANDS, "HEIF")):
        if not names.isdisjoint(brands):
            return name
    if brands[0] == b"crx ":
        return "a camera's raw file"
    return "a video (QuickTime)" if brands[0] == b"qt  " else "a video (MP4)"


def _of_text(start: bytes) -> str:
    text = start
    for mark in _MARKS:
        text = text.removeprefix(mark)
    if text != start:
        text = text.replace(b"\0", b"")  # UTF-16, of plain letters
    text = text.lstrip()
    if not text or any(control in text for control in _CONTROLS):
        return ""
    if text.startswith(b"<") and (name := _of_markup(text)):
        return name
    if _BASE64.fullmatch(text):
        begun = (what for begin, what in _BASE64_BEGINNINGS.items() if text.startswith(begin))
        of = next(begun, "")
        return f"base64 text of a {of}" if of else "base64 text"
    known = next((name for pattern, name in _TEXTS if pattern.match(text)), "")
    return known or (TEXT if _is_text(text) else "")


def _of_markup(text: bytes) -> str:
    if _HTML.match(text):
        return "HTML"
    prolog = text.startswith((b"<?xml", b"<!--", b"<!DOCTYPE"))
    if _SVG.match(text) or (prolog and _SVG.search(text)):
        return "SVG"
    if prolog:
        return "HTML" if _HTML.search(text) else "XML"
    return ""


def _is_text(text: bytes) -> bool:
    """Whether it is UTF-8, but for a character that is cut at the end."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True
