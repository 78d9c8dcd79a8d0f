"""Every awkward picture is passed as it is, normalised to the right pixels, or refused.

The expected pixels are computed here one by one, and not by the code that is tested.
"""

import contextlib
import io
import math
import struct
import zlib
from collections.abc import Callable
from itertools import product

import datasets
import pytest
from PIL import Image, ImageCms, ImageFile

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Image as Read
from mico_150k.images.header import Verify
from mico_150k.images.probe import probe
from mico_150k.images.reader import ImageReader, digest_of

from ..factories import encode, picture, signed_view
from . import awkward
from .awkward import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGB_ALPHA,
    exif,
    extended,
    ink_profile,
    linear_profile,
    png,
    riff,
    riff_chunks,
    segment,
    with_segments,
    xmp,
)

SIDE = 24
Pixel = tuple[int, int, int]


def read(data: bytes, verify: Verify = Verify.STRUCTURE) -> Read:
    return ImageReader(verify).read(signed_view(data))


def grid(*, channels: int = 1, top: int = 255) -> list[list[tuple[int, ...]]]:
    """A square of pixels whose channels run through all values up to `top`, in other orders."""
    return [
        [
            tuple(((x * 7 + y * 13 + 5 * channel) * 11) % (top + 1) for channel in range(channels))
            for x in range(SIDE)
        ]
        for y in range(SIDE)
    ]


def pixels_of(data: bytes | memoryview) -> list[Pixel]:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    raw = image.tobytes()
    return [tuple(raw[place : place + 3]) for place in range(0, len(raw), 3)]  # type: ignore[misc]


def on_white(colour: Pixel, alpha: int) -> Pixel:
    """Each channel over white, rounded to the nearest."""
    mixed = (round((value * alpha + 255 * (255 - alpha)) / 255) for value in colour)
    return tuple(mixed)  # type: ignore[return-value]


def flat(rows: list[list[tuple[int, ...]]], see: Callable[..., Pixel]) -> list[Pixel]:
    return [see(*pixel) for row in rows for pixel in row]


def assert_same_to_all_trainers(image: Read) -> None:
    """The ways in which trainers and `datasets` open a picture, all with the same pixels."""
    cell = {"bytes": bytes(image.data), "path": None}
    views = {datasets.Image().decode_example(cell).convert("RGB").tobytes()}
    for truncated, on_paper in product((False, True), repeat=2):
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
        try:
            opened = Image.open(io.BytesIO(image.data))
            if on_paper and (opened.mode in {"RGBA", "LA", "PA"} or "transparency" in opened.info):
                opened = opened.convert("RGBA")
                paper = Image.new("RGB", opened.size, "white")
                paper.paste(opened, mask=opened.getchannel("A"))
                opened = paper
            views.add(opened.convert("RGB").tobytes())
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
    assert len(views) == 1


