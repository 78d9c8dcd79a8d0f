"""The commands that made a dataset, one for each step, for its manifest and card.

They contain no local paths: a release is `RELEASE`, the first dataset `mico-150k`, and one refined
from it `mico-150k-2`. A dataset without commands in its manifest (of an older version) is
`DATASET`.
"""

from collections.abc import Sequence

from mico_150k.dataset import layout

RELEASE = "RELEASE"
UNTOLD = "DATASET"


def build_command(*options: str, source: str = RELEASE) -> list[str]:
    """Return the command that builds the first dataset; `source` is "" for the built-in demo."""
    return ["mico", "build", *([source] if source else []), "--out", _folder(1), *options]


def refine_command(before: Sequence[object], *options: str) -> list[str]:
    """Return the command that refines the dataset that the commands `before` made."""
    source = _folder(len(before)) if before else UNTOLD
    return ["mico", "refine", source, "--out", _folder(len(before) + 1), *options]


def unless(default: float, option: str, value: float) -> list[str]:
    """Return an option with its value, or nothing if the value is the default."""
    return [] if value == default else [option, f"{value:g}"]


def _folder(step: int) -> str:
    return layout.DATASET if step == 1 else f"{layout.DATASET}-{step}"
