"""Reads and validates `export.json`; its names become paths that are written to."""

import math
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from mico_150k.core.errors import NotAnExport
from mico_150k.core.faults import shown
from mico_150k.core.sample import is_text
from mico_150k.core.trainer import Exported
from mico_150k.dataset import layout

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A valid file name: it cannot lead out of the export's own folder."""
_WORD = re.compile(r"[A-Za-z0-9 ._-]{1,99}")
_MOST = 2**53
_COUNTS = ("rows_chosen", "rows", "truncated", "unique_images")


def parse_exported(plain: dict[str, Any], where: object) -> Exported:
    """Return the export that `export.json` describes. Raises `NotAnExport`."""
    try:
        exported = Exported(**plain)
    except TypeError as error:
        msg = f"{where}: its export.json is damaged: export again."
        raise NotAnExport(msg) from error
    for key, holds in _rules(exported):
        if not holds:
            msg = (
                f"{where}: {key} in its export.json cannot be {shown(getattr(exported, key))}: "
                "export again."
            )
            raise NotAnExport(msg)
    return exported


def _rules(exported: Exported) -> list[tuple[str, bool]]:
    """Return each field with whether its value has the required form."""
    return [
        ("trainer", _is_text(exported.trainer)),
        ("dataset", _is_text(exported.dataset)),
        ("root", _is_path(exported.root)),
        ("images", exported.images == "" or _is_path(exported.images)),
        ("identity", _is_identity(exported.identity)),
        *((key, _is_count(getattr(exported, key))) for key in _COUNTS),
        ("skipped", _are_counts(exported.skipped, _WORD.fullmatch)),
        ("remarks", _are_counts(exported.remarks, _WORD.fullmatch)),
        ("record_files", _are_counts(exported.record_files, FILE_NAME.fullmatch)),
        ("row_groups", _are_counts(exported.row_groups, layout.is_shard)),
        ("measured", isinstance(exported.measured, dict) and _is_measured(exported.measured)),
        ("files", are_file_names(exported.files)),
    ]


def are_file_names(value: object) -> bool:
    """Whether `value` is a list of file names, none of which leads out of its folder."""
    return isinstance(value, list) and all(
        isinstance(name, str) and FILE_NAME.fullmatch(name) for name in value
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and is_text(value) and value.isprintable()


def _is_path(value: object) -> bool:
    return isinstance(value, str) and _is_text(value) and PurePath(value).is_absolute()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _are_counts(value: object, names: Callable[[str], object]) -> bool:
    return isinstance(value, dict) and all(
        names(name) and _is_count(count) for name, count in value.items()
    )


def _is_identity(value: object) -> bool:
    """Whether the parts that messages show are valid; the rest is only compared."""
    return (
        isinstance(value, dict)
        and (value.get("max_inputs") is None or _is_count(value["max_inputs"]))
        and isinstance(value.get("format", ""), str)
        and isinstance(value.get("options"), dict)
    )


def _is_measured(value: object) -> bool:
    """Whether all values are numbers: a text could end up in a launch script."""
    if isinstance(value, dict):
        return all(_WORD.fullmatch(key) for key in value) and all(map(_is_measured, value.values()))
    if isinstance(value, list):
        return all(map(_is_measured, value))
    return type(value) in {int, float} and math.isfinite(value) and abs(value) <= _MOST  # type: ignore[arg-type]
