"""A share of a build: what one of several machines does of it."""

from dataclasses import dataclass
from pathlib import Path

from mico_150k.build.plan import Plan, Unit
from mico_150k.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Share:
    """The `number`th of `of` equal shares of a plan's units, from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        """`3/8`. Raises `UsageError`."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            msg = f"--units {text}: one of n shares is named as 1/n to n/n, such as 3/8."
            raise UsageError(msg)
        return cls(int(number), int(of))

    def take(self, plan: Plan) -> tuple[Unit, ...]:
        """Its units: of every size some, so that the shares take about the same time."""
        by_size = sorted(
            plan.units,
            key=lambda unit: (-plan.unit_bytes(unit), unit.files),
        )
        return tuple(by_size[self.number - 1 :: self.of])


@dataclass(frozen=True, slots=True)
class ShareResult:
    """A finished share. `resumed` of its shards were there before; `seconds` are of this run."""

    folder: Path
    shards: int
    resumed: int
    seconds: float
