"""Pictures that look the same though their bytes differ: encoded again, or resized.

A perceptual hash (imagehash's `phash`: 256 signs of the low frequencies of the grey picture)
stays nearly the same then. Measured on photos and composites of them: at most 6 bits change by
JPEG or WebP at quality 30 to 95, a quarter of the size, or 128 by 128; the two most alike of 124
different pictures differ in 26. Cropped, mirrored or repainted pictures are not found.
"""

import io
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from mico_150k import names
from mico_150k.background import in_order
from mico_150k.bench import Bench, BenchCase
from mico_150k.dataset import Dataset
from mico_150k.errors import UsageError
from mico_150k.refine.fates import Fates
from mico_150k.sample import Buffer

MOST_DIFFERENT_BITS = 16
"""Of 256. More than twice what encoding again changes in a photo, and well below the 26 of the
two most alike pictures that are not the same."""
LEAST_BITS = 96
"""A picture has some 128 signs set, half of all. One with fewer is flat, like a white page: its
hash is noise, and says nothing of another's."""
COMPARED_AT_ONCE = 8192

Hash = bytes
"""32 bytes: 256 signs."""

_HASH_SIDE = 16
_TABLE = "create table if not exists phash256 (digest text primary key, hash blob not null)"
_SAVED_EVERY = 256
_DECODED = ("JPEG", "PNG", "WEBP")


def require_imagehash() -> None:
    """Raise `UsageError` where the library is not installed."""
    try:
        import imagehash  # noqa: F401
    except ImportError as error:
        msg = (
            "near duplicates are found with the package imagehash, which is not here: "
            "pip install '.[bench]' in the clone of mico-150k.\n"
            "--exact goes without it, and finds what has the same bytes."
        )
        raise UsageError(msg) from error


def hash_of(data: Buffer) -> Hash:
    """The perceptual hash of an encoded picture."""
    import imagehash

    with Pillow.open(io.BytesIO(data), formats=_DECODED) as image:
        image.draft("L", (_HASH_SIDE * 16, _HASH_SIDE * 16))  # a JPEG is decoded to less
        signs = imagehash.phash(image.convert("RGB"), hash_size=_HASH_SIDE).hash
    return np.packbits(signs.ravel()).tobytes()


class HashCache:
    """Perceptual hashes by digest, kept between runs: decoding a terabyte takes hours.

    `~/.cache/mico-150k/phash.sqlite`, or below `XDG_CACHE_HOME`.
    """

    def __init__(self, path: Path | None = None) -> None:
        """`path` is the file, made where it is not. Raises `UsageError` where it cannot be."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._path = path or home / "mico-150k" / "phash.sqlite"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            msg = (
                f"{self._path}: hashes cannot be kept there: {error}\n"
                "XDG_CACHE_HOME=FOLDER keeps them elsewhere; remove the file if it is damaged."
            )
            raise UsageError(msg) from error

    def read(self, digests: Iterable[str]) -> dict[str, Hash]:
        """Those of these digests that are known."""
        wanted = set(digests)
        with closing(self._connect()) as connection:
            rows = connection.execute("select digest, hash from phash256")
            return {digest: found for digest, found in rows if digest in wanted}

    def add(self, hashes: Mapping[str, Hash]) -> None:
        """Keep these."""
        with closing(self._connect()) as connection, connection:
            connection.executemany("insert or ignore into phash256 values (?, ?)", hashes.items())

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)


def hash_rows(
    dataset: Dataset,
    fates: Fates,
    cache: HashCache,
    on_progress: Callable[[int, int], None] = lambda _, __: None,
) -> dict[str, Hash]:
    """The hash of each picture of the rows that are kept; each unknown one is decoded once.

    `on_progress` is told how many of how many unknown pictures are hashed.
    """
    digests = {digest for place in fates.kept() for digest in fates.rows[place].digests}
    known = cache.read(digests)
    unknown = digests - known.keys()
    total = len(unknown)
    pictures = _pictures(dataset, fates, unknown)
    for number, (digest, found) in enumerate(_hashed(pictures, cache), 1):
        known[digest] = found
        on_progress(number, total)
    return known


def hash_bench(bench: Bench, cache: HashCache) -> dict[str, Hash]:
    """The hash of each picture of the benchmark's usable cases."""
    images = {
        image.digest: image.data
        for case in bench.cases()
        if isinstance(case, BenchCase)
        for image in case.sample.images
    }
    known = cache.read(images)
    unknown = ((digest, data) for digest, data in images.items() if digest not in known)
    return {**known, **dict(_hashed(unknown, cache))}


