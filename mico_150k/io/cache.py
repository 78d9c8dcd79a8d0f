"""Where files lie that are kept between runs and may be removed at any time."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`mico-150k` below `XDG_CACHE_HOME`, or below `~/.cache`; it may not be there yet."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mico-150k"
