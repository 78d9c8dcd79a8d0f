"""Rows that are in the benchmark are found by bytes and by looks; others are not."""

import io
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from mico_150k.core.errors import UsageError
from mico_150k.dataset.index import NEAR_INPUTS, NEAR_OUTPUT, SAME_INPUTS, SAME_OUTPUT
from mico_150k.refine.assignment import Row
from mico_150k.refine.contamination import CaseDigests, Overlap, find_overlaps
from mico_150k.refine.perceptual_hash import (
    LEAST_SIGNS,
    MOST_DIFFERENT_SIGNS,
    FingerprintCache,
    find_alike,
    fingerprint_of,
)

from ..factories import encode, garment, picture

pytest.importorskip("imagehash", reason="near duplicates are found with the extra `bench`")

CASE = CaseDigests("hoi/1", ("a", "b", "c"), "out")


def found(
    *digests: str, alike: dict[str, frozenset[str]] | None = None, case: CaseDigests = CASE
) -> Overlap | None:
    row = Row("train", 0, 0, "hoi/77", "hoi", digests)
    return dict(find_overlaps([(0, row)], [case], alike)).get(0)


def test_the_same_output_is_found() -> None:
    assert found("x", "y", "out") == Overlap(SAME_OUTPUT, "hoi/1")


def test_the_same_inputs_are_found_in_any_order() -> None:
    assert found("c", "a", "b", "other") == Overlap(SAME_INPUTS, "hoi/1")


@pytest.mark.parametrize("inputs", ["ab", "abcd", "abx", "aab", "aabc"])
def test_other_inputs_are_not_the_same(inputs: str) -> None:
    assert found(*inputs, "other") is None
    assert found(*inputs, "other", alike={"a": frozenset("a")}) is None


def test_near_duplicates_are_found_where_each_input_has_its_own() -> None:
    alike = {"b2": frozenset("b"), "c2": frozenset("bc"), "out2": frozenset({"out"})}
    assert found("x", "out2", alike=alike) == Overlap(NEAR_OUTPUT, "hoi/1")
    assert found("c2", "b2", "a", "other", alike=alike) == Overlap(NEAR_INPUTS, "hoi/1")
    assert found("b2", "b", "a", "other", alike=alike) is None
    assert found("c2", "b2", "other", alike=alike) is None


def noise(seed: int, size: tuple[int, int] = (256, 192)) -> Image.Image:
    """A picture with structure at all sizes, as photos have: blurred noise over a drawing."""
    import random

    rng = random.Random(seed)
    small = Image.frombytes("RGB", (12, 9), rng.randbytes(12 * 9 * 3))
    rough = small.resize(size, Image.Resampling.BICUBIC)
    return Image.blend(rough, picture(seed, size), 0.3)


def alike(one: Image.Image | bytes, other: Image.Image | bytes) -> bool:
    data = [image if isinstance(image, bytes) else encode(image) for image in (one, other)]
    return bool(find_alike({"one": fingerprint_of(data[0])}, {"other": fingerprint_of(data[1])}))


@pytest.mark.parametrize("seed", range(6))
def test_a_picture_encoded_again_or_resized_looks_the_same(seed: int) -> None:
    image = noise(seed)
    assert alike(image, encode(image, "JPEG", quality=60))
    assert alike(image, encode(image, "WEBP", quality=60))
    assert alike(image, image.resize((128, 96)))
    assert alike(image, encode(image.resize((512, 384)), "JPEG", quality=75))


@pytest.mark.slow
def test_other_pictures_do_not() -> None:
    images = [noise(seed) for seed in range(12)]
    assert not any(alike(one, other) for one, other in combinations(images, 2))


def test_a_pale_picture_encoded_again_looks_the_same_and_another_pale_one_does_not() -> None:
    paper = Image.new("RGB", (256, 192), "ivory")
    images = [Image.blend(paper, noise(seed), 0.08) for seed in range(6)]
    copies = [encode(image, "JPEG", quality=70) for image in images]
    assert all(alike(image, copy) for image, copy in zip(images, copies, strict=True))
    decoded = [Image.open(io.BytesIO(copy)) for copy in copies]
    signs = [signs_that_differ(*pair) for pair in zip(images, decoded, strict=True)]
    assert max(signs) > MOST_DIFFERENT_SIGNS
    assert not any(alike(one, other) for one, other in combinations(images, 2))


def signs_that_differ(one: Image.Image, other: Image.Image) -> int:
    signs = (int.from_bytes(fingerprint_of(encode(image))[:32], "big") for image in (one, other))
    return (next(signs) ^ next(signs)).bit_count()


@pytest.mark.parametrize("other", ["blue", "green", "black", "maroon", "orange", "gray"])
def test_a_garment_in_another_colour_is_another_picture(other: str) -> None:
    red = garment("crimson")
    assert signs_that_differ(red, garment(other)) <= MOST_DIFFERENT_SIGNS
    assert not alike(red, garment(other))
    assert not alike(encode(red, "JPEG", quality=40), encode(garment(other), "WEBP", quality=40))
    assert alike(red, encode(red, "JPEG", quality=30))


def test_a_garment_with_something_printed_on_it_is_another_picture() -> None:
    assert not alike(garment("crimson"), garment("crimson", logo="black"))


@pytest.mark.parametrize("seed", range(6))
def test_a_picture_in_other_hues_is_another_and_its_copy_in_grey_is_found(seed: int) -> None:
    image = noise(seed)
    hue, saturation, value = image.convert("HSV").split()
    turned = Image.merge("HSV", [hue.point(lambda at: (at + 64) % 256), saturation, value])
    assert not alike(image, turned.convert("RGB"))
    grey = image.convert("L")
    assert alike(grey, encode(grey, "JPEG", quality=30))
    assert alike(grey, encode(grey.resize((128, 96)).convert("RGB"), "WEBP", quality=60))


def test_a_flat_picture_looks_like_none() -> None:
    white = Image.new("RGB", (64, 64), "white")
    signs = fingerprint_of(encode(white))[:32]
    assert int.from_bytes(signs, "big").bit_count() < LEAST_SIGNS
    assert not alike(white, white)


def test_looks_are_kept_between_runs(tmp_path: Path) -> None:
    looks = {"0" * 32: b"1" * 224, "f" * 32: b"2" * 224}
    FingerprintCache(tmp_path / "below" / "looks.sqlite").add(looks)
    cache = FingerprintCache(tmp_path / "below" / "looks.sqlite")
    assert cache.read(["f" * 32, "a" * 32]) == {"f" * 32: b"2" * 224}


def test_a_cache_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "looks.sqlite").write_bytes(b"no database, but long enough to be taken for one")
    with pytest.raises(UsageError, match="XDG_CACHE_HOME=FOLDER"):
        FingerprintCache(tmp_path / "looks.sqlite")
    with pytest.raises(UsageError, match="XDG_CACHE_HOME=FOLDER"):
        FingerprintCache(tmp_path / "looks.sqlite" / "below" / "looks.sqlite")


def test_a_jpeg_looks_as_its_pixels_are() -> None:
    data = encode(noise(3, (1024, 768)), "JPEG", quality=90)
    decoded = encode(Image.open(io.BytesIO(data)).convert("RGB"))
    assert alike(data, decoded)
