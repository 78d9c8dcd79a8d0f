"""Names the kind of a file that cannot be read, from its first bytes, its name or its path.

It only names kinds, with advice where there is any; the caller decides what to read.
"""

import re
from dataclasses import dataclass

from mico_150k.core.plural import counted

HEAD_BYTES = 4096
"""The number of first bytes that identify every kind."""

TO_PARQUET = "`datasets.load_from_disk(FOLDER).to_parquet(FILE)` converts it"
_TO_IMAGE = "convert it to JPEG, PNG or WebP"
_TO_ROWS = "write its rows as Parquet or JSON lines"
_UNPACK = "unpack it"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file as a phrase, and advice about it; both are "" if unknown."""

    name: str
    advice: str = ""


NOTHING_KNOWN = Kind("")
EMPTY = Kind("empty")
TEXT = Kind("text")
"""UTF-8 text of no other known kind."""
PARQUET = Kind("a Parquet file")
JSON = Kind("JSON text")
_RENAME = {
    PARQUET: "let its name end in .parquet",
    JSON: "let its name end in .json or .jsonl",
}
"""Advice that applies only to files of a source."""

# A longer prefix comes before the shorter ones that it contains.
_BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", Kind("PNG")),
    (b"\xff\xd8\xff", Kind("JPEG")),
    (b"GIF87a", Kind("GIF")),
    (b"GIF89a", Kind("GIF")),
    (b"BM", Kind("BMP")),
    (b"II*\0", Kind("TIFF")),
    (b"MM\0*", Kind("TIFF")),
    (b"II+\0", Kind("BigTIFF", _TO_IMAGE)),
    (b"MM\0+", Kind("BigTIFF", _TO_IMAGE)),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind("JPEG 2000")),
    (b"\xff\x4f\xff\x51", Kind("JPEG 2000")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Kind("JPEG XL", _TO_IMAGE)),
    (b"\xff\x0a", Kind("JPEG XL", _TO_IMAGE)),
    (b"8BPS", Kind("a Photoshop file", _TO_IMAGE)),
    (b"qoif", Kind("QOI", _TO_IMAGE)),
    (b"v/1\x01", Kind("OpenEXR", _TO_IMAGE)),
    (b"#?RADIANCE", Kind("Radiance HDR", _TO_IMAGE)),
    (b"\0\0\1\0", Kind("an icon (ICO)", _TO_IMAGE)),
    (b"DDS ", Kind("DDS", _TO_IMAGE)),
    (b"%PDF-", Kind("PDF", _TO_IMAGE)),
    (b"%!PS", Kind("PostScript", _TO_IMAGE)),
    (b"\xc5\xd0\xd3\xc6", Kind("PostScript", _TO_IMAGE)),
    (b"version https://git-lfs", Kind("a Git LFS pointer", "`git lfs pull` fetches the file")),
    (b"PAR1", PARQUET),
    (b"ARROW1", Kind("an Arrow file", TO_PARQUET)),
    (b"\xff\xff\xff\xff", Kind("an Arrow stream, as `save_to_disk` writes", TO_PARQUET)),
    (b"PK\x03\x04", Kind("a ZIP archive", _UNPACK)),
    (b"PK\x05\x06", Kind("a ZIP archive", _UNPACK)),
    (b"\x1f\x8b", Kind("gzip data", "unpack it with gunzip or tar")),
    (b"\x28\xb5\x2f\xfd", Kind("Zstandard data", "unpack it")),
    (b"\xfd7zXZ\0", Kind("xz data", "unpack it")),
    (b"BZh", Kind("bzip2 data", "unpack it")),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (b"\x93NUMPY", Kind("a NumPy array", _TO_ROWS)),
    (b"\x89HDF\r\n\x1a\n", Kind("HDF5", _TO_ROWS)),
    (b"SQLite format 3\0", Kind("an SQLite database", _TO_ROWS)),
    (b"\x1aE\xdf\xa3", Kind("a video (Matroska)")),
    (b"\x7fELF", Kind("a program")),
)
_RIFF_KINDS = {
    b"WEBP": Kind("WebP"),
    b"AVI ": Kind("a video (AVI)"),
    b"WAVE": Kind("a sound (WAV)"),
}
_BRANDS = (
    ({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}, "HEIC"),
    ({b"avif", b"avis"}, "AVIF"),
    ({b"mif1", b"msf1", b"mif2"}, "HEIF"),
    ({b"crx "}, "a camera's raw file"),
)
_LONGEST_BRANDS = 256
_TAR_MAGIC, _TAR_PLACE = b"ustar", 257
_NETPBM = re.compile(rb"P[1-7][ \t\r\n]")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|script)\b", re.IGNORECASE)
_SVG = re.compile(rb"<(?:[a-z]+:)?svg[\s>]", re.IGNORECASE)
_REFUSAL = re.compile(rb"<Error>")
_TEXTS = (
    (re.compile(rb"data:[\w.+/-]*[;,]", re.IGNORECASE), Kind("a data URI")),
    (re.compile(rb"(?:https?|ftp|s3|gs|hf|file)://", re.IGNORECASE), Kind("a URL")),
    (re.compile(rb"[{\[]"), JSON),
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{64}[A-Za-z0-9+/_\r\n-]*={0,2}\s*")
_BASE64_IMAGES = {
    "/9j/": "JPEG", "iVBORw0KGgo": "PNG", "UklGR": "WebP", "R0lGOD": "GIF", "Qk0": "BMP",
    "SUkq": "TIFF", "TU0AK": "TIFF",
}  # fmt: skip
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\f\r\x1b"})


def recognize(data: bytes) -> Kind:
    r"""Return the kind of a file or cell from its first bytes; `HEAD_BYTES` of them are enough.

    >>> recognize(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").name
    'HEIC'
    """
    start = bytes(data[:HEAD_BYTES])
    return _by_beginning(start) or _by_structure(start) or _by_text(start) or NOTHING_KNOWN


def describe_file(head: bytes, expected: Kind) -> str:
    """Return what a source's file is instead of the `expected` kind, with advice; "" if it is that.

    >>> describe_file(b"version https://git-lfs.github.com/spec/v1", JSON)
    'a Git LFS pointer: `git lfs pull` fetches the file'
    """
    kind = recognize(head) if head else EMPTY
    if kind in {expected, TEXT}:
        return ""
    advice = kind.advice or _RENAME.get(kind, "")
    return f"{kind.name}: {advice}" if advice else kind.name


def _by_beginning(start: bytes) -> Kind | None:
    return next((kind for beginning, kind in _BEGINNINGS if start.startswith(beginning)), None)


def _by_structure(start: bytes) -> Kind | None:
    if start[4:8] == b"ftyp":
        return _by_brands(start)
    if start.startswith(b"RIFF"):
        return _RIFF_KINDS.get(start[8:12])
    if _NETPBM.match(start):
        return Kind("PPM")
    if start[_TAR_PLACE : _TAR_PLACE + len(_TAR_MAGIC)] == _TAR_MAGIC:
        return Kind("a tar archive", _UNPACK)
    return (
        Kind("only zero bytes", "download it again") if start and not start.strip(b"\0") else None
    )


def _by_brands(start: bytes) -> Kind:
    """Return the kind of a file in ISO's base media format: HEIC, AVIF, or a video."""
    end = min(int.from_bytes(start[:4], "big"), _LONGEST_BRANDS)
    brands = [start[8:12], *(start[place : place + 4] for place in range(16, end, 4))]
    for names, name in _BRANDS:
        if not names.isdisjoint(brands):
            return Kind(name, _TO_IMAGE)
    return Kind("a video (QuickTime)" if brands[0] == b"qt  " else "a video (MP4)")


def _by_text(start: bytes) -> Kind | None:
    text = start
    for mark in _MARKS:
        text = text.removeprefix(mark)
    if text != start:
        text = text.replace(b"\0", b"")  # UTF-16, of plain letters
    text = text.lstrip()
    if not text or any(control in text for control in _CONTROLS):
        return None
    if text.startswith(b"<") and (kind := _by_markup(text)):
        return kind
    if _BASE64.fullmatch(text):
        begun = (name for begin, name in _BASE64_IMAGES.items() if text.startswith(begin.encode()))
        of = next(begun, "")
        return Kind(f"base64 text of a {of}" if of else "base64 text")
    known = next((kind for pattern, kind in _TEXTS if pattern.match(text)), None)
    return known or (TEXT if _is_text(text) else None)


def _by_markup(text: bytes) -> Kind | None:
    prolog = text.startswith((b"<?xml", b"<!--", b"<!DOCTYPE"))
    if _SVG.match(text) or (prolog and not _HTML.match(text) and _SVG.search(text)):
        return Kind("SVG", _TO_IMAGE)
    if _HTML.match(text) or (prolog and _HTML.search(text)):
        return Kind("HTML", "a page (a login or an error) instead of the file")
    if _REFUSAL.match(text) or (prolog and _REFUSAL.search(text)):
        return Kind("XML", "a storage service's error message instead of the file")
    return Kind("XML") if prolog else None


def _is_text(text: bytes) -> bool:
    """Whether the data is UTF-8, apart from a character that is cut at the end."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


@dataclass(frozen=True, slots=True)
class NamedKind:
    """A kind of file that no source consists of: its singular, its plural, and advice."""

    one: str
    several: str
    advice: str


_BY_ENDING: tuple[tuple[tuple[str, ...], NamedKind], ...] = (
    (
        (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"),
        NamedKind(
            "a tar archive, such as a shard of WebDataset",
            "tar archives, such as WebDataset's shards",
            "unpack, and write a manifest of the images' paths",
        ),
    ),
    (
        (".csv", ".tsv", ".xlsx"),
        NamedKind("a table", "tables (.csv)", "write its rows as JSON lines, one object per line"),
    ),
    ((".arrow",), NamedKind("an Arrow file", "Arrow files", TO_PARQUET)),
    (
        (".zip", ".7z", ".rar", ".gz", ".xz", ".bz2", ".zst"),
        NamedKind("an archive", "archives", "unpack it and name the folder"),
    ),
    (
        (".tfrecord", ".mdb", ".npz", ".npy", ".pkl", ".h5", ".beton", ".mds"),
        NamedKind(
            "another library's data", "files of another library", "write the rows as Parquet"
        ),
    ),
    (
        (".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".bmp", ".gif", ".tif", ".tiff"),
        NamedKind(
            "an image",
            "images",
            "a manifest (JSON lines of input_images, output_image and instruction) must say "
            "which images belong together",
        ),
    ),
)


def recognize_name(name: str) -> NamedKind | None:
    """Return the kind of a file with this name; None if it is unknown or a source's.

    >>> recognize_name("shards/00000.tar").several
    "tar archives, such as WebDataset's shards"
    """
    return next((kind for endings, kind in _BY_ENDING if name.lower().endswith(endings)), None)


LONGEST_PATH = 4096
"""The most characters of a path on Linux; Windows and macOS allow fewer."""
_DATA_URI = re.compile(r"\s{0,8}data:[\w.+-]*/?[\w.+-]*[;,]", re.IGNORECASE)
_BASE64_IMAGE = re.compile(
    rf"\s{{0,8}}(?:{'|'.join(_BASE64_IMAGES)})[A-Za-z0-9+/\r\n]{{40,}}={{0,2}}\s*"
)
_URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+):/{1,3}\S")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\|[^/]*\\")


def not_a_path(text: str) -> str:
    """Return what a text is if it cannot be a path, as a phrase; "" if it can be one.

    Only its length and first characters are checked; no file system sees it.
    """
    if _DATA_URI.match(text):
        return f"a data URI of {counted(len(text), 'character')}"
    if _BASE64_IMAGE.fullmatch(text[:LONGEST_PATH]):
        return f"an image as base64 text of {counted(len(text), 'character')}"
    if len(text) > LONGEST_PATH:
        return f"a text of {counted(len(text), 'character')}, too long for a path"
    return ""


def recognize_path(path: str) -> str:
    """Return what a path without a file is, with advice; "" for an ordinary path.

    >>> recognize_path("https://example.org/a.png").partition(":")[0]
    'a URL'
    """
    if url := _URL.match(path):
        if url["protocol"].lower() == "file":
            return "a `file://` URL: write the path alone, relative to the manifest"
        if len(url["protocol"]) > 1:
            return "a URL: download the images, and write their paths"
    if _WINDOWS.match(path):
        return "a Windows path: write it with `/`, relative to the manifest"
    return ""
