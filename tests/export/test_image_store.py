"""The image store: each content once, whole or not there."""

from pathlib import Path

import pytest
import xxhash

from mico_150k.errors import BrokenFile
from mico_150k.export.image_store import ImageStore
from mico_150k.sample import Image

from ..factories import encode, picture


def image(seed: int = 0, image_format: str = "PNG") -> Image:
    data = encode(picture(seed), image_format)
    return Image(data, image_format, 64, 48, xxhash.xxh3_128_hexdigest(data))


@pytest.mark.parametrize(
    ("image_format", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")]
)
def test_an_image_is_its_bytes_under_its_digest_and_its_real_formats_ending(
    tmp_path: Path, image_format: str, ending: str
) -> None:
    store = ImageStore(tmp_path / "images")
    one = image(image_format=image_format)
    assert store.put(one) == len(one.data)
    path = tmp_path / "images" / one.digest[:2] / f"{one.digest}.{ending}"
    assert path.read_bytes() == one.data
    assert store.put(one) == 0


def test_an_image_that_is_not_what_the_index_says_is_refused(tmp_path: Path) -> None:
    other = Image(image(1).data, "PNG", 64, 48, image(2).digest)
    with pytest.raises(BrokenFile, match="not the one that the index names"):
        ImageStore(tmp_path).put(other)
    assert not list(tmp_path.rglob("*.png"))


def test_what_is_settled_is_known_to_the_next_export_and_nothing_else_is(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    one, two = image(1), image(2)
    for each in (one, two):
        store.put(each)
    store.settle([one.digest])
    assert ImageStore(tmp_path).known == {one.digest}


def test_an_image_that_a_power_cut_has_emptied_is_written_again(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    one = image()
    store.put(one)
    path = tmp_path / ImageStore.name(one.digest, one.format)
    path.write_bytes(b"")
    assert store.put(one) == len(one.data)
    assert path.read_bytes() == one.data


def test_lists_of_two_exports_do_not_hide_each_other(tmp_path: Path) -> None:
    one, two = image(1), image(2)
    first, second = ImageStore(tmp_path), ImageStore(tmp_path)
    first.settle([one.digest])
    second.settle([two.digest])
    assert ImageStore(tmp_path).known == {one.digest, two.digest}
