"""An image is the same in whatever holds its bytes, and a mistake of ours is no damage of it."""

import array
import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageCms

from mico_150k.core.errors import UnusableImage
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, Sample
from mico_150k.images import color as colour
from mico_150k.images import normalize as normalise
from mico_150k.images import pixels, png
from mico_150k.images.blame import blaming_the_image
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader
from mico_150k.io.cells import image_cells
from mico_150k.sources import open_source
from mico_150k.sources.validate import RowValidator

from ..factories import CELLS, Case, encode, picture, signed_view, write_release
from .awkward import linear_profile


def _cell(arrow_type: pa.DataType) -> Callable[[bytes], Buffer]:
    """What a source yields for a column of this type."""

    def cell(data: bytes) -> Buffer:
        values = [{"bytes": data, "path": None}] if pa.types.is_struct(arrow_type) else [data]
        before = pa.array([*values, *values], arrow_type)[1:]  # a slice, as in a row group
        (found,) = image_cells(before, pytest.fail)
        assert not isinstance(found, bytes)
        return found  # type: ignore[return-value]

    return cell


def _mapped(data: bytes) -> memoryview:
    held = mmap.mmap(-1, len(data))
    held.write(data)
    return memoryview(held)


FORMS: dict[str, Callable[[bytes], Buffer]] = {
    "bytes": bytes,
    "a view of bytes": memoryview,
    "a view of an Arrow buffer": signed_view,
    "a view of a NumPy array": lambda data: memoryview(np.frombuffer(data, np.uint8)),
    "a view of signed numbers": lambda data: memoryview(array.array("b", data)),
    "a bytearray's": lambda data: memoryview(bytearray(data)),
    "a mapped file's": _mapped,
    **{f"a cell of {name}": _cell(CELLS[name]) for name in ("struct", "binary", "large_binary")},
    "a cell of binary_view": _cell(pa.binary_view()),
}
IMAGES = {
    "jpeg": encode(picture(1), "JPEG"),
    "progressive jpeg": encode(picture(2), "JPEG", progressive=True),
    "grey jpeg": encode(picture(2, mode="L"), "JPEG"),
    "cmyk jpeg": encode(picture(2, mode="CMYK"), "JPEG"),
    "png": encode(picture(3)),
    "png with a profile": encode(picture(3), icc_profile=linear_profile()),
    "rgba png": encode(picture(3, mode="RGBA")),
    "webp": encode(picture(4), "WEBP"),
    "gif": encode(picture(4), "GIF"),
    "tiff": encode(picture(4), "TIFF"),
}


@pytest.mark.parametrize("verify", list(Verify))
@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("form", FORMS)
def test_an_image_is_read_alike_whatever_holds_it(form: str, name: str, verify: Verify) -> None:
    expected = ImageReader(verify).read(IMAGES[name])
    image = ImageReader(verify).read(FORMS[form](IMAGES[name]))
    assert image.data == expected.data
    assert (image.digest, image.actions) == (expected.digest, expected.actions)
    if not image.actions:
        assert image.data == IMAGES[name]


@pytest.mark.parametrize("cells", [name for name in CELLS if name != "path"])
def test_decoding_leaves_out_no_good_image_of_a_parquet_file(cells: str, tmp_path: Path) -> None:
    images = tuple(IMAGES[name] for name in ("jpeg", "progressive jpeg", "png", "webp"))
    case = Case("hoi", 7, "all of them", images, IMAGES["grey jpeg"])
    source = open_source(str(write_release(tmp_path / "release", [case], cells=cells)))
    (result,) = RowValidator(Verify.DECODE).examine(source.files[0].read())
    assert isinstance(result, Sample), result
    assert tuple(image.data for image in result.images) == (*images, IMAGES["grey jpeg"])


def test_a_decoder_that_takes_no_such_buffer_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "as_view", lambda data: memoryview(data).cast("b"))
    with pytest.raises(ValueError, match="signed char"):
        ImageReader(Verify.DECODE).read(IMAGES["jpeg"])


MISTAKES = [TypeError, AttributeError, ValueError, NameError, KeyError, IndexError]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_this_package_is_not_blamed_on_an_image(
    mistake: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = compile("def fail(*_, **__): raise mistake('of ours')", "fail", "exec")
    ours = {"__name__": "mico_150k.images.somewhere", "mistake": mistake}
    exec(code, ours)
    for module, name, data in (
        (normalise, "_eight_bits", IMAGES["rgba png"]),
        (normalise, "readable_formats", IMAGES["rgba png"]),
        (png, "_raw_bytes", IMAGES["png"]),
        (ImageCms, "createProfile", encode(picture(5), icc_profile=linear_profile(curve=[0, 9]))),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, ours["fail"])
            patched.setattr(colour, "_known", colour.OrderedDict())
            with pytest.raises(mistake, match="of ours"):
                ImageReader(Verify.DECODE).read(data)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_error_of_pillow_is_blamed_on_the_image(
    mistake: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise mistake(217)

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(UnusableImage, match=mistake.__name__) as error:
        ImageReader().read(IMAGES["rgba png"])
    assert error.value.reason is Reason.UNDECODABLE


def test_memory_that_is_short_is_no_damage() -> None:
    with pytest.raises(MemoryError), blaming_the_image(Reason.CORRUPT):
        raise MemoryError
