"""What an image's header says, and how much of an image is looked at before it is believed."""

from dataclasses import dataclass
from enum import Enum

from mico_150k.images.color_space import ColorSpace


class Verify(str, Enum):
    """How much of an image is looked at before it is believed."""

    HEADER = "header"
    """Its header alone: the fast way, for data that was checked before."""
    STRUCTURE = "structure"
    """Header, checksums and end: catches every truncation and, in PNG, every changed byte."""
    DECODE = "decode"
    """Structure, then every pixel decoded, by decoders that take no warning lightly."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Coding:
    """What the bytes of a format say that Pillow does not.

    `channels` are colour channels without alpha, 0 where Pillow's mode tells: of 16-bit grey with
    alpha it makes RGB. `bits` are bits a channel. `plain` is False for a coding that not every
    decoder knows (lossless or arithmetic JPEG, any format besides JPEG, PNG and WebP). `late` is
    whether anything but pixels follows the pixels, which Pillow reads only with them. `sides` are
    width and height, (0, 0) where only Pillow tells. Color spaces that a file states in numbers go
    before a profile (`over_profile`) or count where there is none (`under_profile`).
    """

    channels: int = 0
    bits: int = 8
    plain: bool = True
    late: bool = False
    sides: tuple[int, int] = (0, 0)
    over_profile: ColorSpace | None = None
    under_profile: ColorSpace | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What decides whether trainers agree on a picture. Sides are pixels as stored.

    `channels` are colour channels without alpha: 1 grey, 3 RGB, 4 CMYK. `orientation` is EXIF's
    or XMP's, 1 where none is given. `icc` is the embedded colour profile, b"" where there is none.
    Where `color` is not None it counts instead of a profile.
    `mended` is whether a JPEG lacks its end, or has junk between its segments.
    `metadata` is whether some of it stops a reader: the picture is the one without it then.
    """

    format: str
    width: int
    height: int
    coding: Coding
    channels: int = 3
    palette: bool = False
    alpha: bool = False
    animated: bool = False
    orientation: int = 1
    icc: bytes = b""
    color: ColorSpace | None = None
    metadata: bool = False
    mended: bool = False
