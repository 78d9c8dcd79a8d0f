"""The one data model: a sample, its images, and where it came from.

A source yields unchecked `RawSample`s. `sources/validate` turns each into a
`Sample`, which every trainer reads in the same way, or into a `SkippedRow` with the reason.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from mico_150k.core.reasons import Reason
from mico_150k.core.task import Task

Buffer = bytes | memoryview
"""Encoded bytes. A view into an Arrow buffer wherever it can be, since copying a terabyte costs."""

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
    """Whether it can be encoded: JSON's escapes and damaged files give lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Missing:
    """An image that a source names but does not have: the reason, and the path if there is one."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row comes from: a file, relative to the source's root, and the row in it from 0."""

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
        """Bytes of its images."""
        images = (*self.inputs, self.output)
        return sum(len(image) for image in images if not isinstance(image, Missing))


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded image that every trainer sees in the same way.

    `digest` is the XXH3-128 of `data` in hex, `width` and `height` are pixels, `format` is
    Pillow's name, and `actions` are the causes for which it was re-encoded: empty if the
    bytes are the source's own.
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

    The order of `inputs` has a meaning ("the bag from image 2") and is the source's. The
    properties are the values of the configurations' columns; where they are lists over images,
    inputs come in order, then the output.
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
    """A row that was skipped, and why: one line of the quarantine file.

    `images` is the number of the row's images. `image` is the unusable one, from 1 in
    the order of the inputs, or "output"; None if the row as a whole is unusable. `size` is
    its bytes and `digest` the XXH3-128 of them in hex; 0 and "" where there are none.
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
