"""Validates a manifest before its values are used as paths, numbers or texts.

A dataset folder may come from a stranger. All readers of a manifest rely on these rules; `mico
check` lists those that it breaks.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from mico_150k.builders import BUILDERS
from mico_150k.core.faults import Fault, Faults, shown
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import is_text
from mico_150k.dataset import layout

MOST_NESTED = 100
"""Objects in objects: each refinement adds two to what it says of the build before it."""
MOST_ROWS = 2**31 - 1
MOST_BYTES = 2**53

_CONFIG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}")
_REASONS = frozenset(reason.value for reason in Reason)

_COUNTS = {"bytes": MOST_BYTES, "rows": MOST_ROWS, "row_groups": MOST_ROWS,
           "arrow_bytes": MOST_BYTES}  # fmt: skip


def manifest_faults(manifest: dict[str, Any]) -> list[Fault]:
    """Return all faults of a manifest; [] if it is valid."""
    faults = Faults()
    if not _check_plain(manifest, faults):
        return faults.found  # no other rule may walk through it
    wrong = _Wrong(faults)
    if wrong.unless(isinstance(manifest.get("configs"), dict), "configs", "names no files"):
        _check_configs(manifest["configs"], faults)
    counts = [
        wrong.unless(is_count(manifest.get(key), MOST_ROWS), key, "is not a number of rows")
        for key in ("rows", "rows_read")
    ]
    skipped = manifest.get("skipped")
    counts.append(wrong.unless(_are_reasons(skipped), "skipped", "does not give rows by reason"))
    if all(counts):
        _check_sums(manifest, wrong)
    _check_build(manifest.get("build"), wrong)
    _check_lists(manifest, wrong)
    return faults.found


def is_count(value: object, most: int) -> bool:
    """Whether it is a whole number from 0 to `most`."""
    return type(value) is int and 0 <= value <= most


def are_counts(value: object, keys: Callable[[str], bool], most: int = MOST_BYTES) -> bool:
    """Whether it is an object of such numbers, with keys that are known."""
    return isinstance(value, dict) and all(
        keys(key) and is_count(count, most) for key, count in value.items()
    )


def is_reason(key: str) -> bool:
    """Whether it is one of the words for why a row was skipped."""
    return key in _REASONS


def is_hash(value: object) -> bool:
    """Whether it is a SHA-256 in hex."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


