"""Finds images that look the same though their bytes differ: re-encoded or resized copies.

A copy keeps two properties nearly unchanged, and both must agree: a perceptual hash (imagehash's
`phash`: 256 signs of the low frequencies of the gray image), which sees shapes and no color, and
the mean colors of 8 × 8 fields, by which a garment in another color is another image.

Measured on 24 photos and 40 composites of them: JPEG or WebP at quality 30 to 95, a quarter of the
size, 128 by 128, and all of that in gray, change at most 10 signs and a field's color by 5 of 255;
made small and then encoded at quality 30, 20 signs (one image of 64; the others 12) and 11. The
two most alike of the different images differ in 38 signs. Of 21 photos in which one hue was
shifted by a quarter, most keep all their signs within 16, and each has a field that changed by 24
or more; so have drawn garments in ten colors, by 50. What has hardly any color is the same in
another hue, and a cropped, mirrored or repainted image is not found.

A pale image, such as a wall in soft light, has signs of nearly nothing, and encoding it again
turns more of them; its colors stay. So more signs may differ where the colors agree closely.
Measured on 600 parts of photos and composites in 7 encodings: of 4,200 copies 21 differ in more
than 20 signs, most of them pale; the second pair of limits finds 16 of these. Of 22 million pairs
of images, none that differ in 24 to 60 signs agree in their colors within 8.
"""

import io
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from mico_150k.core.errors import UsageError
from mico_150k.core.sample import Buffer
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset
from mico_150k.io.cache import cache_folder
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import map_ordered
from mico_150k.refine.assignment import RowAssignments
from mico_150k.refine.options import OnStep

MOST_DIFFERENT_SIGNS = 20
"""Of 256: what a small copy at quality 30 changes in a photo."""
MOST_DIFFERENT_COLOUR = 16
"""Of 255, in the field and the channel that differ most: between what encoding again changes, and
what another color does."""
MOST_DIFFERENT_SIGNS_OF_PALE = 48
MOST_DIFFERENT_COLOUR_OF_PALE = 6
"""The same of images whose colors agree so closely."""
LEAST_SIGNS = 96
"""An image has some 128 signs set, half of all. One with fewer is flat, like a white page: its
hash is noise, and says nothing of another's."""
COMPARED_AT_ONCE = 8192

ImageFingerprint = bytes
"""How an image looks, in 224 bytes: 256 signs, then the red, green and blue of 64 fields."""

_SIGNS_SIDE, _FIELDS_SIDE = 16, 8
_SIGN_BYTES, _COLOUR_BYTES = _SIGNS_SIDE**2 // 8, 3 * _FIELDS_SIDE**2
_DECODED = ("JPEG", "PNG", "WEBP")
_KEPT_EVERY = 256
_TABLE = "create table if not exists looks (digest text primary key, look blob not null)"
"""Whatever else makes a fingerprint gives the table another name: no old one is taken for it."""


def require_imagehash() -> None:
    """Raise `UsageError` if imagehash is not installed."""
    try:
        import imagehash  # noqa: F401
    except ImportError as error:
        msg = (
            "near duplicates need the package imagehash: pip install '.[bench]' in the clone of "
            "mico-150k.\n"
            "--exact works without it, and finds only images with the same bytes."
        )
        raise UsageError(msg) from error


def fingerprint_of(data: Buffer) -> ImageFingerprint:
    """The fingerprint of an encoded image."""
    import imagehash

    with Pillow.open(io.BytesIO(data), formats=_DECODED) as image:
        image.draft("RGB", (_SIGNS_SIDE * 16, _SIGNS_SIDE * 16))  # a JPEG is decoded to less
        picture = image.convert("RGB")
    signs = imagehash.phash(picture, hash_size=_SIGNS_SIDE).hash
    fields = picture.resize((_FIELDS_SIDE, _FIELDS_SIDE), Pillow.Resampling.BOX)
    return np.packbits(signs.ravel()).tobytes() + fields.tobytes()


def find_alike(
    ours: Mapping[str, ImageFingerprint], theirs: Mapping[str, ImageFingerprint]
) -> dict[str, frozenset[str]]:
    """Return which of `theirs` each of `ours` looks like, by digest, without unmatched ones.

    Every pair is compared: a product of two matrices of ±1 counts the equal signs.
    """
    alike: dict[str, frozenset[str]] = {}
    their = _Comparable(theirs)
    if not their.digests:
        return alike
    our, their_signs = _Comparable(ours), their.signs(slice(None)).T
    for start in range(0, len(our.digests), COMPARED_AT_ONCE):
        agreeing = our.signs(slice(start, start + COMPARED_AT_ONCE)) @ their_signs
        near = agreeing >= len(their_signs) - 2 * MOST_DIFFERENT_SIGNS_OF_PALE
        for place in np.flatnonzero(near.any(axis=1)).tolist():
            like = np.flatnonzero(near[place])
            most = np.where(
                agreeing[place, like] >= len(their_signs) - 2 * MOST_DIFFERENT_SIGNS,
                MOST_DIFFERENT_COLOUR,
                MOST_DIFFERENT_COLOUR_OF_PALE,
            )
            differing = np.abs(their.colours[like] - our.colours[start + place]).max(axis=1)
            if found := like[differing <= most].tolist():
                alike[our.digests[start + place]] = frozenset(their.digests[at] for at in found)
    return alike


