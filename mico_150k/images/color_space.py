"""Color spaces that a file states in numbers, as PNG's chunks do, and their conversion to sRGB.

values ──curve──► light ──matrix──► light of sRGB's primaries ──sRGB's curve──► values
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PIL import Image as Pillow

if TYPE_CHECKING:  # imported only by the few builds that meet such an image
    import numpy.typing as npt

    Array = npt.NDArray[Any]

Primaries = tuple[float, float, float, float, float, float, float, float]
"""White's, red's, green's and blue's x and y (CIE 1931), in the order of PNG's cHRM."""

SRGB_PRIMARIES: Primaries = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
SRGB_CURVE = "sRGB"
LINEAR = "linear"
SMPTE240 = "SMPTE 240M"

TOLERANCE = 0.005
"""Of light: what rounding makes of sRGB's own primaries differs by half as much."""
_BAND_PIXELS = 1 << 18
"""Converted at once: numpy holds some dozens of bytes for each."""
_BLACK, _WHITE = 16, 235
"""Of the narrow range, in steps of 255."""


@dataclass(frozen=True, slots=True)
class ColorSpace:
    """A color space: a transfer curve and primaries.

    Attributes:
        curve: A name above, or the exponent that turns a value into light.
        primaries: The x and y of white, red, green and blue.
        narrow: Whether black and white lie inside the range of values (video range).
    """

    curve: str | float = SRGB_CURVE
    primaries: Primaries = SRGB_PRIMARIES
    narrow: bool = False

    @property
    def is_srgb(self) -> bool:
        """Whether the space equals sRGB within the tolerance, so that values may stay."""
        return self.curve == SRGB_CURVE and not self.narrow and _is_near(self.primaries)

    def to_srgb(self, high: Pillow.Image, low: Pillow.Image | None = None) -> Pillow.Image:
        """Return the image converted to sRGB, in mode RGB.

        A gray stays gray whatever the primaries are, since gray is their white.

        Args:
            high: The image in mode L or RGB, or the high bytes of its 16-bit values.
            low: The low bytes of 16-bit values, in the same mode.
        """
        if low is None and (high.mode == "L" or _is_near(self.primaries)):
            table = self._table(8).tolist()
            seen = high.point(table * len(high.getbands()))
            return seen if seen.mode == "RGB" else seen.convert("RGB")
        result = Pillow.new("RGB", high.size)
        lines = max(1, _BAND_PIXELS // high.width)
        for top in range(0, high.height, lines):
            box = (0, top, high.width, min(high.height, top + lines))
            band = self._band(high.crop(box), low and low.crop(box))
            result.paste(band, box[:2])
        return result

    def _band(self, high: Pillow.Image, low: Pillow.Image | None) -> Pillow.Image:
        import numpy as np

        values = np.asarray(high)
        bits = 8
        if low is not None:
            bits = 16
            values = values.astype(np.uint16) << 8 | np.asarray(low)
        if values.ndim == 2 or _is_near(self.primaries):  # noqa: PLR2004 - gray has no third axis
            return Pillow.fromarray(self._table(bits)[values]).convert("RGB")
        light = self._light(bits)[values] @ _matrix(self.primaries).T
        return Pillow.fromarray(_srgb_values(light))

    def _table(self, bits: int) -> "Array":
        """Return the sRGB value for each value of `bits` bits."""
        return _srgb_values(self._light(bits))

    def _light(self, bits: int) -> "Array":
        return _light(self.curve, bits, narrow=self.narrow)


@lru_cache(maxsize=16)
def _light(curve: str | float, bits: int, *, narrow: bool) -> "Array":
    """Return the linear light of each value, from 0 (black) to 1 (white)."""
    import numpy as np

    most = 2**bits - 1
    values = np.arange(most + 1) / most
    if narrow:
        values = np.clip((values * 255 - _BLACK) / (_WHITE - _BLACK), 0, 1)
    if isinstance(curve, float):
        powered: Array = values**curve
        return powered
    return _CURVES[curve](values)


def _of_parts(slope: float, knee: float, offset: float, power: float) -> "Callable[..., Array]":
    """Return a curve that is linear up to the value `knee` and a power above it."""

    def light(values: "Array") -> "Array":
        import numpy as np

        powered = ((values + offset) / (1 + offset)) ** power
        return np.where(values <= knee, values / slope, powered)

    return light


# IEC 61966-2-1; ITU-T H.273, table 3.
_CURVES: "dict[str, Callable[..., Array]]" = {
    SRGB_CURVE: _of_parts(12.92, 0.04045, 0.055, 2.4),
    LINEAR: lambda values: values,
    SMPTE240: _of_parts(4.0, 4.0 * 0.022821585529445, 0.111572195921731, 1 / 0.45),
}


def _srgb_values(light: "Array") -> "Array":
    import numpy as np

    light = np.clip(light, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # noqa: PLR2004
    rounded: Array = np.rint(encoded * 255).astype(np.uint8)
    return rounded


@lru_cache(maxsize=16)
def _is_near(primaries: Primaries) -> bool:
    """Whether these primaries equal sRGB's within the tolerance."""
    if primaries == SRGB_PRIMARIES:
        return True
    import numpy as np

    return bool(np.abs(_matrix(primaries) - np.eye(3)).max() <= TOLERANCE)


@lru_cache(maxsize=16)
def _matrix(primaries: Primaries) -> "Array":
    """Return the 3 × 3 matrix from these primaries to sRGB's; white stays white (Bradford)."""
    import numpy as np

    inverse: Array = np.linalg.inv(_to_xyz(SRGB_PRIMARIES))
    white, wanted = (_xyz(*p[:2]) for p in (primaries, SRGB_PRIMARIES))
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    gains = np.diag((bradford @ wanted) / (bradford @ white))
    adapted: Array = np.linalg.inv(bradford) @ gains @ bradford
    return inverse @ adapted @ _to_xyz(primaries)


def _to_xyz(primaries: Primaries) -> "Array":
    import numpy as np

    columns = np.array([list(_thirds(primaries[place : place + 2])) for place in (2, 4, 6)]).T
    return columns * np.linalg.solve(columns, _xyz(*primaries[:2]))


def _thirds(point: tuple[float, ...]) -> Iterator[float]:
    x, y = point
    yield from (x, y, 1 - x - y)


def _xyz(x: float, y: float) -> "Array":
    import numpy as np

    return np.array([x / y, 1.0, (1 - x - y) / y])


_LEAST_AREA = 0.001


def are_usable(primaries: Primaries) -> bool:
    """Whether the primaries form a triangle that contains white; readers ignore any others."""
    white, red, green, blue = (primaries[place : place + 2] for place in (0, 2, 4, 6))
    sides = [
        (b[0] - a[0]) * (white[1] - a[1]) - (b[1] - a[1]) * (white[0] - a[0])
        for a, b in ((red, green), (green, blue), (blue, red))
    ]
    inside = all(side > 0 for side in sides) or all(side < 0 for side in sides)
    return inside and abs(sum(sides)) > _LEAST_AREA and white[1] > 0
