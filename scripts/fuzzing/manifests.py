"""Manifests mutated: values, structure, encodings, bytes; and the images that they name."""

import json
import os
import random
import socket
from pathlib import Path
from typing import Any

from fuzzing import damage, values

PATHS = (
    "images", "images/", "images/../images/png-0.img", "./images/png-0.img", "images//png-0.img",
    "images/missing.img", "../../victim/secret.png", "../../../victim/secret.png",
    "images/link.img", "images/fifo.img", "images/socket.img", "images/loop.img", "images/zero.img",
    "rows.json",    "/dev/zero", "/dev/stdin", "images/png-0.img\0", "images/png-0.img/x",
)  # fmt: skip


def mutate(path: Path, rng: random.Random) -> str:
    """Mutate a manifest in place, or an image beside it; returns how."""
    how = rng.randrange(10)
    if how == 0:
        path.write_bytes(damage.damaged(path.read_bytes(), rng))
        return "bytes"
    if how == 1:
        path.write_bytes(values.spoiled(path.read_bytes(), rng))
        return "spoiled"
    if how == 2:
        images(path.parent / "images", rng)
        return "images"
    if how == 3 and rng.random() < 1 / 2:
        with path.open("r+b") as file:
            file.truncate(rng.choice([70 << 20, 3 << 30, 64 << 30]))
        return "sparse"
    entries = read(path)
    for _ in range(rng.choice([1, 1, 2, 5])):
        entries = _changed(entries, rng)
    write(path, entries, rng)
    odd_files(path.parent / "images", rng)
    return "values"


def _changed(entries: Any, rng: random.Random) -> Any:
    if rng.random() < 1 / 2 or not isinstance(entries, list) or not entries:
        return values.changed(entries, rng)
    entry = rng.choice(entries)
    if not isinstance(entry, dict) or not entry:
        return values.changed(entries, rng)
    key = rng.choice(list(entry))
    if isinstance(entry[key], list) and entry[key]:
        entry[key][rng.randrange(len(entry[key]))] = rng.choice([*PATHS, values.scalar(rng)])
        if rng.random() < 1 / 20:
            entry[key] = entry[key] * rng.choice([10, 20_000])
    elif isinstance(entry[key], str):
        entry[key] = rng.choice([*PATHS, values.text(rng)])
    else:
        entry[key] = values.scalar(rng)
    return entries


def read(path: Path) -> Any:
    """A manifest's value: its rows."""
    text = path.read_text()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n") if line]
    return json.loads(text)


def write(path: Path, plain: Any, rng: random.Random) -> None:
    """Write it as it was: a row a line, or an array."""
    if path.suffix == ".jsonl" and isinstance(plain, list):
        end = rng.choice([b"\n", b"\n", b"\n", b"\r\n", b"\n\n"])
        path.write_bytes(b"".join(values.encoded(entry, rng) + end for entry in plain))
    else:
        path.write_bytes(values.encoded(plain, rng))


def odd_files(folder: Path, rng: random.Random) -> None:
    """What is no file of its own, where one may be named."""
    (folder / "link.img").symlink_to("../../../victim/secret.png")
    (folder / "loop.img").symlink_to("loop.img")
    (folder / "zero.img").symlink_to("/dev/zero")
    if rng.random() < 1 / 2:
        os.mkfifo(folder / "fifo.img")
        bind(folder / "socket.img")


def bind(path: Path) -> None:
    """A socket at this path, whose name may be longer than a socket's."""
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        made.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def images(folder: Path, rng: random.Random) -> None:
    """Files of images replaced by something else."""
    for path in rng.sample(sorted(folder.iterdir()), rng.randint(1, 4)):
        how = rng.randrange(7)
        data = path.read_bytes()
        path.unlink()
        if how == 0:
            continue
        if how == 1:
            path.symlink_to("../../../victim/secret.png")
        elif how == 2:
            os.mkfifo(path)
        elif how == 3:
            path.mkdir()
        elif how == 4:
            bind(path)
        elif how == 5:
            with path.open("wb") as file:
                file.truncate(rng.choice([1 << 20, 300 << 20, 5 << 30]))
        else:
            path.write_bytes(damage.damaged(data, rng))