def _pictures(dataset: Dataset, fates: Fates, unknown: set[str]) -> Iterator[tuple[str, Buffer]]:
    """Each unknown picture once, from the first row that has it."""
    waiting = set(unknown)
    first = [place for place in fates.kept() if _takes(waiting, fates.rows[place].digests)]
    for split in (names.SPLIT, names.VALIDATION):
        of_split = [place for place in first if fates.rows[place].split == split]
        with closing(dataset.samples(fates.index_of(of_split), split)) as groups:
            for image in (image for group in groups for row in group for image in row.images):
                if image.digest in unknown:
                    unknown.discard(image.digest)
                    yield image.digest, image.data


def _takes(waiting: set[str], digests: Iterable[str]) -> bool:
    """Whether any of them is waited for; none is then."""
    found = waiting.intersection(digests)
    waiting -= found
    return bool(found)


def _hashed(
    pictures: Iterable[tuple[str, Buffer]], cache: HashCache
) -> Generator[tuple[str, Hash], None, None]:
    """Hash on all cores, and keep what is hashed now and then."""
    waiting: dict[str, Hash] = {}
    calls = (partial(_hash_one, digest, data) for digest, data in pictures)
    try:
        with closing(in_order(calls, os.cpu_count() or 1)) as results:
            for digest, found in results:
                waiting[digest] = found
                if len(waiting) >= _SAVED_EVERY:
                    cache.add(waiting)
                    waiting = {}
                yield digest, found
    finally:
        cache.add(waiting)


def _hash_one(digest: str, data: Buffer) -> tuple[str, Hash]:
    return digest, hash_of(data)


def find_alike(ours: Mapping[str, Hash], theirs: Mapping[str, Hash]) -> dict[str, frozenset[str]]:
    """Which of `theirs` each of `ours` looks like, by digest; those that look like none left out.

    Every pair is compared: a product of two matrices of ±1 counts the signs that agree.
    """
    our_names, our_signs = _signs(ours)
    their_names, their_signs = _signs(theirs)
    alike: dict[str, frozenset[str]] = {}
    if not their_names:
        return alike
    bits = their_signs.shape[1]
    for start in range(0, len(our_names), COMPARED_AT_ONCE):
        agreeing = our_signs[start : start + COMPARED_AT_ONCE] @ their_signs.T
        near = np.argwhere(agreeing >= bits - 2 * MOST_DIFFERENT_BITS)
        found: dict[int, list[str]] = {}
        for our, their in near.tolist():
            found.setdefault(our, []).append(their_names[their])
        for our, like in found.items():
            alike[our_names[start + our]] = frozenset(like)
    return alike


def _signs(hashes: Mapping[str, Hash]) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Digests, and a row of ±1 for each; without flat pictures."""
    digests = sorted(hashes)
    packed = np.frombuffer(b"".join(hashes[digest] for digest in digests), np.uint8)
    bits = np.unpackbits(packed.reshape(len(digests), _HASH_SIDE**2 // 8), axis=1)
    telling = bits.sum(axis=1) >= LEAST_BITS
    kept = [digest for digest, tells in zip(digests, telling.tolist(), strict=True) if tells]
    return kept, bits[telling].astype(np.float32) * 2 - 1