def assert_normal(image: Read, actions: tuple[str, ...]) -> None:
    assert image.actions == actions
    opened = Image.open(io.BytesIO(image.data))
    assert (opened.format, opened.mode) == ("PNG", "RGB")
    assert (image.width, image.height) == opened.size
    assert not {"icc_profile", "exif", "transparency"} & set(opened.info)
    assert image.digest == digest_of(image.data)
    assert_same_to_all_trainers(image)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PASSED = {
    "rgb jpeg": encode(picture(1), "JPEG"),
    "progressive jpeg": encode(picture(2), "JPEG", progressive=True),
    "jpeg with restarts": encode(picture(2), "JPEG", restart_marker_rows=1),
    "grey jpeg": encode(picture(3, mode="L"), "JPEG"),
    "jpeg that is upright": encode(picture(3), "JPEG", exif=b"Exif\0\0" + exif(1)),
    "jpeg with a broken exif": encode(picture(3), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff"),
    "jpeg with srgb": encode(picture(4), "JPEG", icc_profile=SRGB),
    "jpeg with bytes after it": encode(picture(4), "JPEG") + b"\0" * 64 + b"trailer",
    "jpeg with a jpeg after it": encode(picture(4), "JPEG") + encode(picture(5), "JPEG"),
    "jpeg with another one below": encode(picture(4), "JPEG") + b"\n" + encode(picture(5), "JPEG"),
    "jpeg of two pictures": encode(
        picture(4), "MPO", save_all=True, append_images=[picture(5)]
    ),
    "rgb png": encode(picture(5)),
    "grey png": encode(picture(6, mode="L")),
    "png with a text": png(grid(channels=3), RGB, chunks=[(b"tEXt", b"Comment\0hello")]),
    "interlaced png": png(grid(channels=3), RGB, interlaced=True),
    "png that is upright": png(grid(channels=3), RGB, chunks=[(b"eXIf", exif(1))]),
    "png with bytes after it": encode(picture(5)) + b"trailer",
    "lossy webp": encode(picture(7), "WEBP"),
    "lossless webp": encode(picture(7), "WEBP", lossless=True),
    "webp that is upright": encode(picture(7), "WEBP", exif=exif(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSED)
@pytest.mark.parametrize("verify", list(Verify))
def test_what_is_safe_passes_as_its_own_bytes(name: str, verify: Verify) -> None:
    data = PASSED[name]
    image = read(data, verify)
    assert image.actions == ()
    assert image.data == data
    opened = Image.open(io.BytesIO(data))
    assert (image.format, image.width, image.height) == (
        opened.format.replace("MPO", "JPEG"), *opened.size,
    )  # fmt: skip
    assert image.digest == digest_of(data)
    assert_same_to_all_trainers(image)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_is_spread_over_eight(bits: int, interlaced: bool) -> None:
    top = 2**bits - 1
    rows = grid(top=top)
    image = read(png(rows, GREY, bits, interlaced=interlaced))
    assert_normal(image, ("depth",))
    assert pixels_of(image.data) == flat(rows, lambda v: (v * 255 // top,) * 3)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_one_transparent_grey_goes_white_and_no_other(bits: int) -> None:
    top = 2**bits - 1
    rows = grid(top=top)
    clear = rows[0][3][0]
    image = read(png(rows, GREY, bits, [(b"tRNS", clear.to_bytes(2, "big"))]))
    assert_normal(image, ("alpha",) if bits == 8 else ("alpha", "depth"))
    shown = (lambda v: v >> 8) if bits == 16 else (lambda v: v * 255 // top)
    expected = flat(rows, lambda v: (255,) * 3 if v == clear else (shown(v),) * 3)
    assert pixels_of(image.data) == expected


def test_sixteen_bit_grey_keeps_its_high_byte_and_is_not_clipped_to_white() -> None:
    rows = grid(top=65535)
    image = read(png(rows, GREY, 16))
    assert_normal(image, ("depth",))
    assert pixels_of(image.data) == flat(rows, lambda v: (v >> 8,) * 3)


def test_sixteen_bit_rgb_keeps_its_high_bytes() -> None:
    rows = grid(channels=3, top=65535)
    image = read(png(rows, RGB, 16))
    assert_normal(image, ("depth",))
    assert pixels_of(image.data) == flat(rows, lambda *v: tuple(c >> 8 for c in v))


def test_sixteen_bit_rgb_with_one_transparent_colour_is_refused_not_guessed() -> None:
    data = png(grid(channels=3, top=65535), RGB, 16, [(b"tRNS", bytes(6))])
    with pytest.raises(UnusableImage) as error:
        read(data)
    assert error.value.reason is Reason.UNDECODABLE


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("colour", "channels"), [(GREY_ALPHA, 2), (RGB_ALPHA, 4)])
def test_alpha_goes_on_white(colour: int, channels: int, bits: int, interlaced: bool) -> None:
    rows = grid(channels=channels, top=2**bits - 1)
    image = read(png(rows, colour, bits, interlaced=interlaced))
    assert_normal(image, ("alpha",) if bits == 8 else ("alpha", "depth"))

    def see(*values: int) -> Pixel:
        *shades, alpha = (value >> (bits - 8) for value in values)
        return on_white((shades * 3)[:3] if len(shades) == 1 else tuple(shades), alpha)  # type: ignore[arg-type]

    assert pixels_of(image.data) == flat(rows, see)


def test_one_transparent_colour_goes_white() -> None:
    rows = grid(channels=3)
    clear = rows[1][1]
    image = read(png(rows, RGB, 8, [(b"tRNS", b"".join(v.to_bytes(2, "big") for v in clear))]))
    assert_normal(image, ("alpha",))
    expected = flat(rows, lambda *v: (255, 255, 255) if v == clear else v)
    assert pixels_of(image.data) == expected


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_with_and_without_transparency(bits: int, transparent: bool) -> None:
    colours = [((n * 89) % 256, (n * 53) % 256, (n * 29) % 256) for n in range(2**bits)]
    alphas = [(n * 71) % 256 for n in range(2**bits)] if transparent else [255] * 2**bits
    chunks = [(b"PLTE", b"".join(map(bytes, colours)))]
    if transparent:
        chunks.append((b"tRNS", bytes(alphas)))
    rows = grid(top=2**bits - 1)
    image = read(png(rows, PALETTE, bits, chunks))
    causes = ("alpha",) * transparent + ("palette",) + ("depth",) * (bits != 8)
    assert_normal(image, causes)
    assert pixels_of(image.data) == flat(rows, lambda v: on_white(colours[v], alphas[v]))


TURNS: dict[int, Callable[[int, int, int, int], tuple[int, int]]] = {
    # orientation → where the upright pixel (x, y) of a picture that is w by h as stored comes from
    1: lambda x, y, w, h: (x, y),
    2: lambda x, y, w, h: (w - 1 - x, y),
    3: lambda x, y, w, h: (w - 1 - x, h - 1 - y),
    4: lambda x, y, w, h: (x, h - 1 - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (y, h - 1 - x),
    7: lambda x, y, w, h: (w - 1 - y, h - 1 - x),
    8: lambda x, y, w, h: (w - 1 - y, x),
}


def png_with(chunks: list[tuple[bytes, bytes]], *, late: bool = False) -> bytes:
    raw = picture(9, (40, 24)).tobytes()
    rows = [[tuple(raw[3 * (y * 40 + x) :][:3]) for x in range(40)] for y in range(24)]
    return png(rows, RGB, chunks=[] if late else chunks, late_chunks=chunks if late else [])


def turned_jpeg(*blocks: bytes) -> bytes:
    segments = (segment(0xE1, b"Exif\0\0" + block) for block in blocks)
    return with_segments(encode(picture(9, (40, 24)), "JPEG"), *segments)


def turned_webp(**options: bytes) -> bytes:
    return encode(picture(9, (40, 24)), "WEBP", lossless=True, **options)


def raw_profile(block: bytes) -> bytes:
    """EXIF in a PNG's text, as ImageMagick writes it."""
    profile = b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n"
    return b"Raw profile type exif\0\0" + zlib.compress(profile)


TURNED: dict[str, Callable[[int], bytes]] = {
    "JPEG": lambda turn: turned_jpeg(exif(turn)),
    "JPEG in two segments": lambda turn: turned_jpeg(exif(turn)[:12], exif(turn)[12:]),
    "JPEG with a second block": lambda turn: turned_jpeg(exif(turn), exif(1)),
    "XMP in JPEG": lambda turn: encode(picture(9, (40, 24)), "JPEG", xmp=xmp(turn)),
    "PNG": lambda turn: png_with([(b"eXIf", exif(turn))]),
    "late PNG": lambda turn: png_with([(b"eXIf", exif(turn))], late=True),
    "XMP in PNG": lambda turn: png_with([(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(turn))]),
    "raw profile in PNG": lambda turn: png_with([(b"zTXt", raw_profile(exif(turn)))]),
    "WEBP": lambda turn: turned_webp(exif=exif(turn)),
    "XMP in WEBP": lambda turn: turned_webp(xmp=xmp(turn)),
    "AVIF": lambda turn: encode(picture(9, (40, 24)), "AVIF", exif=exif(turn)),
}


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", TURNED)
def test_orientation_is_applied_wherever_a_reader_would_find_it(
    kind: str, orientation: int
) -> None:
    data = TURNED[kind](orientation)
    stored = pixels_of(data)
    image = read(data)
    assert_normal(image, ("format",) * (kind == "AVIF") + ("orientation",))
    width, height = (24, 40) if orientation >= 5 else (40, 24)
    assert (image.width, image.height) == (width, height)
    upright = pixels_of(image.data)
    for x, y in product(range(width), range(height)):
        from_x, from_y = TURNS[orientation](x, y, 40, 24)
        assert upright[y * width + x] == stored[from_y * 40 + from_x]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_is_turned_once_since_pillow_does_it(orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    image = read(encode(picture(9, (40, 24)), "TIFF", exif=tags))
    assert_normal(image, ("format",))
    width, height = (24, 40) if orientation >= 5 else (40, 24)
    assert (image.width, image.height) == (width, height)
    stored, upright = picture(9, (40, 24)), Image.open(io.BytesIO(image.data))
    for x, y in product(range(width), range(height)):
        from_place = TURNS[orientation](x, y, 40, 24)
        assert upright.getpixel((x, y)) == stored.getpixel(from_place)


@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_jpeg_becomes_rgb(progressive: bool) -> None:
    data = encode(picture(3, mode="CMYK"), "JPEG", quality=100, progressive=progressive)
    image = read(data)
    assert_normal(image, ("cmyk",))
    inks = Image.open(io.BytesIO(data)).tobytes()
    for place, seen in enumerate(pixels_of(image.data)):
        c, m, y, k = inks[4 * place : 4 * place + 4]
        expected = [(255 - ink) * (255 - k) / 255 for ink in (c, m, y)]
        assert all(abs(was - now) <= 1 for was, now in zip(expected, seen, strict=True))


def srgb_of_linear(value: int) -> float:
    """The sRGB transfer function (IEC 61966-2-1)."""
    share = value / 255
    encoded = 12.92 * share if share <= 0.0031308 else 1.055 * math.pow(share, 1 / 2.4) - 0.055
    return 255 * encoded


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_colours_of_another_profile_become_srgb(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(picture(8), kind, icc_profile=linear_profile(), **options)
    image = read(data)
    assert_normal(image, ("format",) * (kind == "TIFF") + ("profile",))
    for stored, seen in zip(pixels_of(data), pixels_of(image.data), strict=True):
        assert all(abs(srgb_of_linear(v) - s) <= 2 for v, s in zip(stored, seen, strict=True))


@pytest.mark.parametrize("colour", [GREY, GREY_ALPHA])
def test_grey_of_another_profile_becomes_srgb(colour: int) -> None:
    rows = grid(channels=awkward.CHANNELS[colour])
    chunk = (b"iCCP", b"linear\0\0" + zlib.compress(linear_profile(grey=True)))
    image = read(png(rows, colour, chunks=[chunk]))
    assert_normal(image, ("alpha",) * (colour == GREY_ALPHA) + ("profile",))
    for stored, seen in zip(flat(rows, lambda *v: v), pixels_of(image.data), strict=True):
        alpha = stored[1] if colour == GREY_ALPHA else 255
        expected = on_white((round(srgb_of_linear(stored[0])),) * 3, alpha)
        assert all(abs(was - now) <= 2 for was, now in zip(expected, seen, strict=True))


@pytest.mark.parametrize("profile", [b"", b"no profile", linear_profile(grey=True)])
def test_a_profile_that_cannot_be_used_is_ignored_as_everywhere(profile: bytes) -> None:
    data = encode(picture(8), "WEBP", lossless=True, icc_profile=profile)
    assert read(data).actions == ()


JPEG = encode(picture(8), "JPEG")
LONG_TEXT = (b"zTXt", b"a\0\0" + zlib.compress(bytes(2 << 20)))  # Pillow unpacks one megabyte
WEBP = riff_chunks(encode(picture(8), "WEBP", lossless=True))
STOPS_A_READER = {
    "png with a long text": png(grid(channels=3), chunks=[LONG_TEXT]),
    "png with a long text at its end": png(grid(channels=3), late_chunks=[LONG_TEXT]),
    "png with a long profile": png(grid(channels=3), chunks=[(b"iCCP", LONG_TEXT[1])]),
    "png with no profile in its chunk": png(grid(channels=3), chunks=[(b"iCCP", b"")]),
    "png with half of a resolution": png(grid(channels=3), chunks=[(b"pHYs", b"\0\0")]),
    "png with exif that is none": png(grid(channels=3), chunks=[(b"eXIf", b"garbage!")]),
    "png with late exif that is none": png(grid(channels=3), late_chunks=[(b"eXIf", b"garbage!")]),
    "jpeg with half of a header": with_segments(JPEG, segment(0xE0, b"JFIF\0\1")),
    "jpeg with half of a profile": with_segments(JPEG, segment(0xE2, b"ICC_PROFILE\0\1")),
    "webp with exif that is none": riff(
        extended(64, 48, 0x08), (b"VP8L", WEBP[b"VP8L"]), (b"EXIF", b"garbage!")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS_A_READER)
@pytest.mark.parametrize("verify", list(Verify))
def test_metadata_that_stops_a_reader_is_left_away_and_the_picture_kept(
    name: str, verify: Verify
) -> None:
    data = STOPS_A_READER[name]
    image = read(data, verify)
    assert_normal(image, ("metadata",))
    whole = JPEG if name.startswith("jpeg") else riff((b"VP8L", WEBP[b"VP8L"]))
    expected = flat(grid(channels=3), lambda *v: v) if name.startswith("png") else pixels_of(whole)
    assert pixels_of(image.data) == expected


def test_a_profile_in_several_parts_is_joined_in_their_order() -> None:
    profile = linear_profile()
    parts = [
        segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 2]) + part)
        for number, part in ((2, profile[200:]), (1, profile[:200]))
    ]
    data = with_segments(encode(picture(8), "JPEG", quality=100), *parts)
    image = read(data)
    assert_normal(image, ("profile",))
    for stored, seen in zip(pixels_of(data), pixels_of(image.data), strict=True):
        assert all(abs(srgb_of_linear(v) - s) <= 2 for v, s in zip(stored, seen, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_of_a_profile_become_what_they_print(kind: str) -> None:
    options = {"quality": 100} if kind == "JPEG" else {}
    data = encode(Image.new("CMYK", (32, 32), 0), kind, icc_profile=ink_profile(), **options)
    image = read(data)
    assert_normal(image, ("format",) * (kind == "TIFF") + ("cmyk", "profile"))
    # Paper of lightness 50 is a grey of 119; without the profile it would be white.
    assert all(abs(value - 119) <= 2 for pixel in pixels_of(image.data) for value in pixel)


@pytest.mark.parametrize("profile", [b"no profile", linear_profile()])
def test_inks_of_a_profile_that_is_for_none_are_as_without(profile: bytes) -> None:
    data = encode(picture(3, mode="CMYK"), "JPEG", icc_profile=profile)
    plain = encode(picture(3, mode="CMYK"), "JPEG")
    assert read(data).actions == ("cmyk",)
    assert read(data).data == read(plain).data


@pytest.mark.parametrize(
    ("colour", "bits", "chunks"),
    [
        (GREY, 2, [(b"tRNS", b"\0\1")]),
        (GREY, 8, [(b"tRNS", b"\0\x07")]),
        (GREY, 16, []),
        (GREY, 16, [(b"tRNS", b"\0\x07")]),
        (GREY_ALPHA, 16, []),
    ],
)
@pytest.mark.parametrize("grey", [True, False])
def test_a_grey_profile_is_for_grey_whatever_else_the_picture_has(
    colour: int, bits: int, chunks: list[tuple[bytes, bytes]], *, grey: bool
) -> None:
    rows = grid(channels=awkward.CHANNELS[colour], top=2**bits - 1)
    profile = b"linear\0\0" + zlib.compress(linear_profile(grey=grey))
    with_profile = read(png(rows, colour, bits, [*chunks, (b"iCCP", profile)]))
    without = read(png(rows, colour, bits, chunks)) if chunks or bits == 16 else None
    assert ("profile" in with_profile.actions) == grey
    assert without is not None
    if not grey:
        assert with_profile.data == without.data
        return
    clear = int.from_bytes(chunks[0][1], "big") if chunks else None
    for (value, *rest), seen in zip(
        flat(rows, lambda *v: v), pixels_of(with_profile.data), strict=True
    ):
        shade = value >> 8 if bits == 16 else value * 255 // (2**bits - 1)
        alpha = rest[0] >> 8 if rest else 255 * (value != clear)
        expected = on_white((round(srgb_of_linear(shade)),) * 3, alpha)
        assert all(abs(was - now) <= 2 for was, now in zip(expected, seen, strict=True))


def test_a_profile_is_srgb_by_what_it_does_within_two_steps() -> None:
    # sRGB's own curve scaled so that white comes out two steps darker, and four.
    def scaled(share: float) -> bytes:
        points = [round(65535 * share * _linear_of_srgb(value)) for value in range(256)]
        return linear_profile(curve=points)

    near, far = (
        encode(picture(4), "WEBP", lossless=True, icc_profile=scaled(s)) for s in (0.99, 0.94)
    )
    assert read(near).actions == ()
    assert read(far).actions == ("profile",)


def _linear_of_srgb(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def test_alpha_of_a_lossless_webp_goes_on_white() -> None:
    source = picture(4)
    source.putalpha(Image.linear_gradient("L").resize(source.size))
    data = encode(source, "WEBP", lossless=True, exact=True)
    assert set(riff_chunks(data)) == {b"VP8L"}
    image = read(data)
    assert_normal(image, ("alpha",))
    raw = source.tobytes()
    values = [tuple(raw[place : place + 4]) for place in range(0, len(raw), 4)]
    assert pixels_of(image.data) == [on_white(pixel[:3], pixel[3]) for pixel in values]


@pytest.mark.parametrize("marker", [*range(0xC3, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)])
def test_a_jpeg_coding_that_few_decoders_know_never_passes_as_it_is(marker: int) -> None:
    data = encode(picture(4), "JPEG")
    if marker == 0xC4:
        return  # Huffman tables, and no frame
    changed = data.replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    with contextlib.suppress(UnusableImage):
        assert read(changed).actions[0] == "format"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_kept(kind: str) -> None:
    frames = [picture(seed, mode="P" if kind == "GIF" else "RGB") for seed in (1, 2, 3)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    image = read(data)
    assert "animation" in image.actions
    assert_normal(image, image.actions)
    assert pixels_of(image.data) == pixels_of(data)


OTHERS = {
    "AVIF": {"quality": 100}, "BMP": {}, "GIF": {}, "JPEG2000": {"irreversible": False},
    "PPM": {}, "TIFF": {"compression": "tiff_lzw"},
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_become_png(kind: str) -> None:
    data = encode(picture(4), kind, **OTHERS[kind])
    image = read(data)
    assert image.actions[0] == "format"
    assert_normal(image, image.actions)
    assert pixels_of(image.data) == pixels_of(data)


def test_postscript_is_refused_since_reading_it_would_run_a_program() -> None:
    with pytest.raises(UnusableImage) as error:
        read(encode(picture(1), "EPS"))
    assert error.value.reason is Reason.UNKNOWN_FORMAT


def test_sixteen_bit_grey_of_another_format_keeps_its_high_byte() -> None:
    values = [(x * 2113 + y * 977) % 65536 for y in range(SIDE) for x in range(SIDE)]
    big = b"".join(value.to_bytes(2, "big") for value in values)
    image = read(b"P5 %d %d 65535\n" % (SIDE, SIDE) + big)
    assert_normal(image, ("format", "depth"))
    assert pixels_of(image.data) == [(value >> 8,) * 3 for value in values]


def test_premultiplied_grey_of_a_tiff_goes_on_white() -> None:
    shades, alphas = Image.linear_gradient("L").resize((32, 32)), Image.new("L", (32, 32), 128)
    source = Image.merge("LA", (shades, alphas))
    image = read(encode(source, "TIFF", tiffinfo={338: 1}))  # associated alpha
    assert_normal(image, ("format", "alpha"))


@pytest.mark.parametrize(("bits", "photometric"), [(12, 1), (16, 0)])
def test_a_tiff_that_pillow_does_not_scale_is_refused_not_guessed(
    bits: int, photometric: int
) -> None:
    grey = Image.new("I;16", (32, 32), 1000)
    data = bytearray(encode(grey, "TIFF"))
    _set_tiff_tag(data, 258, bits)
    _set_tiff_tag(data, 262, photometric)
    with pytest.raises(UnusableImage) as error:
        read(bytes(data))
    assert error.value.reason is Reason.UNDECODABLE


def _set_tiff_tag(data: bytearray, tag: int, value: int) -> None:
    place = data.index(struct.pack("<HHI", tag, 3, 1), int.from_bytes(data[4:8], "little"))
    data[place + 8 : place + 10] = value.to_bytes(2, "little")


@pytest.mark.parametrize("kind", ["I", "F"])
def test_numbers_without_a_range_are_refused(kind: str) -> None:
    with pytest.raises(UnusableImage) as error:
        read(encode(picture(1, mode="L").convert(kind), "TIFF"))
    assert error.value.reason is Reason.UNDECODABLE


def test_normal_form_has_the_same_bytes_each_time() -> None:
    data = encode(picture(3, mode="RGBA"))
    assert read(data).data == read(data).data


def test_a_picture_is_normalised_once_however_often_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = ImageReader()
    data = encode(picture(3, mode="RGBA"))
    first = reader.read(data)
    monkeypatch.setattr("mico_150k.images.reader.normalise", None)
    assert reader.read(bytes(data)) is first


def test_normalised_pictures_are_held_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ImageReader()
    first, second = (encode(picture(seed, mode="RGBA")) for seed in (3, 4))
    monkeypatch.setattr("mico_150k.images.reader.CACHED_BYTES", len(reader.read(first).data))
    kept = reader.read(second)
    assert reader.read(second) is kept
    assert reader.read(first) is not reader.read(second)
    again = reader.read(first)
    assert again is reader.read(first)
    assert reader.read(second) is not kept


def test_the_content_decides_the_format_and_not_a_name() -> None:
    # A path's ending never reaches the reader: a WebP called .png is a WebP.
    assert read(encode(picture(1), "WEBP")).format == "WEBP"


def test_the_process_wide_switch_for_truncated_files_is_not_heeded_and_left_as_it_was() -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with pytest.raises(UnusableImage):
            read(encode(picture(1), "BMP")[:-40])
        assert ImageFile.LOAD_TRUNCATED_IMAGES
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def test_a_remark_behind_the_pixels_makes_no_probe_decode_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[object] = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda self: decoded.append(self) or load(self)
    )
    for chunk, decodes in (
        ((b"tEXt", b"Comment\0made by hand"), False),
        ((b"tEXt", b"exif\0made by hand"), True),
        ((b"tEXt", b"Comment\0" + b"x" * 5000), True),
        ((b"zTXt", b"Comment\0\0" + zlib.compress(b"made by hand")), True),
    ):
        decoded.clear()
        probe(png(grid(channels=3), late_chunks=[chunk]), Verify.STRUCTURE)
        assert bool(decoded) is decodes, chunk
