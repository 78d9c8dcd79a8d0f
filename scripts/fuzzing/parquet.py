"""Parquet files mutated: any bytes, the footer's bytes, fields of its headers, and odd tables."""

import decimal
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzzing import damage, thrift, values

MAGIC = b"PAR1"
TAIL = 8
_MANY = 2_000


def mutate(path: Path, rng: random.Random) -> str:
    """Mutate a file in place; returns how."""
    ways: list[Callable[[Path, random.Random], None]] = [
        any_bytes, footer_bytes, footer_field, footer_field, footer_field, page_field, odd_table,
        odd_table,
    ]  # fmt: skip
    way = rng.choice(ways)
    way(path, rng)
    return way.__name__


def any_bytes(path: Path, rng: random.Random) -> None:
    """Bytes anywhere in the file."""
    path.write_bytes(damage.damaged(path.read_bytes(), rng))


def footer_bytes(path: Path, rng: random.Random) -> None:
    """Bytes of the footer, whose length is made right."""
    body, footer = _split(path)
    _join(path, body, damage.damaged(footer, rng))


def footer_field(path: Path, rng: random.Random) -> None:
    """A field, or some, of the footer."""
    body, footer = _split(path)
    fields, _ = thrift.read(footer)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        thrift.change(fields, rng)
    _join(path, body, thrift.write(fields))


def page_field(path: Path, rng: random.Random) -> None:
    """A field of a page's header; what comes behind it moves where its length changes."""
    metadata = pq.read_metadata(path)
    groups = range(metadata.num_row_groups)
    chunk = metadata.row_group(rng.choice(groups)).column(rng.randrange(metadata.num_columns))
    place = rng.choice([chunk.dictionary_page_offset or chunk.data_page_offset] * 2)
    data = path.read_bytes()
    fields, end = thrift.read(data, place)
    thrift.change(fields, rng)
    path.write_bytes(data[:place] + thrift.write(fields) + data[end:])


def _split(path: Path) -> tuple[bytes, bytes]:
    data = path.read_bytes()
    length = int.from_bytes(data[-TAIL:-4], "little")
    return data[: -TAIL - length], data[-TAIL - length : -TAIL]


def _join(path: Path, body: bytes, footer: bytes) -> None:
    path.write_bytes(body + footer + len(footer).to_bytes(4, "little") + MAGIC)


