"""Dataset folders and exports mutated: values, structure, links, and what is no file.

Where it can be, the manifest's sizes and hashes are made right again, as a stranger would.
"""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzzing import damage, manifests, parquet, values
from fuzzing.victim import VICTIM

Way = Callable[[Path, random.Random], None]
INDEX = "index/train-00000.parquet"
SHARED = ("manifest.json", "report.json", ".source.json")


def mutate(folder: Path, rng: random.Random) -> str:
    """Mutate a dataset folder in place; returns how."""
    ways = [rng.choice(_WAYS) for _ in range(rng.choice([1, 1, 1, 2]))]
    for way in ways:
        way(folder, rng)
    return "+".join(way.__name__ for way in ways)


def mutate_export(folder: Path, rng: random.Random) -> str:
    """Mutate an export in place; returns how."""
    way = rng.choice([_export_record, _export_record, _export_record, _small_file, special])
    way(folder, rng)
    return way.__name__.lstrip("_")


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
    word = _path(folder, rng)
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


def manifest_value(folder: Path, rng: random.Random) -> None:
    """A value of the manifest."""
    _json_value(folder / "manifest.json", rng)


def manifest_names(folder: Path, rng: random.Random) -> None:
    """Names of files and configurations in the manifest that lead elsewhere."""
    path = folder / "manifest.json"
    plain = json.loads(path.read_text())
    configs = plain["configs"]
    config = rng.choice(sorted(configs))
    name = rng.choice(sorted(configs[config]))
    if rng.random() < 1 / 2:
        configs[_path(folder, rng)] = configs[config]
    else:
        configs[config][_path(folder, rng)] = configs[config][name]
    path.write_bytes(values.encoded(plain, rng, 2))


def other_json(folder: Path, rng: random.Random) -> None:
    """A value of the report or of the source's stamps."""
    _json_value(folder / rng.choice(["report.json", ".source.json"]), rng)


def json_spoiled(folder: Path, rng: random.Random) -> None:
    """A JSON file as a whole."""
    path = folder / rng.choice([*SHARED, "quarantine.jsonl"])
    path.write_bytes(values.spoiled(path.read_bytes(), rng))


def json_bytes(folder: Path, rng: random.Random) -> None:
    """Bytes of a small file."""
    path = folder / rng.choice([*SHARED, "quarantine.jsonl", "README.md"])
    path.write_bytes(damage.damaged(path.read_bytes(), rng))


def json_sparse(folder: Path, rng: random.Random) -> None:
    """A small file of many gigabytes that take no room."""
    path = folder / rng.choice([*SHARED, "quarantine.jsonl", "README.md"])
    with path.open("r+b") as file:
        file.truncate(rng.choice([70 << 20, 3 << 30, 64 << 30]))


def quarantine(folder: Path, rng: random.Random) -> None:
    """Lines of the quarantine."""
    path = folder / "quarantine.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    changed = values.changed(lines, rng)
    changed = changed if isinstance(changed, list) else [changed]
    path.write_bytes(b"".join(values.encoded(line, rng) + b"\n" for line in changed))


def readme(folder: Path, rng: random.Random) -> None:
    """A card that is no text, no YAML, or too much of it."""
    path = folder / "README.md"
    text = path.read_text()
    ways: list[Callable[[], bytes]] = [
        lambda: text.encode("utf-16"),
        lambda: text.encode() + b"\xff\xfe",
        lambda: text.replace("configs:", "configs: 1\nx:").encode(),
        lambda: text.replace("configs:", "configs: [[]]\nx:").encode(),
        lambda: text.replace("config_name: default", "config_name: []").encode(),
        lambda: text.replace("config_name: default", "config_name: 1").encode(),
        lambda: text.replace("dataset_info:", "dataset_info: {}\nx:").encode(),
        lambda: text.replace("path: index", "path: ../../victim").encode(),
        lambda: text.replace("---\n", "--- !!python/object/apply:os.system ['id']\n", 1).encode(),
        lambda: _aliases(text),
        lambda: b"---\n" + b"[" * values.DEEP + b"\n---\n",
        lambda: b"---\n" + b"a:\n" * 5 + b"---\n",
        lambda: text.replace("<!-- by hand", "<!-- by hand: x -->\n<!-- by hand").encode(),
        lambda: text.replace("<!-- end", "<!-- ende").encode(),
        lambda: text.encode() + b"<!-- by hand: " * 50_000,
        lambda: text.replace("\n", "\r\n").encode(),
        lambda: text.replace("num_examples: ", "num_examples: -").encode(),
        lambda: text.replace("num_bytes: ", "num_bytes: 1e999 #").encode(),
        lambda: b"",
    ]  # fmt: skip
    path.write_bytes(rng.choice(ways)())


