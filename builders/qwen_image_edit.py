"""Limits that the trainers of Qwen-Image-Edit share: chat markers and the number of inputs."""

import re

from mico_150k.core.trainer import Limit

_MARK = re.compile(r"<\|\w+\|>")
MARKER = Limit(
    "marker",
    "a chat marker, such as `<|image_pad|>`, in the instruction",
    "transformers' Qwen2VLProcessor: one `<|image_pad|>` too many is an IndexError",
    lambda row: _MARK.search(row.instruction) is not None,
)
USUAL_INPUTS = 3
MANY_INPUTS = Limit(
    "many-inputs",
    f"more than {USUAL_INPUTS} inputs: they can be trained on, but Qwen-Image-Edit was published "
    f"for one to three, and each has some 4,096 tokens; `--max-inputs {USUAL_INPUTS}` skips them",
    "musubi-tuner's docs/qwen_image.md",
    lambda row: len(row.inputs) > USUAL_INPUTS,
)
