"""The progress of a build."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a build.

    Attributes:
        rows: Rows written or skipped so far.
        total_rows: Rows in the source.
        written: Bytes of images written so far, counted once for all configurations.
        total_bytes: Estimated bytes of the source's images; 0 if unknown.
        skipped: Rows skipped so far.
        read: Bytes of images read so far, some of them not written yet; 0 if not reported.
    """

    rows: int
    total_rows: int
    written: int
    total_bytes: int
    skipped: int
    read: int = 0
