"""The code changes that each trainer needs, as edits of a few lines in its clone.

What the lines call is in `mico_150k.trainers`; one trainer is one file here.
"""

from mico_150k.errors import UnknownConfig
from mico_150k.patch.bagel import BAGEL
from mico_150k.patch.blip3o import BLIP3O
from mico_150k.patch.dimoo import DIMOO
from mico_150k.patch.edit import Patch
from mico_150k.patch.omnigen2 import OMNIGEN2

PATCHES: dict[str, Patch] = {patch.name: patch for patch in (BAGEL, BLIP3O, DIMOO, OMNIGEN2)}
"""Configuration name → the changes to its trainer's code."""


def get_patch(name: str) -> Patch:
    """The patch of a trainer. Raises `UnknownConfig`."""
    if name not in PATCHES:
        msg = f"{name!r} is no trainer to patch; there are {', '.join(PATCHES)}."
        raise UnknownConfig(msg)
    return PATCHES[name]
