"""What an image's header says: `read_header` knows the format by the bytes, never by a name."""

import warnings
from dataclasses import dataclass
from enum import Enum

from PIL import Image

from mico_150k.sample import Buffer


class Verify(str, Enum):
    """How much of an image is looked at before it is believed."""

    HEADER = "header"
    """Its header alone: the fast way, for data that was checked before."""
    STRUCTURE = "structure"
    """Header, checksums and end: catches every truncation and, in PNG, every changed byte."""
    DECODE = "decode"
    """Structure, then every pixel decoded: hundreds of times slower."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Header:
    """What decides whether trainers agree on a picture. Sides are pixels as stored.

    `channels` are colour channels without alpha: 1 grey, 3 RGB, 4 CMYK. `bits` are bits a
    channel. `orientation` is EXIF's, 1 where none is given. `icc` is the embedded colour
    profile, b"" where there is none. `plain` is False for a coding that not every decoder
    knows (lossless or arithmetic JPEG, any format besides JPEG, PNG and WebP).
    """

    format: str
    width: int
    height: int
    channels: int = 3
    bits: int = 8
    palette: bool = False
    alpha: bool = False
    animated: bool = False
    orientation: int = 1
    icc: bytes = b""
    plain: bool = True


def orientation_of(exif: Buffer) -> int:
    """EXIF's orientation tag, 1 to 8; 1 where the block has none or cannot be read.

    `exif` is a TIFF block as in PNG's eXIf, with or without the `Exif` marker of JPEG.
    """
    parsed = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed.load(bytes(exif))
        value = parsed.get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - Pillow raises a dozen types on a broken block
        return 1
    return value if isinstance(value, int) and 1 <= value <= _LAST_ORIENTATION else 1


_ORIENTATION_TAG = 0x0112
_LAST_ORIENTATION = 8
