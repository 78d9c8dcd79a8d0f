"""Maps a Parquet file's columns to their leaf columns, by position.

A leaf's path, such as `input_images.list.element.bytes`, is ambiguous: names may have dots.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from mico_150k.core.errors import BrokenFile, UnknownShape
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import leave_out
from mico_150k.core.plural import counted


@dataclass(frozen=True, slots=True)
class Leaves:
    """The positions of leaf columns by column, and each leaf's path."""

    places: dict[str, range]
    paths: tuple[str, ...]
    repeated: tuple[bool, ...]
    doubled: frozenset[str]

    @classmethod
    def of(cls, name: str, file: pq.ParquetFile) -> "Leaves":
        """Return the leaves of a file called `name`. Raises `BrokenFile` if its schemas differ."""
        columns = [file.schema.column(place) for place in range(len(file.schema))]
        places: dict[str, range] = {}
        start = 0
        for field in file.schema_arrow:
            end = start + sum(1 for _ in _leaf_types(field.type))
            places[field.name] = range(start, end)
            start = end
        if start != len(columns) or len(columns) != file.metadata.num_columns:
            msg = (
                f"{name}: its footer contradicts itself: {counted(start, 'column')} in one place, "
                f"{len(columns)} in another.\n"
                f"Download it again. {leave_out(name)}"
            )
            raise BrokenFile(msg)
        times = Counter(file.schema_arrow.names)
        return cls(
            places=places,
            paths=tuple(column.path for column in columns),
            repeated=tuple(column.max_repetition_level > 0 for column in columns),
            doubled=frozenset(column for column, count in times.items() if count > 1),
        )

    def of_columns(self, columns: Iterable[str]) -> Iterator[int]:
        """Yield the positions of all leaves of these columns."""
        for column in columns:
            yield from self.places[column]

    def refuse_doubled(self, file: str, columns: Iterable[str]) -> None:
        """Raise `UnknownShape` if one of these columns, or a part of one, has a duplicate name."""
        used = list(columns)
        paths = Counter(self.paths)
        for column in used:
            twice = [self.paths[leaf] for leaf in self.places[column]]
            parts = [path for path in twice if paths[path] > 1]
            if column in self.doubled or parts:
                name = excerpt(column if column in self.doubled else parts[0])
                msg = (
                    f"{file}: two columns are called {name}, so the name is ambiguous.\n"
                    f"Rename one of them, or name other columns: --map. {leave_out(file)}"
                )
                raise UnknownShape(msg)


def _leaf_types(arrow_type: pa.DataType) -> Iterator[pa.DataType]:
    """Yield the types of the leaf columns that store a column of this type."""
    if isinstance(arrow_type, pa.BaseExtensionType):
        yield from _leaf_types(arrow_type.storage_type)
    elif pt.is_struct(arrow_type) or pt.is_map(arrow_type):
        for place in range(arrow_type.num_fields):
            yield from _leaf_types(arrow_type.field(place).type)
    elif pt.is_nested(arrow_type) and arrow_type.num_fields == 1:  # a list of some kind
        yield from _leaf_types(arrow_type.field(0).type)
    else:
        yield arrow_type
