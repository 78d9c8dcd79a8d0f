"""A partition of a build: what one of several machines does of it."""

from dataclasses import dataclass

from mico_150k.build.plan import Plan, Unit
from mico_150k.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Partition:
    """The `number`th of `of` equal partitions of a plan's units, from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Partition":
        """`3/8`. Raises `UsageError`."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            msg = f"--partition {text} is not a partition, such as 3/8: I/N with I from 1 to N."
            raise UsageError(msg)
        return cls(int(number), int(of))

    def take(self, plan: Plan) -> tuple[Unit, ...]:
        """Its units: of every size some, so that the partitions take about the same time."""
        by_size = sorted(
            plan.units,
            key=lambda unit: (-plan.unit_bytes(unit), unit.files),
        )
        return tuple(by_size[self.number - 1 :: self.of])


@dataclass(frozen=True, slots=True)
class PartitionResult:
    """A finished partition. `resumed` shards were there before; `seconds` are of this run."""

    location: str
    shards: int
    resumed: int
    seconds: float