def odd_table(path: Path, rng: random.Random) -> None:
    """A sound file with a table that nobody expects."""
    table = pq.ParquetFile(path).read()
    for _ in range(rng.choice([1, 1, 2])):
        table = rng.choice(_ODD)(table, rng)
    pq.write_table(
        table,
        path,
        compression=rng.choice(["none", "snappy", "zstd"]),
        row_group_size=rng.choice([1, 3, 1000]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        use_dictionary=rng.random() < 1 / 2,
        store_schema=rng.random() < 1 / 2,
    )


def _ids(table: pa.Table, rng: random.Random) -> pa.Table:
    """Ids of another type, or doubled, or null."""
    name = "ed_idx" if "ed_idx" in table.column_names else "idx"
    numbers = [int(value) for value in table[name].to_pylist()]
    ways: list[Callable[[], pa.Array]] = [
        lambda: pa.array([decimal.Decimal(n) for n in numbers], pa.decimal128(20, 0)),
        lambda: pa.array([decimal.Decimal(n) / 4 for n in numbers], pa.decimal128(20, 4)),
        lambda: pa.array([uuid.UUID(int=n).bytes for n in numbers], pa.uuid()),
        lambda: pa.array([float(n) for n in numbers]),
        lambda: pa.array([n + 0.5 for n in numbers]),
        lambda: pa.array([f"{n}" for n in numbers]).dictionary_encode(),
        lambda: pa.array([f"{n}/../{values.text(rng)[:80]}" for n in numbers]),
        lambda: pa.array([str(n).encode() for n in numbers]),
        lambda: pa.array([n % 3 == 0 for n in numbers]),
        lambda: pa.array([n % 5 for n in numbers]),
        lambda: pa.array([None, *numbers[1:]]),
        lambda: pa.array([None] * len(numbers), pa.int64()),
        lambda: pa.nulls(len(numbers)),
        lambda: pa.array(numbers, pa.timestamp("us")),
        lambda: pa.array([2**64 - 1 - n for n in numbers], pa.uint64()),
        lambda: pa.array([[n] for n in numbers]),
        lambda: pa.array([{"n": n} for n in numbers]),
        lambda: pa.array([str(n) for n in numbers], pa.string_view()),
        lambda: pa.array([str(n) for n in numbers], pa.large_string()),
    ]
    return _set(table, name, rng.choice(ways)())


def _words(table: pa.Table, rng: random.Random) -> pa.Table:
    """Instructions of any text, or of another type."""
    name = next(n for n in table.column_names if n.startswith(("instruction", "prompt")))
    texts = [_clean(values.text(rng)) for _ in range(table.num_rows)]
    if name == "instruction_list":
        turns = [[[text]] * rng.choice([1, 1, 1, 1, 0, 2]) for text in texts]
        return _set(table, name, pa.array(turns, pa.list_(pa.list_(pa.string()))))
    ways: list[Callable[[], pa.Array]] = [
        lambda: pa.array([rng.choice([text, None]) for text in texts], pa.string()),
        lambda: pa.array(texts).dictionary_encode(),
        lambda: pa.array(texts, pa.string_view()),
        lambda: pa.array(texts, pa.large_string()),
        lambda: pa.array([[text] for text in texts]),
        lambda: pa.array([[text, text] for text in texts]),
        lambda: pa.array([text.encode() for text in texts], pa.binary()),
        lambda: pa.ExtensionArray.from_storage(
            pa.json_(pa.utf8()), pa.array([f'"{n}"' for n in range(len(texts))])
        ),
        lambda: pa.nulls(len(texts), pa.string()),
        lambda: pa.array(range(len(texts))),
        lambda: _invalid_utf8(len(texts)),
    ]
    return _set(table, name, rng.choice(ways)())


def _invalid_utf8(rows: int) -> pa.Array:
    raw = pa.array([b"ok", b"\xff\xfe bad"] * rows, pa.binary())[:rows]
    return pa.Array.from_buffers(pa.string(), rows, raw.buffers())


def _images(table: pa.Table, rng: random.Random) -> pa.Table:
    """Images that are not there, or no images, or too many, or of another type."""
    name = rng.choice([n for n in table.column_names if "image" in n])
    cells = table[name].to_pylist()
    how = rng.randrange(10)
    row = rng.randrange(len(cells))
    if how == 0:
        cells[row] = None
    elif how == 1 and isinstance(cells[row], list):
        cells[row] = []
    elif how == 2 and isinstance(cells[row], list):
        cells[row] = cells[row] * rng.choice([3, _MANY])
    elif how == 3 and isinstance(cells[row], list):
        cells[row] = [None, *cells[row]]
    elif how == 4:
        cells[row] = _cell(cells[row], b"")
    elif how == 5:
        cells[row] = _cell(cells[row], rng.randbytes(50))
    elif how == 6 and isinstance(cells[row], list):
        view = pa.list_view(table.schema.field(name).type.value_type)
        return _set(table, name, pa.array(cells, view))
    elif how == 7:
        texts = [_clean(values.text(rng)) for _ in cells]
        listed = isinstance(next(filter(None, cells), None), list)
        return _set(table, name, pa.array([[one] for one in texts] if listed else texts))
    elif how == 8:
        return _set(table, name, pa.array([[cell] for cell in cells]))
    else:
        path = {"bytes": None, "path": _clean(values.text(rng))}
        if isinstance(cells[row], dict):
            cells[row] = path
        elif isinstance(cells[row], list) and cells[row] and isinstance(cells[row][0], dict):
            cells[row][0] = path
    return _set(table, name, pa.array(cells, table.schema.field(name).type))


def _cell(cell: Any, data: bytes) -> Any:
    """The same cell with other bytes in it, in its last image."""
    if isinstance(cell, dict):
        return {**cell, "bytes": data}
    if isinstance(cell, list) and cell:
        return [*cell[:-1], _cell(cell[-1], data)]
    return data


def _columns(table: pa.Table, rng: random.Random) -> pa.Table:
    """Columns more, less, doubled, or of another name."""
    name = rng.choice(table.column_names)
    how = rng.randrange(6)
    if how == 0:
        return table.drop_columns([name])
    if how == 1:
        return table.append_column(name, table[name])
    if how == 2:
        new = [_clean(values.text(rng))[:200] if one == name else one for one in table.column_names]
        return table.rename_columns(new)
    if how == 3:
        for number in range(rng.choice([3, 200])):
            table = table.append_column(f"mask_{number}", pa.nulls(table.num_rows, pa.binary()))
        return table
    if how == 4:
        tasks = [_clean(values.text(rng))[:200] for _ in range(table.num_rows)]
        return table.append_column("task", pa.array(tasks))
    return table.select(rng.sample(table.column_names, len(table.column_names)))


def _counts(table: pa.Table, rng: random.Random) -> pa.Table:
    """Rows none, one, doubled or shuffled."""
    how = rng.randrange(4)
    if how == 0:
        return table.slice(0, rng.choice([0, 1]))
    if how == 1:
        return pa.concat_tables([table, table])
    return table.take(rng.sample(range(table.num_rows), table.num_rows))


_ODD: tuple[Callable[[pa.Table, random.Random], pa.Table], ...] = (
    _ids, _ids, _words, _images, _images, _columns, _counts,
)  # fmt: skip


def _set(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
