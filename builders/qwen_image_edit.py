"""What trainers of Qwen-Image-Edit share: the marks of its chat, and the inputs it is made for."""

import re

from mico_150k.core.trainer import Limit

_MARK = re.compile(r"<\|\w+\|>")
MARKER = Limit(
    "marker",
    "a mark of the chat, such as `<|image_pad|>`, in the instruction",
    "transformers' Qwen2VLProcessor: one `<|image_pad|>` too many is an IndexError",
    lambda row: _MARK.search(row.instruction) is not None,
)
USUAL_INPUTS = 3
MANY_INPUTS = Limit(
    "many-inputs",
    f"more than {USUAL_INPUTS} inputs: they train as any do, but Qwen-Image-Edit was published for "
    f"one to three, and each is some 4,096 tokens; `--max-inputs {USUAL_INPUTS}` leaves them out",
    "musubi-tuner's docs/qwen_image.md",
    lambda row: len(row.inputs) > USUAL_INPUTS,
)
