"""The tables of a dataset folder mutated: its index, its shards, and their bytes.

Mostly, the manifest's sizes and hashes are made right again, as a stranger would.
"""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzzing import damage, parquet, values
from fuzzing.victim import VICTIM

INDEX = "index/train-00000.parquet"


def index_value(folder: Path, rng: random.Random) -> None:
    """One value of the index, of its own type where that can hold it."""
    path = _one(folder, "index/*.parquet", rng)
    table = pq.ParquetFile(path).read()
    name = rng.choice(table.column_names)
    cells = table[name].to_pylist()
    for _ in range(rng.choice([1, 1, 3])):
        row = rng.randrange(len(cells))
        cells[row] = _value(cells[row], folder, rng)
    column = _array(cells, table.schema.field(name).type)
    _write(folder, path, table.set_column(table.column_names.index(name), name, column), rng)


def index_path(folder: Path, rng: random.Random) -> None:
    """Words of the index that would become a path, all right but for it."""
    path = folder / INDEX
    table = pq.ParquetFile(path).read()
    name = rng.choice(["formats", "digests", "formats", "id", "source_id", "task", "actions"])
    cells = table[name].to_pylist()
    word = path_out(folder, rng)
    if isinstance(cells[0], list):
        cells[0] = [word, *cells[0][1:]]
    else:
        cells[0] = word
    column = pa.array(cells, table.schema.field(name).type)
    _write(folder, path, table.set_column(table.column_names.index(name), name, column), rng)


def index_table(folder: Path, rng: random.Random) -> None:
    """Rows or columns of the index gone, doubled, out of order, renamed or retyped."""
    path = _one(folder, "index/*.parquet", rng)
    table = pq.ParquetFile(path).read()
    how = rng.randrange(9)
    name = rng.choice(table.column_names)
    if how == 0:
        table = table.drop_columns([name])
    elif how == 1:
        table = table.rename_columns(
            [f"{one}_" if one == name else one for one in table.column_names]
        )
    elif how == 2:
        table = table.append_column(name, table[name])
    elif how == 3:
        table = table.take(rng.sample(range(table.num_rows), table.num_rows))
    elif how == 4:
        table = pa.concat_tables([table, table.slice(0, 3)])
    elif how == 5:
        table = table.slice(0, rng.choice([0, 1, table.num_rows - 1]))
    elif how == 6:
        texts = pa.array([str(one) for one in table[name].to_pylist()])
        table = table.set_column(table.column_names.index(name), name, texts)
    elif how == 7:
        nothing = pa.nulls(table.num_rows, table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, nothing)
    else:
        table = pa.concat_tables([table] * 400)
    _write(folder, path, table, rng)


def shard_value(folder: Path, rng: random.Random) -> None:
    """A value of a configuration's shard: an image, an instruction, an id."""
    path = _one(folder, "[!i]*/*.parquet", rng)
    table = pq.ParquetFile(path).read()
    name = rng.choice(table.column_names)
    cells = table[name].to_pylist()
    row = rng.randrange(len(cells))
    how = rng.randrange(4)
    if how == 0:
        cells[row] = None
    elif how == 1:
        cells[row] = cells[(row + 1) % len(cells)]
    elif how == 2 and isinstance(cells[row], list):
        cells[row] = cells[row][: rng.randrange(len(cells[row]) + 1)]
    else:
        cells[row] = _spoilt(cells[row], folder, rng)
    column = _array(cells, table.schema.field(name).type)
    _write(folder, path, table.set_column(table.column_names.index(name), name, column), rng)


def shard_table(folder: Path, rng: random.Random) -> None:
    """A shard with rows gone, doubled or out of order, or in other row groups."""
    path = _one(folder, "[!i]*/*.parquet", rng)
    table = pq.ParquetFile(path).read()
    how = rng.randrange(4)
    if how == 0:
        table = table.slice(0, rng.randrange(table.num_rows))
    elif how == 1:
        table = pa.concat_tables([table, table])
    elif how == 2:
        table = table.take(rng.sample(range(table.num_rows), table.num_rows))
    else:
        table = table.drop_columns([rng.choice(table.column_names)])
    _write(folder, path, table, rng)


