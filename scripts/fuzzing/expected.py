"""A source's rows as plain readers see them: pyarrow and json alone, none of the package's."""

import decimal
import json
import math
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = {
    "structs": (("idx",), "instruction", "input_images", "output_image"),
    "paged": (("idx",), "instruction", "input_images", "output_image"),
    "beside": (("idx",), "instruction", "input_images", "output_image"),
    "numbered": (("ed_idx",), "prompt", "input_image_", "output_image"),
    "bagel": (("idx",), "instruction_list", "image_list", ""),
    "blip3o": (("id",), "instruction", "input_images", "output_image"),
    "omnigen2": (("id",), "instruction", "input_images", "output_image"),
    "dimoo": (("id",), "prompt", "image_path", "edit_path"),
}
"""Of each layout: ids, instruction, inputs and output."""


class CannotTellError(Exception):
    """The source cannot be judged by these means."""


@dataclass(slots=True)
class Expected:
    """A row of the source as a plain reader sees it; None where it can be nothing but left out."""

    file: str
    row: int
    ids: tuple[str, ...]
    instruction: str | None
    images: list[bytes] | None


def read_source(source: Path, layout: str) -> Iterator[Expected]:
    """Each row, file by file. Raises `CannotTellError`, and whatever a reader raises."""
    files = [path for path in sorted(source.rglob("*")) if path.suffix in _READERS]
    for path in files:
        if path.is_file():
            yield from _READERS[path.suffix](source, path, layout)


def _of_parquet(source: Path, path: Path, layout: str) -> Iterator[Expected]:
    id_names, words, inputs, output = COLUMNS[layout]
    file = pq.ParquetFile(path)
    names = list(file.schema_arrow.names)
    if len(set(names)) != len(names):
        msg = "two columns of one name"
        raise CannotTellError(msg)
    groups = [name for name in names if name == inputs or name.startswith(f"{inputs.rstrip('_')}_")]
    listed = not inputs.endswith("_")
    if listed:
        groups = [name for name in groups if name == inputs]
    else:
        groups.sort(key=lambda name: int(name.rpartition("_")[2]))
    needed = [*groups, words, *([output] if output else [])]
    id_ = next((name for name in id_names if name in names), None)
    if not groups or not set(needed) <= set(names) or id_ is None:
        msg = "a column is gone"
        raise CannotTellError(msg)
    table = file.read(columns=[*needed, id_])
    columns = {name: _plain(table[name]) for name in table.column_names}
    nothing = pa.types.is_null(table.schema.field(id_).type)  # places serve as well, then
    name = path.relative_to(source).as_posix()
    for row in range(table.num_rows):
        cells = [columns[group][row] for group in groups]
        if listed:
            cells = cells[0] if isinstance(cells[0], list) else [cells[0]]
        else:
            while cells and cells[-1] is None:
                cells.pop()
        cells = [*cells, columns[output][row]] if output else cells
        images = [_image(cell, source, path.parent) for cell in cells]
        whole = [image for image in images if image is not None]
        yield Expected(
            name,
            row,
            _id_texts(columns[id_][row]) or (place_of(name, row),) * nothing,
            _words(columns[words][row]),
            whole if len(whole) == len(images) > 1 else None,
        )


def place_of(file: str, row: int) -> str:
    """The id of a row that has none of its own."""
    return f"{file.rpartition('.')[0]}-{row}"


def _plain(column: pa.ChunkedArray) -> list[Any]:
    if isinstance(column.type, pa.JsonType):
        return [_said(text) for text in column.to_pylist()]
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_scalar(value) for value in column]


def _said(text: str | None) -> str | None:
    """The text that a JSON string says; other JSON is text as it stands."""
    try:
        said = json.loads(text or "")
    except ValueError:
        return text
    return said if isinstance(said, str) else text


def _scalar(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return None


def _of_manifest(source: Path, path: Path, layout: str) -> Iterator[Expected]:
    id_names, words, inputs, output = COLUMNS[layout]
    text = path.read_bytes().decode("utf-8-sig")
    if text.lstrip().startswith("["):
        entries = json.loads(text)
    else:
        entries = [json.loads(line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(entry, dict) for entry in entries):
        msg = "rows that are not objects"
        raise CannotTellError(msg)
    keys = {key for entry in entries for key in entry}
    if not {id_names[0], words, inputs, output} <= keys:
        msg = "a column is gone"
        raise CannotTellError(msg)
    name = path.relative_to(source).as_posix()
    for row, entry in enumerate(entries):
        cells = entry.get(inputs)
        cells = [*(cells if isinstance(cells, list) else [cells]), entry.get(output)]
        images = [_image(cell, source, path.parent) for cell in cells]
        whole = [image for image in images if image is not None]
        yield Expected(
            name,
            row,
            _id_texts(entry.get(id_names[0])),
            None if isinstance(entry.get(words), list) else _words(entry.get(words)),
            whole if len(whole) == len(images) > 1 else None,
        )


_READERS = {".parquet": _of_parquet, ".json": _of_manifest, ".jsonl": _of_manifest}


def _id_texts(value: Any) -> tuple[str, ...]:
    """The texts that may stand for an id; the first is the likeliest."""
    if isinstance(value, bool) or value is None:
        return ()
    if isinstance(value, float | decimal.Decimal):
        whole = math.isfinite(value) and value == int(value)
        return (str(int(value)), str(value)) if whole else (str(value),)
    if isinstance(value, int | str | uuid.UUID):
        return (str(value),)
    return (str(value), value.decode(errors="replace")) if isinstance(value, bytes) else ()


def _words(value: Any) -> str | None:
    while isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _image(cell: Any, source: Path, folder: Path) -> bytes | None:
    """An image's bytes, embedded or in a file of the source; None where it has none."""
    if isinstance(cell, dict):
        data = cell.get("bytes")
        cell = cell.get("path") if data is None else data
    if isinstance(cell, bytes):
        return cell or None
    if not isinstance(cell, str) or not cell:
        return None
    try:
        path = (folder / cell).resolve()
        inside = path.is_relative_to(source.resolve()) and path.is_file()
        return (path.read_bytes() or None) if inside else None
    except (OSError, ValueError, RuntimeError):
        return None
