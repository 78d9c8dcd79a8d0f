"""Validates raw rows: each becomes a sample that all trainers read alike, or a skipped row."""

from collections.abc import Iterable, Iterator

from mico_150k.core.errors import MemoryTooSmall, UnusableImage
from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import (
    MAX_INPUTS,
    MAX_ROW_BYTES,
    Buffer,
    Missing,
    RawSample,
    Sample,
    SkippedRow,
    is_text,
)
from mico_150k.images.header import Verify
from mico_150k.images.reader import ImageReader, digest_of

OUTPUT = "output"
"""The output's name, used in place of an input's number."""
MOST_DETAIL = 600
"""The most characters of a detail, which may quote the source."""


class RowValidator:
    """Validates rows one by one; caches the images that it re-encoded last."""

    def __init__(self, verify: Verify = Verify.STRUCTURE, room: int | None = None) -> None:
        """Make a validator.

        Args:
            verify: How much of each image to check.
            room: The bytes that decoding one image may take; None for no limit.
        """
        self._reader = ImageReader(verify, room)

    def examine(self, rows: Iterable[RawSample]) -> Iterator[Sample | SkippedRow]:
        """Yield one result for each row, in order."""
        return map(self.examine_row, rows)

    def examine_row(self, row: RawSample) -> Sample | SkippedRow:
        """Return the row as a sample, or the first reason to skip it.

        Raises:
            MemoryTooSmall: Decoding an image needs more than `room`.
        """
        if wanting := _wanting(row):
            return _left_out(row, wanting)
        if len(row.inputs) > MAX_INPUTS:
            return _left_out(
                row,
                Reason.TOO_LARGE,
                detail=f"{counted(len(row.inputs), 'input')} in one row, at most {MAX_INPUTS}",
            )
        assert row.instruction is not None
        cells = (*row.inputs, row.output)
        images = []
        size = 0
        for place, cell in enumerate(cells):
            name = OUTPUT if place == len(row.inputs) else place + 1
            if isinstance(cell, Missing):
                return _left_out(row, cell.reason, name, cell.detail)
            try:
                images.append(self._reader.read(cell))
            except UnusableImage as error:
                return _left_out(row, error.reason, name, error.detail, cell)
            except MemoryTooSmall as error:
                msg = f"{excerpt(row.origin)}, image {name}: {error}"
                raise MemoryTooSmall(msg) from error
            size += len(images[-1].data)
        if size > MAX_ROW_BYTES:
            return _left_out(
                row, Reason.TOO_LARGE, detail=f"{counted(size, 'byte')} of images in one row"
            )
        return Sample(
            source_id=row.source_id,
            task=row.task,
            subtask=row.subtask if is_text(row.subtask) else "",
            instruction=row.instruction,
            inputs=tuple(images[:-1]),
            output=images[-1],
        )


def _wanting(row: RawSample) -> Reason | None:
    """Return what is wrong with a row as a whole, before any image is examined."""
    if not row.instruction or not row.instruction.strip():
        return Reason.NO_INSTRUCTION
    if not is_text(row.instruction):
        return Reason.BAD_TEXT
    return None if row.inputs else Reason.NO_INPUTS


def _left_out(
    row: RawSample,
    reason: Reason,
    image: int | str | None = None,
    detail: str = "",
    data: Buffer = b"",
) -> SkippedRow:
    return SkippedRow(
        file=row.origin.file,
        row=row.origin.row,
        id=row.id,
        task=row.task,
        reason=reason,
        images=sum(not isinstance(cell, Missing) for cell in (*row.inputs, row.output)),
        image=image,
        detail=excerpt(detail, MOST_DETAIL),  # a path may be invalid text of any length
        size=len(data),
        digest=digest_of(data) if len(data) else "",
    )