class _Comparable:
    """Fingerprints side by side, by digest; without those of flat images."""

    def __init__(self, fingerprints: Mapping[str, ImageFingerprint]) -> None:
        digests = sorted(fingerprints)
        joined = np.frombuffer(b"".join(fingerprints[digest] for digest in digests), np.uint8)
        table = joined.reshape(len(digests), _SIGN_BYTES + _COLOUR_BYTES)
        telling = np.unpackbits(table[:, :_SIGN_BYTES], axis=1).sum(axis=1) >= LEAST_SIGNS
        self._signs = table[telling, :_SIGN_BYTES]
        self.digests = [digest for digest, tells in zip(digests, telling, strict=True) if tells]
        self.colours = table[telling, _SIGN_BYTES:].astype(np.int16)

    def signs(self, which: slice) -> npt.NDArray[np.float32]:
        """The signs of some of them, a row of ±1 for each."""
        return np.unpackbits(self._signs[which], axis=1).astype(np.float32) * 2 - 1


class FingerprintCache:
    """Fingerprints by digest, kept between runs: decoding a terabyte takes hours.

    They lie in `~/.cache/mico-150k/looks.sqlite`, or below `XDG_CACHE_HOME`.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the cache, or create it at `path`; raises `UsageError` if that fails."""
        self._path = path or cache_folder() / "looks.sqlite"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            msg = (
                f"{self._path}: hashes cannot be stored there: {error}\n"
                "XDG_CACHE_HOME=FOLDER stores them elsewhere; remove the file if it is damaged."
            )
            raise UsageError(msg) from error

    def read(self, digests: Iterable[str]) -> dict[str, ImageFingerprint]:
        """Return the known fingerprints of these digests."""
        with closing(self._connect()) as connection:
            connection.execute("create temp table asked (digest text primary key)")
            connection.executemany(
                "insert or ignore into asked values (?)", ((digest,) for digest in digests)
            )
            return dict(connection.execute("select digest, look from looks natural join asked"))

    def add(self, fingerprints: Mapping[str, ImageFingerprint]) -> None:
        """Store fingerprints."""
        with closing(self._connect()) as connection, connection:
            connection.executemany(
                "insert or ignore into looks values (?, ?)", fingerprints.items()
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)


def fingerprint_rows(
    dataset: Dataset, assignments: RowAssignments, cache: FingerprintCache, on_step: OnStep
) -> dict[str, ImageFingerprint]:
    """The fingerprint of each image of the rows that are kept; unknown images are decoded once."""
    digests = {digest for place in assignments.kept() for digest in assignments.rows[place].digests}
    known = cache.read(digests)
    unknown = digests - known.keys()
    total = len(unknown)
    new: dict[str, ImageFingerprint] = {}
    calls = (partial(_with_digest, *image) for image in _images(dataset, assignments, unknown))
    try:
        with closing(map_ordered(calls, cores())) as results:
            for number, (digest, fingerprint) in enumerate(results, 1):
                known[digest] = new[digest] = fingerprint
                if len(new) >= _KEPT_EVERY:
                    cache.add(new)
                    new = {}
                on_step("images", number, total)
    finally:
        cache.add(new)
    return known


def _images(
    dataset: Dataset, assignments: RowAssignments, unknown: set[str]
) -> Iterator[tuple[str, Buffer]]:
    """Each unknown image once, from the first row that has it."""
    waiting = set(unknown)
    first = []
    for place in assignments.kept():
        if found := waiting.intersection(assignments.rows[place].digests):
            waiting -= found
            first.append(place)
    for split in (layout.SPLIT, layout.VALIDATION):
        of_split = [place for place in first if assignments.rows[place].split == split]
        with closing(dataset.samples(assignments.index_of(of_split), split)) as groups:
            for image in (image for group in groups for row in group for image in row.images):
                if image.digest in unknown:
                    unknown.discard(image.digest)
                    yield image.digest, image.data


def _with_digest(digest: str, data: Buffer) -> tuple[str, ImageFingerprint]:
    return digest, fingerprint_of(data)
