"""Limits that the trainers of FLUX.2 share: chat markers, long texts and the number of inputs."""

import re

from mico_150k.core.trainer import Candidate, Limit

MAX_TEXT_TOKENS = 512
TEMPLATE_TOKENS = 64
"""Of dev's system message and marks, which are more than those of the klein models."""
BYTES_PER_TOKEN = 3
"""Of UTF-8: fewer than the tokenizers need on English, so that the estimate is a high one."""

_MARK = re.compile(
    r"<\|\w+\|>|</?s>|\[/?(?:INST|SYSTEM_PROMPT|IMG|IMG_BREAK|IMG_END|AVAILABLE_TOOLS"
    r"|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT|PREFIX|MIDDLE|SUFFIX)\]"
)
MARKER = Limit(
    "marker",
    "a chat marker, such as `<|im_end|>` or `[INST]`, in the instruction",
    "the tokenizers of Qwen3 (klein) and Mistral (dev) end the user's part there; `[IMG]` is "
    "removed from the text",
    lambda row: _MARK.search(row.instruction) is not None,
)


def text_tokens(row: Candidate) -> int:
    """Estimate the tokens of the instruction in its chat template."""
    return TEMPLATE_TOKENS - (-len(row.instruction.encode()) // BYTES_PER_TOKEN)


def long_text(source: str) -> Limit:
    """Return the limit for texts that are cut silently; `source` is where in the trainer's code."""
    return Limit(
        "text",
        f"text and chat template of more than {MAX_TEXT_TOKENS} tokens, estimated at "
        f"{BYTES_PER_TOKEN} bytes per token",
        f"{source}; the rest is cut silently",
        lambda row: text_tokens(row) > MAX_TEXT_TOKENS,
    )


USUAL_INPUTS = 4
MANY_INPUTS = Limit(
    "many-inputs",
    f"more than {USUAL_INPUTS} inputs: they can be trained on, but Black Forest Labs names "
    f"{USUAL_INPUTS} for klein and 6 for dev, and each has some 4,096 tokens; `--max-inputs "
    f"{USUAL_INPUTS}` skips them",
    "docs.bfl.ai/guides/prompting_editing_overview",
    lambda row: len(row.inputs) > USUAL_INPUTS,
)
