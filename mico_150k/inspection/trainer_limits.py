"""Finds the rows that each trainer cannot take: limits of `mico export` and of the trainer itself.

The code that skips rows in an export tests them here, on `index` only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from mico_150k.builders import TRAINERS
from mico_150k.core.plural import counted
from mico_150k.core.trainer import Candidate, Limit, Trainer
from mico_150k.export.limits import candidates


@dataclass(frozen=True, slots=True)
class TrainerLimit:
    """One limit of one trainer.

    `why` describes rows over the limit; `exceeded` describes one such row, and is "" if it fits.
    """

    trainer: str
    name: str
    why: str
    exceeded: Callable[[Candidate], str]


def trainer_limits() -> list[TrainerLimit]:
    """Return all trainers' limits; nested limits of one trainer are ordered narrow to wide."""
    return [limit for trainer in TRAINERS.values() for limit in _limits_of(trainer)]


def _limits_of(trainer: Trainer) -> Iterator[TrainerLimit]:
    most = trainer.max_inputs
    if most is not None:
        yield TrainerLimit(
            trainer.title,
            counted(most, "input"),
            f"more than {counted(most, 'input')}",
            lambda row: (
                f"{counted(len(row.inputs), 'input')}, at most {most}" * (len(row.inputs) > most)
            ),
        )
    for limit in (*trainer.skips, *trainer.limits):
        yield TrainerLimit(trainer.title, limit.name, limit.why, _applying(limit, most))


def _applying(limit: Limit, most: int | None) -> Callable[[Candidate], str]:
    """Apply the limit only to rows with no more inputs than the trainer takes."""
    return lambda row: (
        limit.why if (most is None or len(row.inputs) <= most) and limit.applies(row) else ""
    )


def exceeded_limits(index: pa.Table) -> Iterator[list[tuple[TrainerLimit, str]]]:
    """Yield, for each index row, the limits that it exceeds, each with a description."""
    limits = trainer_limits()
    for row in candidates(index):
        found = ((limit, limit.exceeded(row)) for limit in limits)
        yield [(limit, words) for limit, words in found if words]
