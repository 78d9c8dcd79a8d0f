"""What the VQ sees of a picture."""

import numpy as np
import pytest
from PIL import Image

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.pretokenize.crop import crop, crop_all, on_white

from ..factories import encode, picture


def test_the_middle_is_kept_and_the_same_each_time() -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    found = on_white(crop(image, (96, 96)))
    assert found.shape == (96, 96, 3)
    assert (found[:, 3:-3] == (0, 0, 255)).all()
    assert (found == on_white(crop(image, (96, 96)))).all()


@pytest.mark.parametrize("sides", [(33, 1000), (1000, 33), (97, 95), (16, 16), (2000, 1999)])
def test_the_shape_is_covered_whatever_the_picture(sides: tuple[int, int]) -> None:
    (found,) = crop_all(encode(picture(1, sides)), sides, ((128, 96),))
    assert found.shape == (96, 128, 3)


def test_one_decoding_gives_every_shape() -> None:
    data = encode(picture(1, (200, 100)))
    found = crop_all(data, (200, 100), ((128, 64), (64, 64)))
    assert [pixels.shape for pixels in found] == [(64, 128, 3), (64, 64, 3)]


def test_what_is_transparent_is_white() -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2] = (200, 0, 0, 255)
    clear[3] = (200, 0, 0, 51)
    found = on_white(Image.fromarray(clear))
    assert found[:, 0].tolist() == [[200, 0, 0], [200, 0, 0], [255, 255, 255], [244, 204, 204]]
    grey = on_white(Image.new("LA", (1, 1), (10, 0)))
    assert grey.tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert on_white(picture(1, (8, 8), mode)).shape == (8, 8, 3)


def test_a_picture_that_was_exchanged_or_is_broken_is_a_fault() -> None:
    data = encode(picture(1, (64, 64)))
    with pytest.raises(UnusableImage, match="64 × 64 pixels, where 64 × 65 were"):
        crop_all(data, (64, 65), ((32, 32),))
    photo = encode(picture(1, (64, 64)), "JPEG")
    for broken, reason in (
        (photo[: len(photo) - 200], Reason.UNDECODABLE),
        (data[: len(data) // 2], Reason.TRUNCATED),
    ):
        with pytest.raises(UnusableImage) as found:
            crop_all(broken, (64, 64), ((32, 32),))
        assert found.value.reason is reason
