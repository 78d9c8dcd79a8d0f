"""How far a long run is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is.

    Attributes:
        rows: Rows that are written, or skipped.
        total_rows: Rows of the source.
        written: Bytes of images that are written, counted once for all configurations.
        total_bytes: Bytes of the source's images, about; 0 where they are not known.
        skipped: Rows that are skipped.
        read: Bytes of images that are read, of which some may not be written yet; 0 where reading
            is not told.
    """

    rows: int
    total_rows: int
    written: int
    total_bytes: int
    skipped: int
    read: int = 0
