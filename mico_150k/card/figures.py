"""The figures of a card: counts, sizes in pixels and an example of each task.

All of it comes from the index; no image is read.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

EXAMPLE_COLUMNS = ("id", "num_inputs", "instruction")


@dataclass(frozen=True, slots=True)
class Figures:
    """`inputs` are rows by task and number of input images; `examples` one row of each task.

    `formats` are images by format; `sides` the shortest, the median and the longest of the
    images' longer sides, in pixels.
    """

    inputs: dict[str, dict[int, int]]
    formats: dict[str, int]
    sides: tuple[int, int, int]
    examples: dict[str, dict[str, Any]]

    @property
    def numbers(self) -> list[int]:
        """All numbers of inputs that occur, in order."""
        return sorted({number for by_number in self.inputs.values() for number in by_number})

    @classmethod
    def of_index(cls, table: pa.Table) -> "Figures":
        """Count over the rows of a validated index."""
        tasks, numbers = table["task"].to_pylist(), table["num_inputs"].to_pylist()
        inputs: dict[str, dict[int, int]] = {}
        for (task, number), rows in sorted(Counter(zip(tasks, numbers, strict=True)).items()):
            inputs.setdefault(task, {})[number] = rows
        formats = Counter(
            {
                value["values"]: value["counts"]
                for value in pc.value_counts(pc.list_flatten(table["formats"])).to_pylist()
            }
        )
        return cls(inputs, dict(formats.most_common()), _sides(table), _examples(table, tasks))


def _sides(table: pa.Table) -> tuple[int, int, int]:
    sides = pc.max_element_wise(pc.list_flatten(table["widths"]), pc.list_flatten(table["heights"]))
    if not len(sides):
        return (0, 0, 0)
    shortest, middle, longest = pc.quantile(sides, [0, 0.5, 1], interpolation="lower").to_pylist()
    return (shortest, middle, longest)


def _examples(table: pa.Table, tasks: list[str]) -> dict[str, dict[str, Any]]:
    """The first row of each task; `tasks` are those of all rows."""
    found = {}
    for task in sorted(set(tasks)):
        place = tasks.index(task)
        found[task] = table.slice(place, 1).select(list(EXAMPLE_COLUMNS)).to_pylist()[0]
    return found
