"""A PNG that states another color space than sRGB in numbers is seen as a browser shows it.

The expected values are computed here from the definitions, pixel by pixel and without matrices of
the code that is tested; a few are what Chromium 150 shows.
"""

import io
import struct
import zlib
from collections.abc import Sequence

import pytest
from PIL import Image, ImageCms

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Image as Read
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader

from ..factories import signed_view
from .awkward import (
    CHANNELS,
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGB_ALPHA,
    Pixels,
    linear_profile,
    png,
)

Chunk = tuple[bytes, bytes]
Triple = tuple[float, float, float]

SIDE = 32
D65 = (0.3127, 0.3290)
SRGB_CHRM = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3 = (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
BT2020 = (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)
ADOBE_CHRM = (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gama(gamma: float) -> Chunk:
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


def chrm(*values: float) -> Chunk:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


def cicp(*values: int) -> Chunk:
    return b"cICP", bytes(values)


def iccp(profile: bytes) -> Chunk:
    return b"iCCP", b"profile\0\0" + zlib.compress(profile)


SRGB_CHUNK = (b"sRGB", b"\0")


def shades(channels: int, bits: int = 8) -> list[list[tuple[int, ...]]]:
    """Every 8-bit value in all channels, each in another order; opaque where there is alpha."""
    top, colors = 2**bits - 1, {1: 1, 2: 1, 3: 3, 4: 3}[channels]
    return [
        [
            (
                *((x + SIDE * y) * (37, 61, 97)[c] * (1 if bits == 8 else 251) & top
                  for c in range(colors)),
                *[top] * (channels - colors),
            )
            for x in range(SIDE)
        ]
        for y in range(SIDE)
    ]  # fmt: skip


def read(data: bytes, verify: Verify = Verify.STRUCTURE) -> Read:
    return ImageReader(verify).read(signed_view(data))


def pixels_of(image: Read) -> list[tuple[int, ...]]:
    raw = Image.open(io.BytesIO(image.data)).convert("RGB").tobytes()
    return [tuple(raw[place : place + 3]) for place in range(0, len(raw), 3)]


def srgb(light: float) -> float:
    light = min(1.0, max(0.0, light))
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def from_srgb(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def assert_seen(image: Read, rows: Pixels, bits: int, see: object, within: float = 0.51) -> None:
    top = 2**bits - 1
    for stored, seen in zip((p for row in rows for p in row), pixels_of(image), strict=True):
        shares = [value / top for value in stored]
        expected = see(*(shares[:3] if len(shares) > 2 else shares[:1] * 3))  # type: ignore[operator]
        assert all(abs(e - s) <= within for e, s in zip(expected, seen, strict=True)), stored


UNTOUCHED = {
    "nothing": [],
    "sRGB": [SRGB_CHUNK],
    "gAMA of sRGB": [gama(0.45455)],
    "gAMA of sRGB, cut": [gama(0.45454)],
    "gAMA of 0.45": [gama(0.45)],
    "gAMA and cHRM of sRGB": [gama(0.45455), chrm(*SRGB_CHRM)],
    "rounded cHRM of sRGB": [gama(0.4545), chrm(0.313, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)],
    "cHRM of sRGB by another program": [
        chrm(0.31269, 0.32899, 0.63999, 0.33001, 0.3, 0.6, 0.15, 0.05999)
    ],
    "sRGB before gAMA": [SRGB_CHUNK, gama(1.0)],
    "sRGB after gAMA and cHRM": [gama(1.0), chrm(*ADOBE_CHRM), SRGB_CHUNK],
    "a profile of sRGB before gAMA": [gama(1.0), iccp(SRGB_ICC)],
    "cICP of sRGB": [cicp(1, 13, 0, 1)],
    "cICP of sRGB before a profile": [cicp(1, 13, 0, 1), iccp(linear_profile())],
    "cICP of sRGB before gAMA": [gama(1.0), cicp(1, 13, 0, 1)],
    "cICP of nothing": [cicp(2, 2, 0, 1)],
    "cICP of reserved numbers": [cicp(3, 77, 0, 1)],
    "cICP of no RGB": [cicp(9, 1, 9, 1)],
    "cICP cut": [(b"cICP", b"\x09\x01")],
    "gAMA of zero": [gama(0)],
    "cHRM of no area": [chrm(*D65, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)],
    "cHRM of zeros": [chrm(*[0.0] * 8)],
    "cHRM whose white is outside": [chrm(0.9, 0.05, *SRGB_CHRM[2:])],
    "cHRM of large numbers": [(b"cHRM", b"\xff" * 32)],
    "cHRM of other primaries without gAMA": [chrm(*ADOBE_CHRM)],
}  # fmt: skip


@pytest.mark.parametrize("verify", list(Verify))
@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_is_srgb_or_says_nothing_is_untouched(name: str, verify: Verify) -> None:
    data = png(shades(3), RGB, chunks=UNTOUCHED[name])
    image = read(data, verify)
    assert image.actions == ()
    assert image.data == data


@pytest.mark.parametrize("verify", list(Verify))
@pytest.mark.parametrize("colour", [GREY, RGB])
@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.4, 0.5, 1.8])
def test_a_gamma_becomes_srgb(colour: int, gamma: float, verify: Verify) -> None:
    rows = shades(CHANNELS[colour])
    image = read(png(rows, colour, chunks=[gama(gamma)]), verify)
    assert image.actions == ("profile",)
    power = 100_000 / round(gamma * 100_000)
    assert_seen(image, rows, 8, lambda *v: [srgb(share**power) for share in v])


@pytest.mark.parametrize(
    ("chunks", "stored", "shown"),
    [
        ([gama(1.0)], (55, 55, 55), (128, 128, 128)),
        ([gama(1.0)], (10, 100, 200), (57, 168, 229)),
        ([gama(0.55556)], (128, 64, 30), (146, 81, 40)),
        ([gama(0.45455), chrm(*ADOBE_CHRM)], (200, 100, 50), (227, 100, 42)),
        ([cicp(12, 13, 0, 1)], (200, 100, 50), (215, 93, 31)),
        ([cicp(9, 1, 0, 1)], (100, 150, 200), (0, 149, 203)),
        ([cicp(1, 1, 0, 1)], (100, 50, 20), (91, 39, 7)),
        ([chrm(*P3)], (200, 100, 50), (200, 100, 50)),
    ],
)
def test_a_person_sees_the_same_in_a_browser(
    chunks: list[Chunk], stored: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    image = read(png([[stored] * SIDE] * SIDE, RGB, chunks=chunks))
    assert all(abs(a - b) <= 1 for a, b in zip(pixels_of(image)[0], shown, strict=True))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("colour", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_linear_light_of_sixteen_bits_keeps_its_dark_shades(colour: int, interlaced: bool) -> None:
    rows = [
        [
            tuple(
                65535 if c in {1, 3} and colour in {GREY_ALPHA, RGB_ALPHA} and c == last
                else ((x + SIDE * y) * (3, 5, 7, 1)[c]) & 0xFFFF
                for c in range(last + 1)
            )
            for x in range(SIDE)
        ]
        for y in range(SIDE)
        for last in [CHANNELS[colour] - 1]
    ]  # fmt: skip
    image = read(png(rows, colour, 16, [gama(1.0)], interlaced=interlaced))
    assert image.actions == (
        *["alpha"] * (colour in {GREY_ALPHA, RGB_ALPHA}), "depth", "profile",
    )  # fmt: skip
    assert_seen(image, rows, 16, lambda *v: [srgb(share) for share in v])
    assert len({pixel[0] for pixel in pixels_of(image)}) > 20


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_gamma_holds_for_greys_of_few_bits(bits: int) -> None:
    rows = [[((x + y) % 2**bits,) for x in range(SIDE)] for y in range(SIDE)]
    image = read(png(rows, GREY, bits, [gama(1.0)]))
    assert image.actions == ("depth", "profile")
    assert_seen(image, rows, bits, lambda *v: [srgb(share) for share in v])


def test_a_gamma_holds_for_the_colors_of_a_palette() -> None:
    colors = [(55, 10, 200), (100, 55, 0)]
    rows = [[((x + y) % 2,) for x in range(SIDE)] for y in range(SIDE)]
    chunks = [gama(1.0), (b"PLTE", b"".join(map(bytes, colors)))]
    image = read(png(rows, PALETTE, 8, chunks))
    assert image.actions == ("palette", "profile")
    assert pixels_of(image)[0] == tuple(round(srgb(v / 255)) for v in colors[0])


def test_alpha_goes_on_white_after_the_colors_are_srgb() -> None:
    image = read(png([[(55, 55, 55, 128)] * SIDE] * SIDE, RGB_ALPHA, chunks=[gama(1.0)]))
    assert image.actions == ("alpha", "profile")
    assert all(abs(value - (128 * 128 + 255 * 127) / 255) <= 1 for value in pixels_of(image)[0])


def mixed(primaries: Sequence[float]) -> list[Triple]:
    """What light of these primaries, of white's brightness together, is in XYZ, one for each.

    By Cramer's rule, for the D65 white that all of them here have.
    """
    points = [primaries[place : place + 2] for place in (2, 4, 6)]
    columns: list[Triple] = [(x, y, 1 - x - y) for x, y in points]
    x, y = primaries[:2]
    white = (x / y, 1.0, (1 - x - y) / y)
    whole = determinant(*columns)
    gains = [
        determinant(*(white if place == other else columns[other] for other in range(3))) / whole
        for place in range(3)
    ]
    return [tuple(v * gain for v in column) for column, gain in zip(columns, gains, strict=True)]  # type: ignore[misc]


def determinant(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - b[0] * (a[1] * c[2] - a[2] * c[1])
        + c[0] * (a[1] * b[2] - a[2] * b[1])
    )


def seen_by_primaries(light: Sequence[float], primaries: Sequence[float]) -> list[float]:
    """Light of these primaries in sRGB's values."""
    xyz = [sum(v * column[axis] for v, column in zip(light, mixed(primaries), strict=True))
           for axis in range(3)]  # fmt: skip
    ours = mixed(SRGB_CHRM)
    whole = determinant(*ours)
    return [
        srgb(determinant(*(xyz if place == other else ours[other] for other in range(3))) / whole)
        for place in range(3)
    ]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("chunks", "primaries", "curve"),
    [
        ([gama(1 / 2.2), chrm(*ADOBE_CHRM)], ADOBE_CHRM, lambda v: v ** (1 / 0.45455)),
        ([gama(1.0), chrm(*BT2020)], BT2020, lambda v: v),
        ([cicp(12, 13, 0, 1)], P3, from_srgb),
        ([cicp(12, 8, 0, 1), gama(0.45455), SRGB_CHUNK], P3, lambda v: v),
        ([cicp(9, 14, 0, 1), iccp(SRGB_ICC)], BT2020, lambda v: v**2.4),
        ([cicp(1, 1, 0, 1)], SRGB_CHRM, lambda v: v**2.4),
        ([cicp(1, 4, 0, 1)], SRGB_CHRM, lambda v: v**2.2),
        ([cicp(1, 13, 0, 0)], SRGB_CHRM,
         lambda v: from_srgb(min(1, max(0, (255 * v - 16) / 219)))),
    ],
)  # fmt: skip
def test_primaries_and_code_points_become_srgb(
    chunks: list[Chunk], primaries: tuple[float, ...], curve: object, bits: int
) -> None:
    rows = shades(3, bits)
    image = read(png(rows, RGB, bits, chunks))
    assert image.actions == (*["depth"] * (bits == 16), "profile")

    def see(*shares: float) -> list[float]:
        return seen_by_primaries([curve(share) for share in shares], primaries)  # type: ignore[operator]

    assert_seen(image, rows, bits, see, within=0.6)


def test_white_stays_white_and_grey_grey_for_another_white() -> None:
    warm = chrm(0.34567, 0.3585, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)  # D50
    rows = [[((x + SIDE * y) % 256,) * 3 for x in range(SIDE)] for y in range(SIDE)]
    image = read(png(rows, RGB, chunks=[gama(1.0), warm]))
    assert_seen(image, rows, 8, lambda *v: [srgb(share) for share in v], within=1)


@pytest.mark.parametrize(
    ("points", "name"), [((9, 16, 0, 1), "PQ"), ((9, 18, 0, 1), "HLG"), ((10, 8, 0, 1), "XYZ")]
)
def test_what_has_no_one_form_in_srgb_is_refused_by_name(
    points: tuple[int, ...], name: str
) -> None:
    with pytest.raises(UnusableImage, match=name) as error:
        read(png(shades(3), RGB, chunks=[cicp(*points)]))
    assert error.value.reason is Reason.UNDECODABLE


def test_a_profile_goes_before_gamma_and_gamma_counts_where_the_profile_is_broken() -> None:
    rows = shades(3)
    profiled = png(rows, RGB, chunks=[gama(0.55556), iccp(linear_profile())])
    image = read(profiled)
    assert_seen(image, rows, 8, lambda *v: [srgb(share) for share in v], within=2)
    broken = read(png(rows, RGB, chunks=[gama(1.0), (b"iCCP", b"")]))
    assert broken.actions == ("profile", "metadata")
    assert_seen(broken, rows, 8, lambda *v: [srgb(share) for share in v])


def test_a_chunk_too_late_for_any_reader_is_not_heeded() -> None:
    late = png(shades(3), RGB, late_chunks=[gama(1.0)])
    assert read(late).actions == ()
    suggested = (b"PLTE", bytes(range(9)))
    assert read(png(shades(3), RGB, chunks=[suggested, gama(1.0)])).actions == ()


def test_of_two_the_first_counts() -> None:
    assert read(png(shades(3), RGB, chunks=[gama(0.45455), gama(1.0)])).actions == ()


def test_the_form_has_no_word_of_another_color_space_left() -> None:
    data = png(shades(3), RGB, chunks=[gama(1.0), chrm(*ADOBE_CHRM)])
    again = read(bytes(read(data).data))
    assert again.actions == ()
    assert again.data == read(data).data
