"""The code changes that each trainer needs, as edits of a few lines in its clone.

What the lines call is in `mico_150k.trainers`; one trainer is one file here, and is found by the
`Patch` in it.
"""

import importlib
import pkgutil

from mico_150k.core.errors import UnknownConfig
from mico_150k.trainers.patches.edit import Patch

PATCHES: dict[str, Patch] = {
    value.name: value
    for module in pkgutil.iter_modules(__path__)
    for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values()
    if isinstance(value, Patch)
}
"""Configuration name → the changes to its trainer's code."""


def get_patch(name: str) -> Patch:
    """The patch of a trainer. Raises `UnknownConfig`."""
    if name not in PATCHES:
        msg = f"{name!r} is not a trainer to patch; there are {', '.join(PATCHES)}."
        raise UnknownConfig(msg)
    return PATCHES[name]
