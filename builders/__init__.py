"""The registry of configurations: one builder a file."""

from mico_150k.builders.bagel import Bagel
from mico_150k.builders.blip3o import Blip3o
from mico_150k.builders.default import Default
from mico_150k.builders.dimoo import Dimoo
from mico_150k.builders.omnigen2 import OmniGen2

from mico_150k.builder import Builder
from mico_150k.errors import UnknownConfig

BUILDERS: dict[str, Builder] = {
    builder.name: builder for builder in (Default(), Bagel(), Blip3o(), Dimoo(), OmniGen2())
}
"""Configuration name → its builder, in the order of the card."""


def get_builder(name: str) -> Builder:
    """The builder of a configuration. Raises `UnknownConfig`."""
    if name not in BUILDERS:
        msg = f"{name!r} is no configuration; there are {', '.join(BUILDERS)}."
        raise UnknownConfig(msg)
    return BUILDERS[name]
