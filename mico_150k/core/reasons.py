"""The reasons for skipping a row, as the quarantine file, the report and the card name them."""

from enum import Enum


class Reason(str, Enum):
    """The reason why a row is unusable."""

    NO_INSTRUCTION = "no-instruction"
    BAD_TEXT = "bad-text"
    NO_INPUTS = "no-inputs"
    NO_OUTPUT = "no-output"
    NULL_IMAGE = "null-image"
    FILE_MISSING = "file-missing"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    UNKNOWN_FORMAT = "unknown-format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    UNDECODABLE = "undecodable"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_SMALL = "too-small"
    TOO_LONG = "too-long"
    IN_BENCH = "in-benchmark"
    SHARES_IMAGE = "shares-image"
    REMOVED = "removed"
    NOT_SELECTED = "not-selected"

    @property
    def meaning(self) -> str:
        """The reason as a phrase."""
        return _MEANINGS[self]

    def __str__(self) -> str:
        return self.value


_MEANINGS = {
    Reason.NO_INSTRUCTION: "no instruction, or nothing but blanks",
    Reason.BAD_TEXT: "an instruction that is not valid Unicode",
    Reason.NO_INPUTS: "no input image",
    Reason.NO_OUTPUT: "no output image",
    Reason.NULL_IMAGE: "a null among the inputs",
    Reason.FILE_MISSING: "a path that leads to no file",
    Reason.EMPTY: "an image of zero bytes",
    Reason.TOO_LARGE: (
        "an image larger than 256 MiB, a row's images larger than 1 GiB, or more than 1,024 inputs"
    ),
    Reason.UNKNOWN_FORMAT: "bytes that are not an image",
    Reason.TRUNCATED: "an image that ends too early",
    Reason.CORRUPT: "an image whose structure or checksums do not hold",
    Reason.UNDECODABLE: "an image that does not decode, or has no 8-bit RGB form",
    Reason.TOO_MANY_PIXELS: "an image of more than 89,478,485 pixels",
    Reason.TOO_SMALL: "an image with a side under 16 pixels",
    Reason.TOO_LONG: "an image with one side over 128 times the other",
    Reason.IN_BENCH: "the benchmark has the same output, or the same inputs",
    Reason.SHARES_IMAGE: "shares an image with the split `validation`",
    Reason.REMOVED: "removed on request",
    Reason.NOT_SELECTED: "not among the rows that were asked for",
}
