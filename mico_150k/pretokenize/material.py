"""What there is to encode: records, and the pictures that they name."""

from dataclasses import dataclass

from mico_150k.core.excerpt import excerpt
from mico_150k.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A picture that is a file."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class CellPlace:
    """A picture in a dataset's shard: the row in its row group, the image in its row."""

    shard: str
    group: int
    row: int
    image: int

    def __str__(self) -> str:
        return f"{self.shard}, row group {self.group}, row {self.row}, image {self.image + 1}"


Place = FilePlace | CellPlace

MOST_DETAIL = 600
"""Characters that are written down of what is wrong: some of it is the source's own text."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a picture cannot be encoded, or a record cannot be used."""

    reason: Reason
    detail: str = ""

    def __post_init__(self) -> None:
        # A path may be no valid text, or of any length, and this is to be written.
        readable = excerpt(self.detail, len(self.detail))
        if len(readable) > 2 * MOST_DETAIL:  # what was cut is not cut again when it is read
            readable = excerpt(readable, MOST_DETAIL)
        object.__setattr__(self, "detail", readable)

    @property
    def may_pass(self) -> bool:
        """Whether it is of a file that could not be read, and not of what is in it."""
        return self.reason is Reason.FILE_MISSING


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, its sides in pixels as stored, and what it is recognised by if it changes.

    `digest` is the XXH3-128 of its bytes where that is known without reading it, else "".
    """

    place: Place
    width: int
    height: int
    stamp: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A sample: numbers of its pictures, inputs in order, then the output."""

    id: str
    prompt: str
    pictures: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """How many pictures go in."""
        return len(self.pictures) - 1


@dataclass(frozen=True, slots=True)
class EncodeInputs:
    """All records, and all pictures in the order of their first use.

    `faults` are pictures that cannot be encoded, by number, and `unusable` records that are
    none, by their place.
    """

    name: str
    records: tuple[Record, ...]
    pictures: tuple[Picture, ...]
    faults: dict[int, Fault]
    unusable: dict[int, Fault]
