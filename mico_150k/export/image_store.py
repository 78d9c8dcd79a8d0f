"""Images as files, one for each content, in a folder that several exports may share."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import xxhash

from mico_150k.errors import BrokenFile
from mico_150k.files import disk_errors, write_atomically
from mico_150k.sample import Image

_KNOWN = ".known"
_ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


class ImageStore:
    """A folder `<first two digits of the digest>/<digest>.<ending>`.

    256 folders hold 2.5 million images at 10,000 a folder. Lists of digests in `.known/` say
    which files are known to be whole and on the disk: a file that a power cut has emptied is in
    none of them, and is written again.
    """

    def __init__(self, root: Path) -> None:
        """`root` need not exist."""
        self.root = root
        self.known: set[str] = set()
        self._folders: set[Path] = set()
        for path in (root / _KNOWN).glob("*.txt"):
            self.known.update(path.read_text().split())

    @staticmethod
    def name(digest: str, image_format: str) -> str:
        """Where an image lies, relative to the root; the ending is its real format's."""
        ending = _ENDINGS.get(image_format, image_format.lower())
        return f"{digest[:2]}/{digest}.{ending}"

    def put(self, image: Image) -> int:
        """Write an image unless it is there; returns the bytes that were written.

        Raises `BrokenFile` where it is not the image that its digest names.
        """
        path = self.root / self.name(image.digest, image.format)
        size = len(image.data)
        if xxhash.xxh3_128_hexdigest(image.data) != image.digest:
            msg = f"an image is not the one that the index names ({image.digest}): `mico check`."
            raise BrokenFile(msg)
        if _size_of(path) == size:
            return 0
        # Several exports may write one image at once: each under a name of its own.
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
        with disk_errors(path):
            if path.parent not in self._folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(path.parent)
            temporary.write_bytes(image.data)
            temporary.replace(path)
        return size

    def settle(self, digests: Iterable[str]) -> None:
        """All of these were put: write down that they are on the disk."""
        new = set(digests) - self.known
        if new:
            # One call for all files of a shard: to wait for each would take most of the time.
            os.sync()
            listed = "\n".join(sorted(new)).encode()
            name = xxhash.xxh3_64_hexdigest(listed)
            write_atomically(self.root / _KNOWN / f"{name}.txt", listed)
            self.known |= new


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
