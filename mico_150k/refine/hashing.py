"""The looks of a dataset's pictures: those that are not known yet are decoded once, and kept."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial

from mico_150k.core.sample import Buffer
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset
from mico_150k.io.machine import cores
from mico_150k.io.prefetch import map_ordered
from mico_150k.refine.assignment import RowAssignments
from mico_150k.refine.hash_cache import LookCache
from mico_150k.refine.options import OnStep
from mico_150k.refine.perceptual_hash import ImageFingerprint, look_of

_KEPT_EVERY = 256


def look_at_rows(
    dataset: Dataset, fates: RowAssignments, cache: LookCache, on_step: OnStep
) -> dict[str, ImageFingerprint]:
    """The look of each picture of the rows that are kept."""
    digests = {digest for place in fates.kept() for digest in fates.rows[place].digests}
    known = cache.read(digests)
    unknown = digests - known.keys()
    total = len(unknown)
    pictures = _pictures(dataset, fates, unknown)
    for number, (digest, look) in enumerate(_looked_at(pictures, cache), 1):
        known[digest] = look
        on_step("images", number, total)
    return known


def _pictures(
    dataset: Dataset, fates: RowAssignments, unknown: set[str]
) -> Iterator[tuple[str, Buffer]]:
    """Each unknown picture once, from the first row that has it."""
    waiting = set(unknown)
    first = [place for place in fates.kept() if _takes(waiting, fates.rows[place].digests)]
    for split in (layout.SPLIT, layout.VALIDATION):
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


def _looked_at(
    pictures: Iterable[tuple[str, Buffer]], cache: LookCache
) -> Generator[tuple[str, ImageFingerprint], None, None]:
    """Look on all cores, and keep what is found now and then."""
    waiting: dict[str, ImageFingerprint] = {}
    calls = (partial(_look_at, digest, data) for digest, data in pictures)
    try:
        with closing(map_ordered(calls, cores())) as results:
            for digest, look in results:
                waiting[digest] = look
                if len(waiting) >= _KEPT_EVERY:
                    cache.add(waiting)
                    waiting = {}
                yield digest, look
    finally:
        cache.add(waiting)


def _look_at(digest: str, data: Buffer) -> tuple[str, ImageFingerprint]:
    return digest, look_of(data)
