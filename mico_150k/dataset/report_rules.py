"""Validates a dataset's report and quarantine file, which may come from strangers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mico_150k.core.errors import BrokenFile, NotADataset
from mico_150k.core.faults import Fault, Faults, shown, summary
from mico_150k.core.plural import counted
from mico_150k.core.sample import is_text
from mico_150k.core.task import Task
from mico_150k.dataset import layout
from mico_150k.dataset.index import OVERLAP_KINDS
from mico_150k.dataset.manifest_rules import MOST_BYTES, MOST_ROWS, are_counts, is_count, is_reason
from mico_150k.images.rules import CAUSES
from mico_150k.io.json_lines import parse_json, parse_json_lines
from mico_150k.io.regular import Root, open_regular, read_small

_TASKS = frozenset(task.value for task in Task)
_CAUSES = frozenset(cause.name for cause in CAUSES)
_DUPLICATES = ("images", "unique_images", "shared_images", "identical_rows")
_IMAGES = ("passed", "changed", "skipped")
_KEYS = frozenset(
    {"rows_read", "rows", "skipped", "tasks", "images", "duplicates", "validation", "bench"}
)
_LATER_KEYS = frozenset({"validation", "bench"})
"""Those that a report may lack."""
_BENCH_KEYS = frozenset({"cases", "skipped", "overlaps"})
_ROW_KEYS = frozenset({"file", "row", "id", "task", "reason", "images", "image", "detail", "size",
                       "digest", "config"})  # fmt: skip

WAY_OUT = (
    "`mico check` lists everything that is wrong. Download the file again, or rebuild the dataset."
)


def read_report(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The report of a dataset folder. Raises `NotADataset` where it cannot be relied on."""
    path = folder / layout.REPORT
    try:
        found = parse_json(read_small(Root.at(folder).file(layout.REPORT)))
    except (OSError, ValueError) as error:
        msg = f"{path}: not the report of a finished build ({shown(error)}).\n{WAY_OUT}"
        raise NotADataset(msg) from error
    if faults := report_faults(found, manifest):
        msg = f"{folder}: {summary(faults, WAY_OUT)}"
        raise NotADataset(msg)
    report: dict[str, Any] = found
    return report


def report_faults(report: object, manifest: dict[str, Any] | None) -> list[Fault]:
    """All that is wrong with a report; `manifest` keeps its own rules, or is None."""
    if not isinstance(report, dict):
        return [Fault(layout.REPORT, "is not a JSON object")]
    faults = Faults()
    keys = report.keys()
    if lacking := sorted(_KEYS - _LATER_KEYS - keys):
        faults.add("keys", layout.REPORT, f"lacks {', '.join(lacking)}")
    if more := sorted(keys - _KEYS):
        what = f"has the key {shown(more[0])}, which no build writes"
        faults.add("more", layout.REPORT, what)
    for key, holds in _values(report):
        if key in report and not holds:
            faults.add("values", layout.REPORT, f"its {key} cannot be {shown(report[key])}")
    if not faults.found:
        for what in _sums(report, manifest):
            faults.add("sums", layout.REPORT, what)
    return faults.found


def read_quarantine(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a folder's quarantine file; none where there is none.

    Raises `BrokenFile` for a line that is none, `OutsideRoot` and `NotRegular`.
    """
    try:
        path = Root.at(folder).file(layout.QUARANTINE)
    except FileNotFoundError:
        return
    with open_regular(path) as file:
        yield from quarantine_rows(file, str(path))


def quarantine_rows(file: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """The lines of an open quarantine file. Raises `BrokenFile`, which names it as `name`."""
    for number, row in parse_json_lines(file, name):
        if what := _row_fault(row):
            msg = f"{name}, line {number}: {what}\n{WAY_OUT}"
            raise BrokenFile(msg)
        yield row


def _values(report: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each key, and whether its value is of the form that it must have."""
    yield "rows", is_count(report.get("rows"), MOST_ROWS)
    yield "rows_read", is_count(report.get("rows_read"), MOST_ROWS)
    yield "tasks", are_counts(report.get("tasks"), _is_task)
    yield "validation", are_counts(report.get("validation"), _is_task)
    skipped: Any = report.get("skipped")
    yield (
        "skipped",
        _by_task(skipped) and all(are_counts(reasons, is_reason) for reasons in skipped.values()),
    )
    images: Any = report.get("images")
    yield "images", _by_task(images) and all(map(_are_images, images.values()))
    duplicates: Any = report.get("duplicates")
    yield (
        "duplicates",
        are_counts(duplicates, _DUPLICATES.__contains__) and len(duplicates) == len(_DUPLICATES),
    )
    bench = report.get("bench")
    yield "bench", bench == {} or _is_bench(bench)


def _is_task(key: str) -> bool:
    return key in _TASKS


def _by_task(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_task, value))


def _are_images(counts: object) -> bool:
    return (
        isinstance(counts, dict)
        and counts.keys() == {*_IMAGES, "re_encoded"}
        and all(is_count(counts[key], MOST_BYTES) for key in _IMAGES)
        and are_counts(counts["re_encoded"], _CAUSES.__contains__)
    )


def _is_bench(bench: object) -> bool:
    return (
        isinstance(bench, dict)
        and bench.keys() == _BENCH_KEYS
        and is_count(bench["cases"], MOST_ROWS)
        and are_counts(bench["skipped"], is_reason)
        and are_counts(bench["overlaps"], OVERLAP_KINDS.__contains__)
    )


def _sums(report: dict[str, Any], manifest: dict[str, Any] | None) -> Iterator[str]:
    for key in ("rows", "rows_read"):
        if manifest and report[key] != manifest[key]:
            yield f"states {report[key]} {key}, and {layout.MANIFEST} {manifest[key]}"
    skipped = sum(sum(reasons.values()) for reasons in report["skipped"].values())
    if report["rows_read"] != report["rows"] + skipped:
        yield (
            f"states {counted(report['rows_read'], 'row')} read, {report['rows']} written and "
            f"{skipped} skipped, which do not add up"
        )
    if sum(report["tasks"].values()) != report["rows"]:
        yield "has rows by task that do not add up to its rows"
    if lacking := sorted(report["tasks"].keys() - report["images"].keys()):
        yield f"has nothing about the images of {', '.join(lacking)}"


def _row_fault(row: object) -> str:
    """What is wrong with a line of the quarantine file; "" where nothing is."""
    if not isinstance(row, dict):
        return "not a JSON object"
    if unknown := sorted(row.keys() - _ROW_KEYS):
        return f"has the key {shown(unknown[0])}, which no build writes"
    texts = [row.get(key, "") for key in ("file", "id", "detail", "digest", "config")]
    numbers = [row.get(key, 0) for key in ("row", "images", "size")]
    image = row.get("image")
    if (
        not (isinstance(row.get("task"), str) and _is_task(row["task"]))
        or not all(isinstance(text, str) and is_text(text) for text in texts)
        or not all(is_count(number, MOST_BYTES) for number in numbers)
        or not (image is None or image == "output" or is_count(image, MOST_ROWS))
    ):
        return f"is not a skipped row: {shown(row)}"
    if not isinstance(row.get("reason"), str) or not is_reason(row["reason"]):
        return f"its reason cannot be {shown(row.get('reason'))}"
    return ""
