"""The options of a refinement."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mico_150k.build.provenance import unless
from mico_150k.core.errors import UsageError
from mico_150k.dataset.selection import Selection
from mico_150k.refine.validation_split import MAX_LOSS

OnStep = Callable[[str, int, int], None]
"""Told what is looked at, how many of it are done, and of how many."""


@dataclass(frozen=True, slots=True)
class RefineOptions:
    """The steps of a refinement, in this order: removal, selection, benchmark, validation.

    `remove` is a list of ids and digests. `bench` is the folder of MICo-Bench; with `mark`, rows
    in it are marked instead of removed; with `exact`, only the same bytes match. `validation` is
    the number of rows of the validation split.
    """

    remove: Path | None = None
    selection: Selection = field(default_factory=Selection)
    bench: str | None = None
    mark: bool = False
    exact: bool = False
    validation: int | None = None
    max_loss: float = MAX_LOSS
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `UsageError` for options that need another."""
        if (self.mark or self.exact) and self.bench is None:
            msg = "--mark and --exact need --benchmark."
            raise UsageError(msg)
        if self.max_loss != MAX_LOSS and self.validation is None:
            msg = "--max-loss needs --validation."
            raise UsageError(msg)

    @property
    def is_nothing(self) -> bool:
        """Whether the dataset would stay as it is."""
        asked = (self.remove, self.bench, self.validation)
        return self.selection.is_all and all(value is None for value in asked)

    def to_argv(self) -> list[str]:
        """The options of `mico refine` that say the same; not where the list and the bench lie."""
        selection = self.selection
        return [
            *(["--remove", "LIST"] if self.remove else []),
            *(["--where", selection.where] if selection.where is not None else []),
            *(["--sample", str(selection.sample)] if selection.sample else []),
            *(["--benchmark", "MICO_BENCH"] if self.bench is not None else []),
            *(["--mark"] if self.mark else []),
            *(["--exact"] if self.exact else []),
            *(["--validation", str(self.validation)] if self.validation else []),
            *unless(MAX_LOSS, "--max-loss", self.max_loss),
            *(["--seed", str(self.seed)] if self.has_chance else []),
        ]

    @property
    def has_chance(self) -> bool:
        """Whether rows are drawn, so that the seed has an effect."""
        return self.selection.sample is not None or self.validation is not None

    def require_something(self) -> None:
        """Raise `UsageError` if the dataset would only be copied."""
        if self.is_nothing:
            msg = (
                "mico refine needs a change: --benchmark MICO_BENCH, --validation ROWS, --where "
                "SQL, --sample ROWS or --remove LIST."
            )
            raise UsageError(msg)

    def to_dict(self) -> dict[str, Any]:
        """What decides the result, as plain values; not where the list and the benchmark lie."""
        return {
            "remove": self.remove is not None,
            "selection": self.selection.to_dict(),
            "bench": self.bench is not None,
            "mark": self.mark,
            "exact": self.exact,
            "validation": self.validation,
            "max_loss": self.max_loss,
            "seed": self.seed,
        }
