"""An image cell is 8-bit RGB, on white, whatever it was."""

import pytest
from PIL import Image

from mico_150k.trainers.rgb import open_rgb

from ..factories import encode, picture


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 0)).convert(mode)
    options = {"transparency": 0} if mode == "P" else {}
    opened = open_rgb({"bytes": encode(image, **options), "path": None})
    assert opened.mode == "RGB"
    assert opened.getpixel((3, 3)) == (255, 255, 255)


def test_an_opaque_picture_is_what_it_was() -> None:
    opened = open_rgb(encode(picture(3)))
    assert opened.tobytes() == picture(3).tobytes()
    assert open_rgb(encode(picture(3, mode="L"))).mode == "RGB"
