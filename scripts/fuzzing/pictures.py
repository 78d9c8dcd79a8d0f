"""Small pictures in every form that a build takes: some that pass, some that are normalised."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from mico_150k.sources import drawing

SIDES = ((64, 64), (80, 48), (48, 96))
DRAWN = (drawing.draw_ball, drawing.draw_mug, drawing.draw_girl, drawing.draw_boat)
TURNED = 6
"""EXIF's word for a picture that lies on its side."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture. `plain` is whether its bytes are to stay as they are."""

    name: str
    data: bytes
    plain: bool


def pictures() -> Iterator[Picture]:
    """All of them, each whole and readable."""
    for number, draw in enumerate(DRAWN):
        cutout = drawing.thing(draw)
        picture = drawing.on_paper(cutout).resize(SIDES[number % len(SIDES)])
        yield _saved(f"png-{number}", picture, "PNG")
        yield _saved(f"jpeg-{number}", picture, "JPEG", quality=90)
        yield _saved(f"webp-{number}", picture, "WEBP", quality=80)
    yield _saved("jpeg-progressive", picture, "JPEG", progressive=True)
    yield _saved("jpeg-restarts", picture, "JPEG", restart_marker_blocks=4)
    yield _saved("jpeg-grey", picture.convert("L"), "JPEG")
    yield _saved("png-grey", picture.convert("L"), "PNG")
    yield _saved("webp-lossless", picture, "WEBP", lossless=True)
    exif = Image.Exif()
    exif[0x0112] = TURNED
    yield _saved("jpeg-turned", picture, "JPEG", plain=False, exif=exif)
    yield _saved("webp-turned", picture, "WEBP", plain=False, exif=exif)
    yield _saved("jpeg-cmyk", picture.convert("CMYK"), "JPEG", plain=False)
    yield _saved("png-palette", picture.quantize(16), "PNG", plain=False)
    yield _saved("png-alpha", cutout.resize((64, 64)), "PNG", plain=False)
    yield _saved("webp-alpha", cutout.resize((64, 64)), "WEBP", plain=False)
    yield _saved("png-deep", picture.convert("I;16"), "PNG", plain=False)
    more = [picture.rotate(90), picture.rotate(180)]
    for name in ("gif", "webp", "png"):
        yield _saved(
            f"{name}-moving", picture, name.upper(), plain=False, save_all=True, append_images=more
        )
    yield _saved("bmp", picture, "BMP", plain=False)
    yield _saved("tiff", picture, "TIFF", plain=False, compression="tiff_lzw")


def _saved(
    name: str, image: Image.Image, kind: str, *, plain: bool = True, **options: object
) -> Picture:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return Picture(name, file.getvalue(), plain)
