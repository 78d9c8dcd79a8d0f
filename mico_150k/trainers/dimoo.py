"""Lumina-DiMOO: a pre-tokenized record of several input images as tokens and labels.

`mico patch dimoo` makes `ItemProcessor.process_item` call `process_images` where `user_image` is a
list. Records with a string go the clone's own way.
"""

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mico_150k.core.errors import ExportRefused
from mico_150k.core.plural import counted

UNCONDITION_SHARE = 0.1
"""The share of records without text and inputs, which guidance needs; as in the clone."""
MOST_TEXT_TOKENS = 1024
"""With the system prompt; as in the clone."""
PIXELS_A_TOKEN = 16

NEW_LINE = 126084
IMAGE, END_OF_IMAGE = 126349, 126350
ANSWER, END_OF_ANSWER = 126354, 126355
NO_LABEL = -100

Tokens = list[int]
MaskCodes = Callable[[Tokens], tuple[Tokens, Tokens]]


def process_images(
    record: Mapping[str, Any],
    tokenizer: Any,  # noqa: ANN401 - the trainer's
    mask_codes: MaskCodes,
) -> tuple[Tokens, Tokens]:
    """Tokens and labels of a record whose `user_image` is a list; an empty one is text to image.

    Text, then the inputs in order before its `</user>`, then the answer image, of which
    `mask_codes`, the clone's own, hides a part; labels are what is hidden.
    Raises `ExportRefused` without an answer image.
    """
    if not record["answer_image"]:
        msg = f"record {record.get('id')}: a list of images needs an answer image."
        raise ExportRefused(msg)
    if np.random.rand() < UNCONDITION_SHARE:  # noqa: NPY002 - the generator that the clone seeds
        question = _text(record["system_prompt"], "<uncondition>", tokenizer)
    else:
        question = _text(record["system_prompt"], record["user_prompt"], tokenizer)
        images = [token for path in record["user_image"] for token in _framed(*_codes(path))]
        question = question[:-1] + images + question[-1:]
    codes, height, width = _codes(record["answer_image"])
    masked, labels = mask_codes(codes)
    # The two markers before and after the image have no labels.
    answer = [ANSWER, *_framed(masked, height, width), END_OF_ANSWER]
    answer_labels = [NO_LABEL] * 2 + _lines(labels, height, width, NO_LABEL) + [NO_LABEL] * 2
    return question + answer, [NO_LABEL] * len(question) + answer_labels


def _text(system: str, user: str, tokenizer: Any) -> Tokens:  # noqa: ANN401 - the trainer's
    """The prompt's tokens; a long one is cut before the last, which closes the user's part."""
    text = f"<system>{system}</system><user>{user}</user>"
    tokens: Tokens = list(tokenizer(text, truncation=False, padding=False).input_ids)
    if len(tokens) > MOST_TEXT_TOKENS:
        tokens = tokens[: MOST_TEXT_TOKENS - 1] + tokens[-1:]
    return tokens


def _codes(path: str | Path) -> tuple[Tokens, int, int]:
    """An image's codes, with the rows and columns of its grid.

    The pre-tokenizer's files call the width `height` and the height `width`, and the clone reads
    them so.
    """
    with Path(path).open("rb") as file:
        found = _PlainUnpickler(file).load()
    width, height = found["height"], found["width"]
    codes: Tokens = found["input_ids"]
    if width % PIXELS_A_TOKEN or height % PIXELS_A_TOKEN:
        msg = f"{path}: {width}×{height} pixels; both sides must be multiples of {PIXELS_A_TOKEN}."
        raise ExportRefused(msg)
    rows, columns = height // PIXELS_A_TOKEN, width // PIXELS_A_TOKEN
    if len(codes) != rows * columns:
        msg = f"{path}: {counted(len(codes), 'code')} for {counted(rows, 'row')} of {columns}."
        raise ExportRefused(msg)
    return codes, rows, columns


def _framed(codes: Tokens, rows: int, columns: int) -> Tokens:
    return [IMAGE, *_lines(codes, rows, columns, NEW_LINE), END_OF_IMAGE]


def _lines(codes: Sequence[int], rows: int, columns: int, end: int) -> Tokens:
    """The codes with a mark at the end of each row of the grid."""
    lined: Tokens = []
    for row in range(rows):
        lined += [*codes[row * columns : (row + 1) * columns], end]
    return lined


class _PlainUnpickler(pickle.Unpickler):
    """Takes dicts, lists and numbers; a pickle that asks for a class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - never returns
        msg = f"a file of image codes needs {module}.{name}, which the pre-tokenizer never writes."
        raise pickle.UnpicklingError(msg)
