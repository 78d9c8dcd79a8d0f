"""Dataset folders and exports mutated: tables, JSON, the card, links, and what is no file."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from fuzzing import damage, manifests, tables, values
from fuzzing.tables import INDEX, path_out, victim_of, ways_out

PushStrategy = Callable[[Path, random.Random], None]
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
        configs[path_out(folder, rng)] = configs[config]
    else:
        configs[config][path_out(folder, rng)] = configs[config][name]
    path.write_bytes(values.encoded(plain, rng, 2))


def other_json(folder: Path, rng: random.Random) -> None:
    """A value of the report or of the source's modification tokens."""
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
    target = victim_of(folder)
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
    target = victim_of(folder)
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
    words = [*ways_out(folder), *values.TEXTS]
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


_WAYS: tuple[PushStrategy, ...] = (
    *[tables.index_value] * 6, *[tables.index_path] * 2, *[tables.index_table] * 2,
    *[tables.shard_value] * 2, tables.shard_table,
    *[tables.parquet_bytes] * 2, *[manifest_value] * 5, manifest_names, other_json, json_spoiled,
    json_bytes, json_sparse, *[quarantine] * 2, *[readme] * 2, *[special] * 4, *[more_files] * 2,
)  # fmt: skip


def _json_value(path: Path, rng: random.Random) -> None:
    plain = json.loads(path.read_text())
    for _ in range(rng.choice([1, 1, 2])):
        plain = values.changed(plain, rng)
    path.write_bytes(values.encoded(plain, rng, 2))
