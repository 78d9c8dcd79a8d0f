"""A process with all that descend from it, for those who measure what they take together."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def family(process: int) -> Iterator[int]:
    """A process, and all that descend from it."""
    yield process
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in path.read_text().split():
                yield from family(int(child))
