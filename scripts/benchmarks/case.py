"""One thing that is measured."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`run` takes the source and where to write, and may return the seconds that count.

    `needs` is a module without which there is nothing to measure; `made_by` is the case whose
    output is this one's source.
    """

    run: Callable[[str, str], float | None]
    needs: str = ""
    made_by: str = ""
