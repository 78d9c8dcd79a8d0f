"""Says what a thing is that cannot be read: by a file's first bytes, its name, or a path's form.

What it says is part of a sentence, with the way out.
"""

import re
from codecs import BOM_UTF8
from dataclasses import dataclass

HEAD_BYTES = 512
"""So many of a file's first bytes tell all of the kinds below: tar says it after 257."""

PARQUET, JSON = "Parquet", "JSON"

_IMAGE = "convert it to JPEG, PNG or WebP"
_UNPACK = "unpack it, and name the folder of what is in it"
TO_PARQUET = "`datasets.load_from_disk(FOLDER).to_parquet(FILE)` writes what can be read"

_BY_START: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "Git LFS",
        "a Git LFS pointer in the file's place: `git lfs pull` fetches the file",
    ),
    (b"PAR1", PARQUET, "a Parquet file: let its name end in .parquet"),
    (b"ARROW1", "Arrow", f"an Arrow file: {TO_PARQUET}"),
    (b"\xff\xff\xff\xff", "Arrow", f"an Arrow stream, as `save_to_disk` writes: {TO_PARQUET}"),
    (b"\x89PNG\r\n", "PNG", "a PNG image"),
    (b"\xff\xd8\xff", "JPEG", "a JPEG image"),
    (b"GIF8", "GIF", "a GIF image"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL", f"a JPEG XL image: {_IMAGE}"),
    (b"\xff\x0a", "JPEG XL", f"a JPEG XL image: {_IMAGE}"),
    (b"%PDF", "PDF", f"a PDF document: {_IMAGE}"),
    (b"8BPS", "Photoshop", f"a Photoshop file: {_IMAGE}"),
    (b"PK\x03\x04", "ZIP", f"a ZIP archive: {_UNPACK}"),
    (b"\x1f\x8b", "gzip", "compressed by gzip: unpack it with gunzip or tar"),
    (b"BZh", "bzip2", "compressed by bzip2: unpack it"),
    (b"\xfd7zXZ", "xz", "compressed by xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "Zstandard", "compressed by Zstandard: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", f"a 7-Zip archive: {_UNPACK}"),
    (b"Rar!", "RAR", f"a RAR archive: {_UNPACK}"),
    (b"\x89HDF", "HDF5", "an HDF5 file: write its rows as Parquet or JSON lines"),
    (b"\x93NUMPY", "NumPy", "a NumPy array: write its rows as Parquet or JSON lines"),
    (b"SQLite format 3", "SQLite", "an SQLite database: write its rows as Parquet or JSON lines"),
)

_WEBP, _TAR = re.compile(b"RIFF.{4}WEBP", re.DOTALL), re.compile(b".{257}ustar", re.DOTALL)
_HEIC = re.compile(b".{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)", re.DOTALL)
_AVIF = re.compile(b".{4}ftypavi[fs]", re.DOTALL)
_VIDEO = re.compile(b".{4}ftyp", re.DOTALL)
_AHEAD = rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?"
_HTML = re.compile(_AHEAD + rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_REFUSAL = re.compile(_AHEAD + rb"<Error>", re.DOTALL)
_SVG = re.compile(_AHEAD + rb"<svg\b", re.DOTALL)
_JSON = re.compile(rb"\s*(?:\[\s*[\[{]|\{\s*[\"}])")

_BY_FORM: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (_HEIC, "HEIC", f"a HEIC image, whatever its name says: {_IMAGE}"),
    (_AVIF, "AVIF", f"an AVIF image, whatever its name says: {_IMAGE}"),
    (_VIDEO, "MP4", "a video"),
    (_WEBP, "WebP", "a WebP image"),
    (_TAR, "tar", f"a tar archive: {_UNPACK}"),
    (_HTML, "HTML", "an HTML page, such as a login or an error, in the file's place"),
    (_REFUSAL, "XML", "a storage service's error message in the file's place"),
    (_SVG, "SVG", f"an SVG drawing: {_IMAGE}"),
    (_JSON, JSON, "JSON text: let its name end in .json or .jsonl"),
    (re.compile(rb"\0+\Z"), "zeros", "nothing but zeros, as a broken download leaves"),
)


def recognize(head: bytes, expected: str = "") -> str:
    """What a file is by its first `HEAD_BYTES`; "" if unknown, or what was `expected` of it.

    >>> recognize(b"version https://git-lfs.github.com/spec/v1")
    "a Git LFS pointer in the file's place: `git lfs pull` fetches the file"
    """
    if not head:
        return "empty"
    for start, kind, what in _BY_START:
        if head.startswith(start):
            return "" if kind == expected else what
    text = head.removeprefix(BOM_UTF8)
    for form, kind, what in _BY_FORM:
        if form.match(text):
            return "" if kind == expected else what
    return ""


@dataclass(frozen=True, slots=True)
class Kind:
    """Files that no source is made of: what one is called, what several are, and the way out."""

    one: str
    several: str
    advice: str


_BY_ENDING: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (
        (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"),
        Kind(
            "a tar archive, such as a shard of WebDataset",
            "tar archives, such as WebDataset's shards",
            "unpack, and write a manifest of the images' paths",
        ),
    ),
    (
        (".csv", ".tsv", ".xlsx"),
        Kind("a table", "tables (.csv)", "write its rows as JSON lines, an object a line"),
    ),
    ((".arrow",), Kind("an Arrow file", "Arrow files", TO_PARQUET)),
    (
        (".zip", ".7z", ".rar", ".gz", ".xz", ".bz2", ".zst"),
        Kind("an archive", "archives", "unpack, and name the folder of what was in it"),
    ),
    (
        (".tfrecord", ".mdb", ".npz", ".npy", ".pkl", ".h5", ".beton", ".mds"),
        Kind("another library's data", "files of another library", "write the rows as Parquet"),
    ),
    (
        (".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".bmp", ".gif", ".tif", ".tiff"),
        Kind(
            "an image",
            "images",
            "a manifest (JSON lines of input_images, output_image and instruction) has to say "
            "which belong together",
        ),
    ),
)


def recognize_name(name: str) -> Kind | None:
    """What a file with such a name is, if that is known and no source's.

    >>> recognize_name("shards/00000.tar").several
    "tar archives, such as WebDataset's shards"
    """
    return next((kind for endings, kind in _BY_ENDING if name.lower().endswith(endings)), None)


_URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+):/{1,3}\S")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\|[^/]*\\")


def recognize_path(path: str) -> str:
    """What a text is that stands where an image's path should; "" for a path as any other.

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