class _Wrong:
    """Adds faults of the manifest itself."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __call__(self, kind: str, what: str) -> None:
        self._faults.add(kind, layout.MANIFEST, what)

    def unless(self, holds: bool, key: str, what: str) -> bool:  # noqa: FBT001 - what is asked
        """Add that the value of `key` is not as it must be; whether it is."""
        if not holds:
            self(key, f"its {key} {what}")
        return holds


def _check_plain(manifest: dict[str, Any], faults: Faults) -> bool:
    """Whether it can be walked through and written again: not too deep, no half of a character."""
    level: list[Any] = [manifest]
    depth = 0
    before = len(faults.found)
    while level:
        depth += 1
        if depth > MOST_NESTED:
            what = f"is nested more than {MOST_NESTED} deep"
            faults.add("nested", layout.MANIFEST, what)
            return False
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and not is_text(value):
                faults.add(
                    "text", layout.MANIFEST, f"holds {shown(value)}, which is not valid text"
                )
            elif isinstance(value, float) and not math.isfinite(value):
                faults.add("number", layout.MANIFEST, f"holds {value}, which is not JSON")
        level = inner
    return len(faults.found) == before


def _check_configs(configs: dict[str, Any], faults: Faults) -> None:
    if not configs:
        faults.add("none", layout.MANIFEST, "has no configuration")
    for config, files in configs.items():
        if not _CONFIG.fullmatch(config):
            what = f"names {shown(config)}, a name that no build writes"
            faults.add("config", layout.MANIFEST, what)
        elif not isinstance(files, dict):
            faults.add("files", layout.MANIFEST, f"names no files of {config}")
        else:
            _check_files(config, files, faults)


def _check_files(config: str, files: dict[str, Any], faults: Faults) -> None:
    main = layout.main_split(config)
    splits = {main} if config == layout.BENCH else {layout.SPLIT, layout.VALIDATION}
    there = set()
    for name, record in files.items():
        if not layout.is_shard(name) or layout.split_of(name) not in splits:
            what = f"names {shown(name)} in {config}, a name that no build writes"
            faults.add("file", layout.MANIFEST, what)
            continue
        there.add(layout.split_of(name))
        if config == layout.INDEX and layout.number_of(name):
            what = f"names {name}, but each split has one file"
            faults.add("index", layout.MANIFEST, what)
        for what in _record_faults(
            record, extra=frozenset(layout.CODES_TOLD) if config == layout.CODES else None
        ):
            faults.add(f"record {what.partition(' ')[0]}", f"{config}/{name}", what)
    if main not in there:
        faults.add("main", layout.MANIFEST, f"names no file of {config}, split {main}")


def _record_faults(record: object, extra: frozenset[str] | None) -> Iterator[str]:
    if not isinstance(record, dict):
        yield f"has no record in {layout.MANIFEST}"
        return
    for key, most in _COUNTS.items():
        if not is_count(record.get(key), most):
            yield f"{key} in {layout.MANIFEST} cannot be {shown(record.get(key))}"
    if not is_hash(record.get("sha256")):
        yield f"sha256 in {layout.MANIFEST} cannot be {shown(record.get('sha256'))}"
    for key in sorted(record.keys() - _COUNTS.keys() - {"sha256"} - (extra or set())):
        yield f"has the key {shown(key)} in {layout.MANIFEST}, which no build writes"


def _are_reasons(value: object) -> bool:
    return are_counts(value, is_reason, MOST_ROWS)


def _check_sums(manifest: dict[str, Any], wrong: _Wrong) -> None:
    """The rows of every configuration that has them all, and those that were read."""
    rows, skipped = manifest["rows"], sum(manifest["skipped"].values())
    if manifest["rows_read"] != rows + skipped:
        wrong("sum",
            f"states {counted(manifest['rows_read'], 'row')} read, {rows} written and {skipped} "
            "skipped, which do not add up")  # fmt: skip
    configs = manifest.get("configs")
    for config in (*BUILDERS, layout.INDEX):
        files = configs.get(config) if isinstance(configs, dict) else None
        if not isinstance(files, dict):
            continue
        counts: list[Any] = [
            file.get("rows") if isinstance(file, dict) else None for file in files.values()
        ]
        if all(is_count(count, MOST_ROWS) for count in counts) and sum(counts) != rows:
            wrong(
                "total",
                f"states {counted(rows, 'row')}, but its files of {config} have {sum(counts)}",
            )


def _check_build(build: object, wrong: _Wrong) -> None:
    if not wrong.unless(isinstance(build, dict), "build", "does not say how it was built"):
        return
    assert isinstance(build, dict)
    wrong.unless(is_count(build.get("version"), MOST_ROWS), "build.version", "is not a number")
    wrong.unless(isinstance(build.get("source"), str), "build.source", "is not a text")
    versions = build.get("versions")
    programs = ("mico-150k", "pyarrow", "pillow")
    holds = isinstance(versions, dict) and all(
        isinstance(versions.get(name), str) and _VERSION.fullmatch(versions[name])
        for name in programs
    )
    wrong.unless(holds, "build.versions", f"does not give the versions of {', '.join(programs)}")
    options = build.get("options")
    if wrong.unless(isinstance(options, dict), "build.options", "is not an object"):
        assert isinstance(options, dict)
        size = options.get("shard_bytes")
        what = "is not a number of bytes"
        wrong.unless(is_count(size, MOST_BYTES) and size != 0, "build.options.shard_bytes", what)
        seeds = [options.get("seed"), options.get("sample_seed", 0)]
        what = "is not an integer of 64 bits"
        holds = all(type(seed) is int and abs(seed) < 2**64 for seed in seeds)
        wrong.unless(holds, "build.options.seed", what)


def _check_lists(manifest: dict[str, Any], wrong: _Wrong) -> None:
    source = manifest.get("source")
    holds = isinstance(source, list) and all(
        isinstance(file, dict)
        and isinstance(file.get("name"), str)
        and isinstance(file.get("content_hash"), str)
        and is_count(file.get("rows"), MOST_ROWS)
        for file in source
    )
    wrong.unless(holds, "source", "is not a list of files with name, content_hash and rows")
    shards = manifest.get("shards")
    holds = isinstance(shards, list) and all(
        isinstance(shard, dict)
        and isinstance(shard.get("name"), str)
        and layout.is_shard(shard["name"])
        and all(is_count(shard[key], MOST_ROWS) for key in shard.keys() - {"name"})
        for shard in shards
    )
    if wrong.unless(holds, "shards", "is not a list of shards with their rows") and shards:
        name, times = Counter(shard["name"] for shard in shards).most_common(1)[0]
        wrong.unless(times == 1, "shards", f"has {name} more than once")
    commands = manifest.get("commands", [])
    holds = isinstance(commands, list) and all(map(_are_texts, commands))
    wrong.unless(holds, "commands", "is not a list of commands, each a list of words")
    wrong.unless(_are_texts(manifest.get("removed", [])), "removed", "is not a list of texts")


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
