"""What lies in a folder, to compare it with another."""

import hashlib
from pathlib import Path


def contents(folder: Path) -> dict[str, str]:
    """Every file below the folder with its SHA-256."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
