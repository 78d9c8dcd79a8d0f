"""An image's header as data, and the levels of `--verify`."""

from dataclasses import dataclass
from enum import Enum

from mico_150k.images.color_space import ColorSpace


class Verify(str, Enum):
    """How much of an image is read before its header is trusted."""

    HEADER = "header"
    """The header only: fast, for data that was checked before."""
    STRUCTURE = "structure"
    """Header, checksums and end: catches every truncation and, in PNG, every changed byte."""
    DECODE = "decode"
    """Structure, then every pixel, by decoders that treat warnings as errors."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Coding:
    """What the format's own bytes say and Pillow does not report.

    Attributes:
        channels: Color channels without alpha; 0 where Pillow's mode says it. Pillow turns 16-bit
            gray with alpha into RGB.
        bits: Bits per channel.
        plain: False for a coding that not every decoder knows: lossless or arithmetic JPEG, and
            any format besides JPEG, PNG and WebP.
        late: Whether metadata follows the pixels; Pillow reads it only after them.
        sides: Width and height in pixels; (0, 0) where only Pillow reports them.
        over_profile: A color space in numbers that takes precedence over an ICC profile.
        under_profile: A color space in numbers that counts only without an ICC profile.
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
    """What decides whether all trainers see an image in the same way.

    Attributes:
        width: Pixels as stored, before any rotation.
        height: Pixels as stored.
        channels: Color channels without alpha: 1 gray, 3 RGB, 4 CMYK.
        orientation: EXIF's or XMP's number, 1 where none is given.
        icc: The embedded color profile, b"" without one.
        color: A color space that counts instead of the profile; None for none.
        mended: Whether a JPEG lacks its end marker or has junk between its segments.
        metadata: Whether some metadata stops a reader; the image is then read without it.
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
