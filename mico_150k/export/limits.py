"""Applies a trainer's limits to chosen rows, using only the index, and counts what it skips."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

import pyarrow as pa

from mico_150k.core.errors import OverLimit, UsageError
from mico_150k.core.plural import counted
from mico_150k.core.references import named_images
from mico_150k.core.trainer import Candidate, Trainer
from mico_150k.io.arrow import array_of

TOO_MANY_INPUTS = "inputs"
MORE_THAN_ASKED = "max-inputs"
"""A row that the trainer accepts, but with more inputs than `--max-inputs` allows."""
DANGLING = "dangling"
"""A row that could be truncated, but whose instruction names an image that would be removed."""

_MOST_NAMED = 3


class OverLimitPolicy(str, Enum):
    """What an export does with a row that the trainer cannot use."""

    DROP = "drop"
    ERROR = "error"
    TRUNCATE = "truncate"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The rows that a trainer accepts, from the index, and how many inputs each row keeps."""

    index: pa.Table
    inputs: tuple[int, ...]
    chosen: int
    truncated: int
    skipped: dict[str, int]
    remarks: dict[str, int]

    def rows(self) -> Iterator[Candidate]:
        """Yield the rows with the inputs that they keep."""
        for row, count in zip(candidates(self.index), self.inputs, strict=True):
            yield replace(row, inputs=row.inputs[:count])

    def with_all(self, chosen: pa.Table) -> "Fitted":
        """Return all chosen rows, as for an export in place; rows over a limit count as remarks."""
        counts = tuple(chosen["num_inputs"].to_pylist())
        return replace(
            self,
            index=chosen,
            inputs=counts,
            skipped={},
            remarks={**self.remarks, **self.skipped},
        )


def fit(
    trainer: Trainer, chosen: pa.Table, policy: OverLimitPolicy, max_inputs: int | None = None
) -> Fitted:
    """Apply a trainer's limits to the chosen rows.

    Args:
        trainer: The trainer.
        chosen: Rows of the index.
        policy: What to do with rows over a limit.
        max_inputs: A limit on inputs that is lower than the trainer's own.

    Raises:
        OverLimit: A row exceeds a limit, and the policy is to stop.
        UsageError: `max_inputs` is not lower than the trainer's limit.
    """
    own = trainer.max_inputs
    if max_inputs is not None and own is not None and max_inputs >= own:
        msg = (
            f"{trainer.title} takes {counted(own, 'input')} and no more: --max-inputs is for fewer."
        )
        raise UsageError(msg)
    skipped: Counter[str] = Counter()
    remarks: Counter[str] = Counter()
    kept: list[int] = []
    inputs: list[int] = []
    exceeding: list[str] = []
    truncated = 0
    for place, row in enumerate(candidates(chosen)):
        fitting, reason = _fit_row(trainer, row, policy, max_inputs)
        if reason:
            skipped[reason] += 1
            exceeding.append(f"{row.id} ({reason})")
            continue
        kept.append(place)
        inputs.append(len(fitting.inputs))
        truncated += len(fitting.inputs) < len(row.inputs)
        remarks.update(remark.name for remark in trainer.remarks if remark.applies(fitting))
    if policy is OverLimitPolicy.ERROR and exceeding:
        more = "" if len(exceeding) <= _MOST_NAMED else ", …"
        msg = (
            f"{len(exceeding):,} of {counted(chosen.num_rows, 'row')} are over a limit for "
            f"{trainer.title}: {', '.join(exceeding[:_MOST_NAMED])}{more}\n"
            "--over-limit drop skips them; --over-limit truncate keeps the first inputs of "
            "those with too many."
        )
        raise OverLimit(msg)
    return Fitted(
        index=chosen.take(array_of(kept, pa.int32())),
        inputs=tuple(inputs),
        chosen=chosen.num_rows,
        truncated=truncated,
        skipped=dict(skipped.most_common()),
        remarks=dict(remarks.most_common()),
    )


def candidates(index: pa.Table) -> Iterator[Candidate]:
    """Yield the rows of an index in the form that limits check."""
    columns = ["id", "instruction", "widths", "heights"]
    for batch in index.select(columns).to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            sizes = tuple(zip(row["widths"], row["heights"], strict=True))
            yield Candidate(row["id"], row["instruction"], sizes[:-1], sizes[-1])


def _fit_row(
    trainer: Trainer, row: Candidate, policy: OverLimitPolicy, max_inputs: int | None
) -> tuple[Candidate, str | None]:
    """Return the row as the trainer accepts it, and the limit that it exceeds, if any."""
    own = trainer.max_inputs
    most = own if max_inputs is None else max_inputs
    if most is not None and len(row.inputs) > most:
        if policy is not OverLimitPolicy.TRUNCATE:
            takes = own is None or len(row.inputs) <= own
            return row, MORE_THAN_ASKED if takes else TOO_MANY_INPUTS
        if any(number > most for number in named_images(row.instruction)):
            return row, DANGLING
        row = replace(row, inputs=row.inputs[:most])
    for limit in trainer.limits:
        if limit.applies(row):
            return row, limit.name
    return row, None
