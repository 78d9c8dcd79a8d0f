"""Colour profiles: which are sRGB, and how the others get there."""

import io
from functools import lru_cache

from PIL import Image as Pillow
from PIL import ImageCms

_TOLERANCE = 2
"""Steps of 255, by which the dozen profiles that call themselves sRGB differ."""
_GRID = range(0, 256, 15)
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}


@lru_cache(maxsize=256)
def is_srgb(profile: bytes, channels: int) -> bool:
    """Whether a profile leaves colours as they are, which its name does not tell.

    A profile that cannot be read, or is for other channels than the image's, counts as sRGB:
    every program that shows pictures ignores it.
    """
    mode = _MODES[channels]
    if mode == "CMYK":
        return False
    if mode == "L":
        before = Pillow.frombytes("L", (len(_GRID), 1), bytes(_GRID))
    else:
        colours = bytes(value for r in _GRID for g in _GRID for b in _GRID for value in (r, g, b))
        before = Pillow.frombytes("RGB", (len(_GRID) ** 3, 1), colours)
    after = to_srgb(before, profile)
    expected = before.convert("RGB").tobytes()
    return all(
        abs(was - now) <= _TOLERANCE for was, now in zip(expected, after.tobytes(), strict=True)
    )


def to_srgb(image: Pillow.Image, profile: bytes) -> Pillow.Image:
    """The image (L, RGB or CMYK) as sRGB; a profile that cannot be used is ignored."""
    try:
        return ImageCms.profileToProfile(
            image,
            io.BytesIO(profile),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
            # Optimised, dark greys come out wrong by up to ten steps; this costs milliseconds.
            flags=ImageCms.Flags.NOOPTIMIZE,
        ) or image.convert("RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image.convert("RGB")
