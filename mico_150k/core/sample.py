"""The data model: a sample, its images, and its origin in the source.

A source yields unchecked `RawSample`s. `sources/validate` turns each into a
`Sample`, which every trainer reads in the same way, or into a `SkippedRow` with the reason.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from mico_150k.core.reasons import Reason
from mico_150k.core.task import Task

Buffer = bytes | memoryview
"""Encoded bytes, as a view into an Arrow buffer where possible, to avoid copies."""

MAX_ROW_BYTES = 1 << 30
"""The most bytes of a row's images: an Arrow list of binary holds less than 2 GiB."""
MAX_INPUTS = 1024
"""The most inputs of a row: no trainer takes ten, and all are read before the row is checked."""


def as_view(data: Buffer) -> memoryview:
    """Return a flat view of unsigned bytes: Arrow's own views are signed.

    C code refuses signed ones, and `data == b"..."` does not hold for them.
    """
    return memoryview(data).cast("B")


def is_text(value: str) -> bool:
    """Whether a text encodes to UTF-8: JSON's escapes and damaged files give lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Missing:
    """An image that a source names but lacks: the reason, and the path if there is one."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a row: a file, relative to the source's root, and the row in it, from 0."""

    file: str
    row: int

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}"


@dataclass(frozen=True, slots=True)
class RawSample:
    """An unchecked row of a source. `subtask` is "" if the source has none."""

    origin: Origin
    task: Task
    source_id: str
    subtask: str
    instruction: str | None
    inputs: tuple[Buffer | Missing, ...]
    output: Buffer | Missing

    @property
    def id(self) -> str:
        """The id `<task>/<source id>`: source ids repeat between tasks."""
        return f"{self.task}/{self.source_id}"

    @property
    def num_bytes(self) -> int:
        """The bytes of the row's images."""
        images = (*self.inputs, self.output)
        return sum(len(image) for image in images if not isinstance(image, Missing))


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded image that every trainer sees in the same way.

    Attributes:
        data: The encoded bytes.
        digest: The XXH3-128 of `data` in hex.
        width: Pixels.
        height: Pixels.
        format: Pillow's name of the format.
        actions: The causes of its re-encoding; empty if the bytes are the source's own.
    """

    data: Buffer
    format: str
    width: int
    height: int
    digest: str
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Input images, an instruction, and the output image composed of them.

    The order of `inputs` is the source's and has a meaning ("the bag from image 2"). The
    properties are the values of the configurations' columns; lists over images have the inputs in
    order, then the output.
    """

    source_id: str
    task: Task
    subtask: str
    instruction: str
    inputs: tuple[Image, ...]
    output: Image

    @property
    def id(self) -> str:
        """`<task>/<source id>`, unique over the dataset."""
        return f"{self.task}/{self.source_id}"

    @property
    def images(self) -> tuple[Image, ...]:
        """The inputs in order, then the output."""
        return (*self.inputs, self.output)

    @property
    def num_inputs(self) -> int:
        """The number of input images."""
        return len(self.inputs)

    def first(self, inputs: int) -> "Sample":
        """Return a copy with the first inputs only."""
        return replace(self, inputs=self.inputs[:inputs])

    @property
    def num_bytes(self) -> int:
        """The bytes of all images, by which row groups are cut."""
        return sum(len(image.data) for image in self.images)

    @property
    def widths(self) -> list[int]:
        """Pixels, inputs then output."""
        return [image.width for image in self.images]

    @property
    def heights(self) -> list[int]:
        """Pixels, inputs then output."""
        return [image.height for image in self.images]

    @property
    def formats(self) -> list[str]:
        """Pillow's format names, inputs then output."""
        return [image.format for image in self.images]

    @property
    def digests(self) -> list[str]:
        """XXH3-128 of the encoded bytes in hex, inputs then output."""
        return [image.digest for image in self.images]

    @property
    def actions(self) -> list[str]:
        """The causes of each re-encoding joined by "+"; "" for the source's own bytes."""
        return ["+".join(image.actions) for image in self.images]


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A skipped row and the reason: one line of the quarantine file.

    Attributes:
        images: How many images the row has.
        image: The unusable image, from 1 in the order of the inputs, or "output"; None if the row
            as a whole is unusable.
        size: Bytes of that image; 0 for none.
        digest: The XXH3-128 of that image in hex; "" for none.
    """

    file: str
    row: int
    id: str
    task: Task
    reason: Reason
    images: int
    image: int | str | None = None
    detail: str = ""
    size: int = 0
    digest: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "task": self.task.value, "reason": self.reason.value}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "SkippedRow":
        """Return the row that `to_dict` wrote."""
        return cls(**{**plain, "task": Task(plain["task"]), "reason": Reason(plain["reason"])})
