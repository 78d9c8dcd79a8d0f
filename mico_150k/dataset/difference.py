"""Describes how the build in a folder differs from the requested one."""

from collections.abc import Iterator, Mapping
from typing import Any

_OTHER_NAMES = {
    "configs": "--config",
    "shard_bytes": "--shard-mb",
    "row_group_bytes": "the bytes of a row group",
    "row_group_rows": "the rows of a row group",
}
"""Of options that are not called as in the command."""
_ORIGINS = {
    "demo": "the built-in demo",
    "parquet": "a release of Parquet files",
    "manifest": "manifests of image paths",
    "dataset": "a dataset that `mico refine` made",
}
"""By the kind of source that an identity names."""
_MOST_NAMED = 5
_MOST_CHARACTERS = 40
"""Of a value that is shown."""


def origin(identity: Mapping[str, Any]) -> str:
    """Return a phrase for the source of a build, from its identity."""
    return _ORIGINS.get(str(identity.get("source")), "one from another source")


def differences(present: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return the options, packages and files in which two identities differ."""
    there, here = present["identity"], wanted["identity"]
    found = [*_of_identities(there, here)]
    if there.get("source") == here.get("source"):
        found += _of_files(present["mtime_tokens"], wanted["mtime_tokens"])
    if not found:
        found = ["the content of the source's files, or --task-map"]
    more = [" …"] if len(found) > _MOST_NAMED else []
    return ", ".join(found[:_MOST_NAMED] + more)


def _of_identities(present: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    if present.get("source") != wanted.get("source"):
        yield f"the source ({origin(present)} there, {origin(wanted)} now)"
        return  # columns and options differ with it
    for part, name in (("options", _option), ("versions", str)):
        there, here = present.get(part) or {}, wanted.get(part) or {}
        for key in sorted({*there, *here}):
            if there.get(key) != here.get(key):
                values = f"{_value(key, there.get(key))} there, {_value(key, here.get(key))} now"
                yield f"{name(key)} ({values})"
    if present.get("columns") != wanted.get("columns"):
        yield "the columns that are read: --map"
    if present.get("of") != wanted.get("of"):
        yield "the dataset that it is derived from"


def _of_files(present: dict[str, str], wanted: dict[str, str]) -> Iterator[str]:
    for name in sorted({*present, *wanted}):
        if name not in wanted:
            yield f"{name} is no longer in the source"
        elif name not in present:
            yield f"{name} is new in the source"
        elif present[name] != wanted[name]:
            yield f"{name} of the source has been rewritten"


def _option(key: str) -> str:
    return _OTHER_NAMES.get(key, f"--{key.replace('_', '-')}")


def _value(key: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    if key == "shard_bytes" and value:
        return str(value >> 20)
    text = " ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