def parquet_bytes(folder: Path, rng: random.Random) -> None:
    """A shard damaged as any Parquet file may be."""
    path = _one(folder, "*/*.parquet", rng)
    rng.choice([parquet.any_bytes, parquet.footer_field, parquet.footer_bytes])(path, rng)
    _set_right(folder, path, rng)


def _value(old: Any, folder: Path, rng: random.Random) -> Any:
    """Another value in place of this one, mostly of its kind."""
    how = rng.randrange(6)
    if how == 0:
        return None
    if isinstance(old, list):
        if how == 1:
            return old[: rng.randrange(len(old) + 1)]
        if how == 2:
            return old * rng.choice([2, 1000])
        return [_value(old[0], folder, rng) if old else values.scalar(rng), *old[1:]]
    if isinstance(old, int) and how > 1:
        return rng.choice([0, -1, -5, 1, old + 1, 10**6, 2**31 - 1, -(2**31)])
    if isinstance(old, str) and how > 1:
        return _clean(rng.choice([*ways_out(folder), values.MARK, *values.TEXTS]))
    return _clean(values.scalar(rng))


def _spoilt(cell: Any, folder: Path, rng: random.Random) -> Any:
    """The same cell with one thing in it, at any depth, spoilt."""
    if isinstance(cell, list) and cell:
        place = rng.randrange(len(cell))
        return [*cell[:place], _spoilt(cell[place], folder, rng), *cell[place + 1 :]]
    if isinstance(cell, dict):
        if rng.random() < 1 / 3:
            return {"bytes": None, "path": str(victim_of(folder) / "secret.png")}
        return {**cell, "bytes": _spoilt(cell.get("bytes"), folder, rng)}
    if isinstance(cell, bytes):
        return rng.choice([b"", None, rng.randbytes(100), damage.damaged(cell, rng)])
    return _value(cell, folder, rng)


def _array(cells: list[Any], of: pa.DataType) -> pa.Array:
    """A column of these cells; of another type where its own cannot hold them."""
    try:
        return pa.array(cells, of)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        try:
            return pa.array(cells)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return pa.array([_clean(str(cell))[:1000] for cell in cells])


def _clean(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _write(folder: Path, path: Path, table: pa.Table, rng: random.Random) -> None:
    pq.write_table(table, path, row_group_size=rng.choice([5, 20, 1000]))
    _set_right(folder, path, rng)


def _set_right(folder: Path, path: Path, rng: random.Random) -> None:
    """Have the manifest say what the file is now, mostly."""
    if rng.random() < 1 / 5:
        return
    data = path.read_bytes()
    try:
        metadata = pq.read_metadata(path)
        counts = {"rows": metadata.num_rows, "row_groups": metadata.num_row_groups}
    except (pa.ArrowException, OSError):
        counts = {}
    manifest = folder / "manifest.json"
    try:
        plain = json.loads(manifest.read_text())
        record = plain["configs"][path.parent.name][path.name]
        record.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), **counts)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return  # spoilt before
    manifest.write_text(json.dumps(plain, indent=2))


def _one(folder: Path, pattern: str, rng: random.Random) -> Path:
    return rng.choice(sorted(path for path in folder.glob(pattern) if path.is_file()))


def victim_of(folder: Path) -> Path:
    """What lies beside it, and must stay as it is."""
    return folder.parent / VICTIM


def ways_out(folder: Path) -> list[str]:
    """Words that lead there where one of them becomes a path."""
    victim = victim_of(folder) / "settings.json"
    return [
        f"../{VICTIM}/settings.json",
        str(victim),
        "x/" + "../" * 12 + str(victim).lstrip("/"),
        *(f"x/{'../' * up}{VICTIM}/settings.json" for up in range(1, 8)),
        f"../{VICTIM}/folder",
    ]


def path_out(folder: Path, rng: random.Random) -> str:
    """One of them."""
    return rng.choice(ways_out(folder))
