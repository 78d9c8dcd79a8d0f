"""Rows that are in the benchmark are found by bytes and by looks; others are not."""

import io
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from mico_150k.errors import UsageError
from mico_150k.refine.fates import Row
from mico_150k.refine.near import LEAST_BITS, HashCache, find_alike, hash_of
from mico_150k.refine.overlap import (
    NEAR_INPUTS,
    NEAR_OUTPUT,
    SAME_INPUTS,
    SAME_OUTPUT,
    CaseDigests,
    Overlap,
    find_overlaps,
)

from .factories import encode, picture

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
    return bool(find_alike({"one": hash_of(data[0])}, {"other": hash_of(data[1])}))


@pytest.mark.parametrize("seed", range(6))
def test_a_picture_encoded_again_or_resized_looks_the_same(seed: int) -> None:
    image = noise(seed)
    assert alike(image, encode(image, "JPEG", quality=60))
    assert alike(image, encode(image, "WEBP", quality=60))
    assert alike(image, image.resize((128, 96)))
    assert alike(image, encode(image.resize((512, 384)), "JPEG", quality=75))


def test_other_pictures_do_not() -> None:
    images = [noise(seed) for seed in range(12)]
    assert not any(alike(one, other) for one, other in combinations(images, 2))


def test_a_flat_picture_looks_like_none() -> None:
    white = Image.new("RGB", (64, 64), "white")
    bits = int.from_bytes(hash_of(encode(white)), "big").bit_count()
    assert bits < LEAST_BITS
    assert not alike(white, white)


def test_hashes_are_kept_between_runs(tmp_path: Path) -> None:
    hashes = {"0" * 32: b"1" * 32, "f" * 32: b"2" * 32}
    HashCache(tmp_path / "below" / "phash.sqlite").add(hashes)
    cache = HashCache(tmp_path / "below" / "phash.sqlite")
    assert cache.read(["f" * 32, "a" * 32]) == {"f" * 32: b"2" * 32}


def test_a_cache_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "phash.sqlite").write_bytes(b"no database, but long enough to be taken for one")
    with pytest.raises(UsageError, match="XDG_CACHE_HOME=FOLDER"):
        HashCache(tmp_path / "phash.sqlite")
    with pytest.raises(UsageError, match="XDG_CACHE_HOME=FOLDER"):
        HashCache(tmp_path / "phash.sqlite" / "below" / "phash.sqlite")


def test_a_jpeg_is_hashed_as_its_pixels_are() -> None:
    data = encode(noise(3, (1024, 768)), "JPEG", quality=90)
    decoded = encode(Image.open(io.BytesIO(data)).convert("RGB"))
    assert alike(data, decoded)
