"""The color space of a PNG, from its chunks (https://www.w3.org/TR/png-3/, section 4.3).

Only one kind counts: cICP precedes iCCP, which precedes sRGB, which precedes gAMA and cHRM. Pillow
reads the profile (iCCP).
"""

from struct import Struct

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.images.color_space import (
    LINEAR,
    SMPTE240,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    ColorSpace,
    Primaries,
    are_usable,
)

KINDS = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM"})

_GAMMA = Struct(">I")
_CHROMATICITIES = Struct(">8I")
_SCALE = 100_000
_SRGB_GAMMA = 45_455
_GAMMA_TOLERANCE = 0.05
"""libpng's own: what differs by less is not corrected."""
_GAMMAS = range(16, 625_000_000)
"""libpng's own: what is beyond them is ignored."""
_CICP_BYTES = 4

# ITU-T H.273, table 2.
_PRIMARIES: dict[int, Primaries] = {
    1: SRGB_PRIMARIES,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (0.3127, 0.3290, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
# Table 3. A camera's curve is of BT.709 or BT.2020; a screen shows it by that of BT.1886.
_BT1886 = 2.4
_CURVES: dict[int, str | float] = {
    1: _BT1886, 4: 2.2, 5: 2.8, 6: _BT1886, 7: SMPTE240, 8: LINEAR, 11: _BT1886, 12: _BT1886,
    13: SRGB_CURVE, 14: _BT1886, 15: _BT1886,
}  # fmt: skip
_NO_ONE_FORM = {
    9: "logarithmic", 10: "logarithmic", 16: "PQ", 17: "SMPTE ST 428-1", 18: "HLG",
}  # fmt: skip
_XYZ = 10


def stated(chunks: dict[bytes, bytes]) -> tuple[ColorSpace | None, ColorSpace | None]:
    """Return the color spaces that a PNG's chunks state.

    Args:
        chunks: Type → body of the chunks of these `KINDS`.

    Returns:
        The space that precedes a profile and the one that counts without a profile; None where the
        chunks state nothing, or nothing that readers apply.

    Raises:
        UnusableImage: The values have no single form in sRGB.
    """
    before = _of_code_points(chunks.get(b"cICP", b""))
    if len(chunks.get(b"sRGB", b"")) == 1:
        return before, ColorSpace()
    gamma = _gamma(chunks.get(b"gAMA", b""))
    if gamma is None:
        return before, None  # readers apply cHRM only beside it
    primaries = _primaries(chunks.get(b"cHRM", b"")) or SRGB_PRIMARIES
    if abs(gamma / _SRGB_GAMMA - 1) <= _GAMMA_TOLERANCE and ColorSpace(primaries=primaries).is_srgb:
        return before, ColorSpace()  # what encoders write for sRGB, whose curve is no power
    return before, ColorSpace(_SCALE / gamma, primaries)


def _of_code_points(body: bytes) -> ColorSpace | None:
    """Return the color space of a cICP chunk; None if it is unspecified, reserved or not RGB."""
    if len(body) != _CICP_BYTES:
        return None
    primaries, curve, matrix, full = body
    if matrix or full > 1:
        return None
    if curve in _NO_ONE_FORM or (primaries == _XYZ and curve in _CURVES):
        said = _NO_ONE_FORM.get(curve, "CIE XYZ")
        detail = f"PNG in {said} (cICP), which has no unique form in 8-bit sRGB"
        raise UnusableImage(Reason.UNDECODABLE, detail)
    if primaries not in _PRIMARIES or curve not in _CURVES:
        return None
    return ColorSpace(_CURVES[curve], _PRIMARIES[primaries], narrow=not full)


def _gamma(body: bytes) -> int | None:
    gamma = _GAMMA.unpack(body)[0] if len(body) == _GAMMA.size else 0
    return gamma if gamma in _GAMMAS else None


def _primaries(body: bytes) -> Primaries | None:
    if len(body) != _CHROMATICITIES.size:
        return None
    wx, wy, rx, ry, gx, gy, bx, by = (value / _SCALE for value in _CHROMATICITIES.unpack(body))
    primaries = (wx, wy, rx, ry, gx, gy, bx, by)
    return primaries if are_usable(primaries) else None
