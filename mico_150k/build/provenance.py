"""The commands that made a dataset, one for each step, for its manifest and card.

They contain no local paths: a release is `RELEASE`, the first dataset `mico-150k` (or `mico-demo`),
and one refined from it `mico-150k-2`. A dataset without commands in its manifest (of an older
version) is `DATASET`.
"""

from collections.abc import Sequence

from mico_150k.dataset import layout

RELEASE = "RELEASE"
UNTOLD = "DATASET"


def build_command(*options: str, source: str = RELEASE) -> list[str]:
    """Return the command that builds the first dataset; `source` is "" for the built-in demo."""
    folder = layout.default_folder(1, is_demo=not source)
    return ["mico", "build", *([source] if source else []), "--out", folder, *options]


def refine_command(before: Sequence[object], *options: str) -> list[str]:
    """Return the command that refines the dataset that the commands `before` made."""
    first = before[0] if before else None
    is_demo = isinstance(first, list) and first[1:2] == ["build"] and RELEASE not in first
    source = layout.default_folder(len(before), is_demo=is_demo) if before else UNTOLD
    out = layout.default_folder(len(before) + 1, is_demo=is_demo)
    return ["mico", "refine", source, "--out", out, *options]


def unless(default: float, option: str, value: float) -> list[str]:
    """Return an option with its value, or nothing if the value is the default."""
    return [] if value == default else [option, f"{value:g}"]
