"""What lies beside a case: it must stay as it is, and what stands in it must not get out."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

VICTIM = "victim"
SECRET = b"MICO-FUZZ-SECRET-9f3a51c7"
LARGEST_SEARCHED = 64 << 20


def plant(folder: Path, picture: bytes) -> None:
    """Put it beside the case in a folder."""
    victim = folder / VICTIM
    (victim / "folder").mkdir(parents=True)
    (victim / "settings.json").write_text('{"mine": true}\n')
    (victim / "notes.txt").write_bytes(SECRET + b"\n")
    # A whole picture, with the secret behind its end: it would pass for an image.
    (victim / "secret.png").write_bytes(picture + SECRET)
    (victim / "folder" / "train-00000.parquet").write_bytes(SECRET)


def contents(folder: Path) -> dict[str, str]:
    """All of it beside the case in a folder: what it is, and of files a digest."""
    found = {}
    for path in sorted((folder / VICTIM).rglob("*")):
        kind = "a link" if path.is_symlink() else "a folder" if path.is_dir() else ""
        said = kind or hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(folder).as_posix()] = said
    return found


def leaks(searched: Iterable[Path]) -> Iterator[str]:
    """Files among what was written that hold what stands in the victim's."""
    for top in searched:
        for path in [top, *top.rglob("*")]:
            with suppress(OSError):
                small = path.is_file() and path.stat().st_size <= LARGEST_SEARCHED
                if small and SECRET in path.read_bytes():
                    yield re.sub("[0-9a-f]{8,}", "…", str(path.relative_to(top.parent)))
