"""A folder of image files, one for each content, that several exports may share."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import xxhash

from mico_150k.core.errors import BrokenFile, OutputRefused, OutsideRoot
from mico_150k.core.faults import shown
from mico_150k.core.sample import Image
from mico_150k.io.files import disk_errors, sweep, write_atomically, written_whole
from mico_150k.io.regular import Root, read_small
from mico_150k.io.temporary import is_abandoned

_KNOWN = ".known"
_ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_DIGEST = re.compile(r"[0-9a-f]{32}")
_LISTED = re.compile(rb"([0-9a-f]{32}) (\d{1,15})")


class ImageStore:
    """A folder of files `<first two digits of the digest>/<digest>.<ending>`.

    256 subfolders hold 2.5 million images at 10,000 each. Lists of digests and sizes in `.known/`
    record which files were whole and on disk. A file that a power cut has emptied is in no list,
    and a removed or truncated file differs from its entry: both are written again.
    """

    def __init__(self, root: Path) -> None:
        """Find the images that are on disk. `root` need not exist."""
        self.root = root
        self._folders: set[Path] = set()
        self._put: dict[str, int] = {}
        with suppress(OSError, OutputRefused):  # the folder may be read-only
            sweep(root / _KNOWN, everyones=False)
        listed: dict[str, int] = {}
        for path in (root / _KNOWN).glob("*.txt"):
            listed.update(_entries(path))
        self.known = {
            digest
            for digest, size in self._on_disk()
            if digest in listed and listed[digest] == size
        }

    @staticmethod
    def name(digest: str, image_format: str) -> str:
        """Return the path of an image relative to the root, with its real format as extension.

        Raises:
            BrokenFile: No build writes such a digest or format; the path could lead anywhere.
        """
        ending = _ENDINGS.get(image_format)
        if ending is None or not _DIGEST.fullmatch(digest):
            msg = (
                f"no image is called {shown(digest)} and of the format {shown(image_format)}: run "
                "`mico check` to see what is wrong with the dataset."
            )
            raise BrokenFile(msg)
        return f"{digest[:2]}/{digest}.{ending}"

    def put(self, image: Image) -> int:
        """Write an image unless it exists; returns the number of bytes written.

        Raises:
            BrokenFile: The image does not match its digest.
            OutsideRoot: The image's folder is a link that leads out of the root.
        """
        path = self.root / self.name(image.digest, image.format)
        size = len(image.data)
        if xxhash.xxh3_128_hexdigest(image.data) != image.digest:
            msg = f"an image differs from the one in the index ({image.digest}): run `mico check`."
            raise BrokenFile(msg)
        self._put[image.digest] = size
        if _size_of(path) == size:
            return 0
        if path.parent not in self._folders:
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            if not Root.at(self.root).holds(path.parent.absolute()):
                msg = f"{path.parent} is a link that leads out of {self.root}. Remove it."
                raise OutsideRoot(msg)
            self._folders.add(path.parent)
        with written_whole(path, settled=False) as temporary:
            temporary.write_bytes(image.data)
        return size

    def settle(self, digests: Iterable[str]) -> None:
        """Sync the written images to disk and record their digests in `.known/`."""
        new = set(digests) - self.known
        if new:
            # One call for the whole shard: a sync for each file would take most of the time.
            os.sync()
            lines = (f"{digest} {self._put.pop(digest)}\n" for digest in sorted(new))
            listed = "".join(lines).encode()
            name = xxhash.xxh3_64_hexdigest(listed)
            write_atomically(self.root / _KNOWN / f"{name}.txt", listed)
            self.known |= new

    def _on_disk(self) -> Iterator[tuple[str, int]]:
        """Yield digest and size of every image on disk; remove what killed exports have left."""
        for number in range(256):
            folder = self.root / f"{number:02x}"
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.endswith(".partial"):
                        status = _status(entry)
                        if status and stat.S_ISREG(status.st_mode):
                            yield entry.name.partition(".")[0], status.st_size
                    elif is_abandoned(Path(entry.path)):
                        with suppress(OSError):  # the folder may be read-only
                            Path(entry.path).unlink(missing_ok=True)


def _entries(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the digests and sizes in a list."""
    for line in read_small(path).split(b"\n"):
        if found := _LISTED.fullmatch(line):
            yield found[1].decode(), int(found[2])


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of a file, or None if it is a dangling link or was just removed."""
    try:
        return entry.stat()
    except OSError:
        return None


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
