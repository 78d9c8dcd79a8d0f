"""Color profiles: which of them are sRGB, and the conversion of the others to sRGB."""

import io
from collections import OrderedDict

import xxhash
from PIL import Image as Pillow
from PIL import ImageCms

from mico_150k.images.blame import is_ours

_TOLERANCE = 2
"""Steps of 255, by which the dozen profiles that call themselves sRGB differ."""
_GRID = range(0, 256, 15)
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_MOST_KNOWN = 1024

# By digest: a profile may have megabytes, and every image of a camera has the same.
_known: OrderedDict[tuple[bytes, int], bool] = OrderedDict()


def is_srgb(profile: bytes, channels: int) -> bool:
    """Whether a profile leaves colors as they are; its name is not reliable.

    A profile that cannot be read, or that has other channels than the image, counts as sRGB:
    every image viewer ignores it.

    Args:
        profile: The ICC profile.
        channels: Color channels of the image without alpha: 1, 3 or 4.
    """
    key = xxhash.xxh3_128_digest(profile), channels
    if key not in _known:
        _known[key] = _leaves_colours(profile, _MODES[channels])
        if len(_known) > _MOST_KNOWN:
            _known.popitem(last=False)
    return _known[key]


def to_srgb(image: Pillow.Image, profile: bytes) -> Pillow.Image:
    """Return an L, RGB or CMYK image converted to sRGB; an unusable profile is ignored."""
    return _apply(image, profile) or image.convert("RGB")


def _leaves_colours(profile: bytes, mode: str) -> bool:
    values = bytes(value for r in _GRID for g in _GRID for b in _GRID for value in (r, g, b))
    before = Pillow.frombytes("RGB", (len(_GRID) ** 3, 1), values).convert(mode)
    after = _apply(before, profile)
    if after is None:
        return True
    expected = before.convert("RGB").tobytes()
    return mode != "CMYK" and all(
        abs(was - now) <= _TOLERANCE for was, now in zip(expected, after.tobytes(), strict=True)
    )


def _apply(image: Pillow.Image, profile: bytes) -> Pillow.Image | None:
    """Return the image as sRGB, or None if the profile does not fit it."""
    try:
        return ImageCms.profileToProfile(
            image,
            io.BytesIO(profile),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
            # Pillow's optimization saves milliseconds and puts dark grays off by up to ten steps.
            flags=ImageCms.Flags.NOOPTIMIZE,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        if is_ours(error):
            raise
        return None
