"""The cache folder: its files may be removed at any time."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `mico-150k` below `XDG_CACHE_HOME` or `~/.cache`; it may not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mico-150k"
