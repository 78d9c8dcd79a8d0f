"""How many tokens a record of Lumina-DiMOO is: its text, and each image at its size.

The shapes are upstream's (`generate_crop_size_list` and `var_center_crop` in its
`data/item_processor.py`): all of about one area, sides in multiples of 32 pixels, at most 4:1.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mico_150k.core.errors import MissingPackage, SourceNotFound, UsageError

Shape = tuple[int, int]
"""Width and height in pixels, after the crop."""

PATCH = 32
"""Sides are multiples of this many pixels."""
CODE = 16
"""Pixels a side of what becomes one code."""
MAX_RATIO = 4.0
MAX_SIZE = 1024
"""Positions beyond those of a 1024-pixel square were never trained."""
FIRST_TOKEN = 126_356
"""Of code 0."""
DEFAULT_SIZES = "3:512,4:448,6:384,320"
"""By the number of inputs; with an output of 512 pixels and 250 tokens of text, up to 9 inputs
come to no more than 5,120 tokens where pictures are square."""
OUTPUT_SIZE = 512


TextLength = Callable[[str], int]
"""Text → tokens."""
MOST = 1024
"""Training cuts the text there."""
SYSTEM_PROMPT = "Generate an image according to the prompt and image."
"""What MICo's inference code says to the model; upstream's pre-tokenizer writes another."""
_BYTES_A_TOKEN = 3


MAX_SEQ_LEN = 5120
"""What upstream's `train.sh` says. Its code reads it nowhere: what is longer takes more memory."""


@lru_cache(maxsize=64)
def shapes(size: int) -> tuple[Shape, ...]:
    """All shapes of about `size` × `size` pixels, in upstream's order."""
    patches = (size // PATCH) ** 2
    found = []
    wide, high = patches, 1
    while wide > 0:
        if max(wide, high) / min(wide, high) <= MAX_RATIO:
            found.append((wide * PATCH, high * PATCH))
        if (high + 1) * wide <= patches:
            high += 1
        else:
            wide -= 1
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def shape_for(width: int, height: int, size: int) -> Shape:
    """The shape whose sides are nearest in ratio; of two alike, the wider one."""
    return max((_fit(width, height, shape), shape) for shape in shapes(size))[1]


def _fit(width: int, height: int, shape: Shape) -> float:
    scales = shape[0] / width, shape[1] / height
    return min(scales) / max(scales)


def grid(shape: Shape) -> tuple[int, int]:
    """Columns and rows of codes."""
    return shape[0] // CODE, shape[1] // CODE


def code_count(shape: Shape) -> int:
    """How many codes a picture of this shape is."""
    columns, rows = grid(shape)
    return columns * rows


def image_tokens(columns: int, rows: int) -> int:
    """What a picture is in training: its codes, a newline after every row, and two marks."""
    return rows * (columns + 1) + 2


@dataclass(frozen=True, slots=True)
class SizeTable:
    """The size of inputs by how many there are, and that of the output."""

    steps: tuple[tuple[int, int], ...]
    """Up to so many inputs → pixels, ascending."""
    above: int
    """Pixels for more inputs than any step says."""
    output: int

    @classmethod
    def parse(cls, text: str = DEFAULT_SIZES, output: int = OUTPUT_SIZE) -> "SizeTable":
        """Read `3:512,4:448,6:384,320`. Raises `UsageError`."""
        *pairs, last = text.split(",")
        try:
            steps = tuple(
                (int(inputs), int(size)) for inputs, size in (p.split(":") for p in pairs)
            )
            above = int(last)
        except ValueError as error:
            msg = (
                f"{text!r} is not a list of sizes; write INPUTS:PIXELS,…,PIXELS, such as "
                f"{DEFAULT_SIZES}: 512 pixels for up to 3 inputs, and so on, and 320 for more."
            )
            raise UsageError(msg) from error
        counts = [inputs for inputs, _ in steps]
        if counts != sorted(set(counts)) or any(inputs < 1 for inputs in counts):
            msg = f"{text!r}: the numbers of inputs must be ascending, from 1."
            raise UsageError(msg)
        for size in (*(size for _, size in steps), above, output):
            if size % PATCH or not PATCH <= size <= MAX_SIZE:
                msg = (
                    f"a size of {size} pixels: it must be a multiple of {PATCH}, up to {MAX_SIZE}."
                )
                raise UsageError(msg)
        return cls(steps, above, output)

    def of_inputs(self, inputs: int) -> int:
        """Return the size of each input of a row with this number of inputs."""
        return next((size for most, size in self.steps if inputs <= most), self.above)

    def __str__(self) -> str:
        return ",".join([*(f"{most}:{size}" for most, size in self.steps), str(self.above)])


def instruction(system_prompt: str, prompt: str) -> str:
    """The text as training puts it together."""
    return f"<system>{system_prompt}</system><user>{prompt}</user>"


def estimate(text: str) -> int:
    """A token for every three bytes of UTF-8: more than there are, as a rule.

    English is above four bytes a token, Chinese about three. It serves for pairing records of
    like length and for a limit that may not be passed, so it errs upwards.
    """
    return min(MOST, math.ceil(len(text.encode()) / _BYTES_A_TOKEN))


def load_tokenizer(where: str) -> TextLength:
    """The tokenizer in a folder or file, or of a Hub id. Raises `SourceNotFound`, `MissingPackage`.

    Its `tokenizer.json` is read, and no code that may come with it.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        msg = "--tokenizer needs tokenizers: pip install '.[vq]' in the clone of mico-150k"
        raise MissingPackage(msg) from error
    try:
        place = Path(where)
        if not place.exists():
            from huggingface_hub import hf_hub_download

            place = Path(hf_hub_download(where, _TOKENIZER))
        file = place / _TOKENIZER if place.is_dir() else place
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare ones, the Hub's client a dozen types
        msg = f"--tokenizer {where}: {_TOKENIZER} cannot be read: {error}"
        raise SourceNotFound(msg) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: min(MOST, len(tokenizer.encode(text).ids))


_TOKENIZER = "tokenizer.json"


def record_tokens(text: int, grids: Iterable[tuple[int, int]]) -> int:
    """A record's length in training, of its text's tokens and its images' columns and rows."""
    return text + sum(image_tokens(*grid) for grid in grids) + _ANSWER_MARKS


_ANSWER_MARKS = 2  # <answer> and </answer>, about the output and its two marks
