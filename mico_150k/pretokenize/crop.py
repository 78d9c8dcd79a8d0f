"""Crops images for the VQ, as 8-bit RGB on white.

It follows upstream's `var_center_crop` and `_whiten_transparency` step by step, except that
upstream crops at a random position, and this module at the center, so that the same image always
has the same codes.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from mico_150k.builders.dimoo_tokens import Shape
from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer
from mico_150k.images.blame import blaming_the_image
from mico_150k.images.probe import probe_to_decode, readable_formats

Pixels = npt.NDArray[np.uint8]
"""An array of height × width × 3."""


def crop_all(data: Buffer, size: Shape, wanted: tuple[Shape, ...]) -> list[Pixels]:
    """Decode an image once, and crop it to each of the shapes.

    Args:
        data: The encoded image.
        size: Width and height from its header when the work was planned.
        wanted: The shapes.

    Returns:
        An array, height × width × 3, for each shape.

    Raises:
        UnusableImage: It does not decode, or has another size.
    """
    probe_to_decode(data)
    with (
        blaming_the_image(Reason.UNDECODABLE),
        Pillow.open(io.BytesIO(data), formats=readable_formats()) as image,
    ):
        image.load()
        if image.size == size:
            return [on_white(crop(image, shape)) for shape in wanted]
        detail = f"{image.width} × {image.height} pixels, where {size[0]} × {size[1]} were"
    raise UnusableImage(Reason.CORRUPT, detail)


def crop(image: Pillow.Image, shape: Shape) -> Pillow.Image:
    """Halve an image while it is twice too large, scale it to cover the shape, then crop it."""
    width, height = shape
    while image.width >= 2 * width and image.height >= 2 * height:
        image = image.resize((image.width // 2, image.height // 2), Pillow.Resampling.BOX)
    scale = max(width / image.width, height / image.height)
    scaled = (round(image.width * scale), round(image.height * scale))
    image = image.resize(scaled, Pillow.Resampling.BICUBIC)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def on_white(image: Pillow.Image) -> Pixels:
    """Return 8-bit RGB; blends transparency with white, rounding down as upstream does."""
    if image.mode == "RGB":
        return np.asarray(image)
    whole = np.asarray(image.convert("RGBA"))
    if not (whole[:, :, 3] < _OPAQUE).any():
        return np.asarray(image.convert("RGB"))
    alpha = whole[:, :, 3:] / float(_OPAQUE)
    blended: Pixels = ((1 - alpha) * _OPAQUE + alpha * whole[:, :, :3]).astype(np.uint8)
    return blended


_OPAQUE = 255
