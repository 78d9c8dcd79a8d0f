"""What lies in a folder, to compare it with another."""

import hashlib
from pathlib import Path

from mico_150k.dataset import layout


def contents(folder: Path) -> dict[str, str]:
    """Every file below the folder with its SHA-256, less the one that tells of this machine."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != layout.MTIME_TOKENS
    }
