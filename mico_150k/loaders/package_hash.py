"""Hashes this package's code, so that cached rows of other versions count as stale."""

from functools import cache
from pathlib import Path

import xxhash

import mico_150k.builders


@cache
def package_hash() -> str:
    """Return the XXH3-128, in hex, of all Python files of the package."""
    digest = xxhash.xxh3_128()
    for folder in (Path(__file__).parents[1], *map(Path, mico_150k.builders.__path__)):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
