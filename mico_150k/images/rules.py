"""The table of causes for re-encoding an image. Without a cause, its bytes stay.

Trainers open an image in different ways (docs/images.md). If a cause below holds, they see
different pixels, or others than a person sees; if none holds, they agree.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mico_150k.images.color import is_srgb
from mico_150k.images.header import Header


@dataclass(frozen=True, slots=True)
class Cause:
    """One line of the table; `name` is the value in the column `actions` and in the report."""

    name: str
    holds: Callable[[Header], bool]
    seen: str
    done: str


CAUSES: tuple[Cause, ...] = (
    Cause(
        "format",
        lambda header: not header.coding.plain,
        "no JPEG, PNG or WebP, or a JPEG coding that few decoders know",
        "encoded as PNG",
    ),
    Cause("animation", lambda header: header.animated, "more than one frame", "first frame"),
    Cause(
        "orientation",
        lambda header: header.orientation != 1,
        "EXIF or XMP say that it is turned or mirrored; no trainer looks",
        "upright",
    ),
    Cause(
        "alpha",
        lambda header: header.alpha,
        "an alpha channel or tRNS; some drop it, some put it on white",
        "on white",
    ),
    Cause("palette", lambda header: header.palette, "a palette instead of colors", "RGB"),
    Cause(
        "cmyk", lambda header: header.channels == _CMYK_CHANNELS, "CMYK, the colors of print", "RGB"
    ),
    Cause(
        "depth",
        lambda header: header.coding.bits != _BITS,
        "not 8 bits a channel; 16-bit gray is clipped to white",
        "8 bits, the high byte of 16",
    ),
    Cause(
        "profile",
        lambda header: (
            not header.color.is_srgb
            if header.color
            else bool(header.icc) and not is_srgb(header.icc, header.channels)
        ),
        "a color space that is not sRGB (ICC; PNG's cICP, gAMA or cHRM); no trainer looks",
        "sRGB",
    ),
    Cause(
        "metadata",
        lambda header: header.metadata,
        "text, EXIF or a profile that is broken or too large, and stops some readers",
        "removed",
    ),
    Cause(
        "markers",
        lambda header: header.mended,
        "a JPEG without its end marker before a trailer, or with bytes between its segments, "
        "of which a strict decoder reads every pixel",
        "encoded as PNG",
    ),
)

_CMYK_CHANNELS = 4
_BITS = 8


def causes(header: Header) -> tuple[str, ...]:
    """Return the names of the causes that hold, in the table's order; empty if the bytes stay."""
    return tuple(cause.name for cause in CAUSES if cause.holds(header))
