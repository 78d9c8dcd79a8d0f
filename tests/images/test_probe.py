"""What is no image that is read is named in the reason, with the way out."""

import pytest

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.images.reader import ImageReader

from ..core.test_recognize import NAMED
from ..factories import signed_view

CONVERT = "; convert it to JPEG, PNG or WebP"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("HEIC", CONVERT),
        ("a Git LFS pointer", "; `git lfs pull` fetches the file"),
        ("HTML", "; a page (a login or an error) instead of the file"),
        ("SVG", CONVERT),
        ("PDF", CONVERT),
        ("base64 text of a PNG", ""),
    ],
)
def test_what_is_no_image_that_is_read_is_named_in_the_reason(name: str, advice: str) -> None:
    with pytest.raises(UnusableImage) as error:
        ImageReader().read(signed_view(NAMED[name]))
    assert error.value.reason is Reason.UNKNOWN_FORMAT
    assert error.value.detail == f"{name}: this image format is not supported{advice}"


def test_what_nobody_knows_is_shown_by_its_first_bytes() -> None:
    with pytest.raises(UnusableImage, match=r"starts with b'\\x07\\x01\\x02unkno'"):
        ImageReader().read(NAMED[""])


def test_a_broken_tiff_is_named_too() -> None:
    with pytest.raises(UnusableImage, match="TIFF"):
        ImageReader().read(NAMED["TIFF"][:40])
