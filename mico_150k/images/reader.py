"""Turns encoded bytes into an `Image` that every trainer sees in the same way."""

from collections import OrderedDict

import xxhash

from mico_150k.core.reasons import Reason
from mico_150k.core.sample import Buffer, Image, as_view
from mico_150k.images.blame import blaming_the_image
from mico_150k.images.header import Verify
from mico_150k.images.normalize import normalise
from mico_150k.images.pixels import check_mended, check_pixels
from mico_150k.images.probe import probe
from mico_150k.images.room import check_room
from mico_150k.images.rules import causes

CACHED_BYTES = 64 << 20
"""Re-encoded images to remember: MICo-150K uses an input about four times, and decoding is slow."""


def digest_of(data: Buffer) -> str:
    """Return the XXH3-128 of an image in hex, 32 digits; a million images share none by chance."""
    return xxhash.xxh3_128_hexdigest(data)


class ImageReader:
    """Probes and verifies images, and re-encodes those that trainers would read differently."""

    def __init__(self, verify: Verify = Verify.STRUCTURE, room: int | None = None) -> None:
        """Make a reader.

        Args:
            verify: How much of each image to check.
            room: The bytes of memory that decoding one image may take; None for no limit.
        """
        self._verify = verify
        self._room = room
        self._normalised: OrderedDict[str, Image] = OrderedDict()
        self._cached_bytes = 0

    def read(self, data: Buffer) -> Image:
        """Return the image with its own bytes if they may stay, else re-encoded.

        Raises:
            UnusableImage: It is damaged, over a limit or not an image.
            MemoryTooSmall: Decoding it needs more than `room`.
        """
        if not isinstance(data, bytes):
            data = as_view(data)
        digest = digest_of(data)
        if digest in self._normalised:
            self._normalised.move_to_end(digest)
            return self._normalised[digest]
        header = probe(data, self._verify, self._room)
        actions = causes(header)
        if actions or self._verify is Verify.DECODE:
            check_room(self._room, header.format, (header.width, header.height), len(data))
        if header.mended:
            check_mended(data, header)
        elif self._verify is Verify.DECODE:
            check_pixels(data, header)
        if not actions:
            return Image(data, header.format, header.width, header.height, digest)
        with blaming_the_image(Reason.UNDECODABLE, "cannot be re-encoded: "):
            picture = normalise(data, header)
        normal = probe(picture, Verify.HEADER)
        image = Image(
            picture, normal.format, normal.width, normal.height, digest_of(picture), actions
        )
        self._remember(digest, image)
        return image

    def _remember(self, digest: str, image: Image) -> None:
        self._normalised[digest] = image
        self._cached_bytes += len(image.data)
        while self._cached_bytes > CACHED_BYTES:
            _, oldest = self._normalised.popitem(last=False)
            self._cached_bytes -= len(oldest.data)
