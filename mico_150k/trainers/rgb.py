"""An image cell as a trainer sees it. Light enough to run inside one."""

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image as Pillow

_TRANSPARENT = {"RGBA", "LA", "PA"}


def open_rgb(cell: bytes | Mapping[str, Any]) -> Pillow.Image:
    """Bytes, or `{"bytes": …}`, as a decoded 8-bit RGB image, on white where transparent."""
    data = cell["bytes"] if isinstance(cell, Mapping) else cell
    image: Pillow.Image = Pillow.open(io.BytesIO(data))
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Pillow.new("RGBA", image.size, "white")
        image = Pillow.alpha_composite(white, image)
    return image.convert("RGB")
