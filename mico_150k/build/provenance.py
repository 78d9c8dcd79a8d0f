"""The commands that made a dataset: a line for each step, as its manifest keeps and its card shows.

Places of the machine it was made on are not in them: a release is `RELEASE`, the first dataset
`mico-150k`, and what was made of that `mico-150k-2`. A dataset whose manifest tells of no commands,
as those of older versions, is `DATASET`.
"""

from collections.abc import Sequence

from mico_150k.dataset import layout

RELEASE = "RELEASE"
UNTOLD = "DATASET"


def build_command(*options: str, source: str = RELEASE) -> list[str]:
    """The command that builds the first dataset; a `source` of its own is named by nothing."""
    return ["mico", "build", *([source] if source else []), "--out", _folder(1), *options]


def refine_command(before: Sequence[object], *options: str) -> list[str]:
    """The command that makes a dataset of the one that `before` made."""
    source = _folder(len(before)) if before else UNTOLD
    return ["mico", "refine", source, "--out", _folder(len(before) + 1), *options]


def unless(default: float, option: str, value: float) -> list[str]:
    """An option with its value, where that is not the default."""
    return [] if value == default else [option, f"{value:g}"]


def _folder(step: int) -> str:
    return layout.DATASET if step == 1 else f"{layout.DATASET}-{step}"