def _aliases(text: str) -> bytes:
    """YAML whose aliases stand for a billion words."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    ten = {level: ", ".join([f"*a{level - 1}"] * 10) for level in range(1, 10)}
    lines += [f"a{level}: &a{level} [{below}]" for level, below in ten.items()]
    return text.replace("---\n", "---\n" + "\n".join(lines) + "\n", 1).encode()


def special(folder: Path, rng: random.Random) -> None:
    """What is no file of its own in place of any file, or of a folder."""
    path = rng.choice([*sorted(folder.rglob("*"))])
    target = _victim(folder)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    how = rng.randrange(10)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        manifests.bind(path)
    elif how == 2:
        path.mkdir()
    elif how == 3:
        path.symlink_to(path.name)
    elif how == 4:
        path.symlink_to("nowhere")
    elif how == 5:
        path.symlink_to(rng.choice(["/dev/zero", "/dev/null", "/dev/stdin", "/dev/tty"]))
    elif how == 6:
        path.symlink_to(target)
    elif how == 7:
        path.symlink_to(target / "folder")
    elif how == 8:
        path.symlink_to(target / "notes.txt")
    else:
        path.symlink_to(target / "secret.png")


def more_files(folder: Path, rng: random.Random) -> None:
    """Files that no build has written."""
    target = _victim(folder)
    ways: list[Callable[[], object]] = [
        lambda: (folder / "assets" / "secret.png").symlink_to(target / "secret.png"),
        lambda: (folder / "assets" / "notes.txt").symlink_to(target / "notes.txt"),
        lambda: (folder / "assets" / "a b\n.png").write_bytes(b"x"),
        lambda: (folder / "mico-150k.py").write_text("raise SystemExit(5)\n"),
        lambda: (folder / "default" / "train-00001.parquet").symlink_to(target / "notes.txt"),
        lambda: shutil.copy(folder / INDEX, folder / "index" / "train-00001.parquet"),
        lambda: shutil.copy(folder / INDEX, folder / "index" / "train-xyz.parquet"),
        lambda: (folder / "default" / "train-00000.parquet.x.partial").write_bytes(b"x"),
        lambda: os.mkfifo(folder / "default" / "train-00001.parquet"),
        lambda: os.mkfifo(folder / "assets" / "pipe.png"),
        lambda: Path(os.fsdecode(os.fsencode(folder) + b"/assets/\xff\xfe.png")).write_bytes(b"x"),
        lambda: Path(os.fsdecode(os.fsencode(folder) + b"/default/train-\xff.parquet")).touch(),
        lambda: _work(folder, rng),
        lambda: (folder / ".build").symlink_to(target),
    ]
    for way in rng.sample(ways, rng.choice([1, 1, 3])):
        if not (folder / ".build").is_symlink():
            way()


def _work(folder: Path, rng: random.Random) -> None:
    """A build's folder of work, with records of any content."""
    records = folder / ".build" / "records"
    records.mkdir(parents=True)
    (folder / ".build" / "build.json").write_bytes(values.spoiled(b'{"options": {}}', rng))
    (records / "00000.json").write_bytes(values.spoiled(b'{"number": 0, "parts": {}}', rng))
    (records / rng.choice(["x.json", "-1.json", "99999999999999999999.json", "é.json"])).touch()


def _export_record(folder: Path, rng: random.Random) -> None:
    path = folder / "export.json"
    plain = json.loads(path.read_text())
    how = rng.randrange(6)
    words = [*_ways_out(folder), *values.TEXTS]
    if how == 0:
        plain["record_files"] = {rng.choice(words): 1}
    elif how == 1:
        plain["files"] = [rng.choice(words) for _ in range(3)]
    elif how == 2:
        plain[rng.choice(["root", "images", "dataset"])] = rng.choice([*words, "/", "\n"])
    elif how == 3:
        path.write_bytes(values.spoiled(path.read_bytes(), rng))
        return
    else:
        plain = values.changed(plain, rng)
    path.write_bytes(values.encoded(plain, rng, 2))


def _small_file(folder: Path, rng: random.Random) -> None:
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    path = rng.choice(files)
    ways = [damage.damaged, values.spoiled]
    path.write_bytes(rng.choice(ways)(path.read_bytes(), rng))


_WAYS: tuple[Way, ...] = (
    *[index_value] * 6, *[index_path] * 2, *[index_table] * 2, *[shard_value] * 2, shard_table,
    *[parquet_bytes] * 2, *[manifest_value] * 5, manifest_names, other_json, json_spoiled,
    json_bytes, json_sparse, *[quarantine] * 2, *[readme] * 2, *[special] * 4, *[more_files] * 2,
)  # fmt: skip


def _json_value(path: Path, rng: random.Random) -> None:
    plain = json.loads(path.read_text())
    for _ in range(rng.choice([1, 1, 2])):
        plain = values.changed(plain, rng)
    path.write_bytes(values.encoded(plain, rng, 2))


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
        return _clean(rng.choice([*_ways_out(folder), values.MARK, *values.TEXTS]))
    return _clean(values.scalar(rng))


def _spoilt(cell: Any, folder: Path, rng: random.Random) -> Any:
    """The same cell with one thing in it, at any depth, spoilt."""
    if isinstance(cell, list) and cell:
        place = rng.randrange(len(cell))
        return [*cell[:place], _spoilt(cell[place], folder, rng), *cell[place + 1 :]]
    if isinstance(cell, dict):
        if rng.random() < 1 / 3:
            return {"bytes": None, "path": str(_victim(folder) / "secret.png")}
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


def _victim(folder: Path) -> Path:
    return folder.parent / VICTIM


def _ways_out(folder: Path) -> list[str]:
    victim = _victim(folder) / "settings.json"
    return [
        f"../{VICTIM}/settings.json",
        str(victim),
        "x/" + "../" * 12 + str(victim).lstrip("/"),
        *(f"x/{'../' * up}{VICTIM}/settings.json" for up in range(1, 8)),
        f"../{VICTIM}/folder",
    ]


def _path(folder: Path, rng: random.Random) -> str:
    return rng.choice(_ways_out(folder))
