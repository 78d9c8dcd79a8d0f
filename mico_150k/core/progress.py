"""How far a long run is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is. `written` are bytes of images, once for all configurations."""

    rows: int
    total_rows: int
    written: int
    total_bytes: int
    skipped: int
