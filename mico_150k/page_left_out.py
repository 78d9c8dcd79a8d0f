"""Rows that a dataset lacks, as a page lists them: how many for which reason, and the first ones.

A manifest and a quarantine file may be a stranger's, and hold anything.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from mico_150k import names
from mico_150k.dataset import Dataset
from mico_150k.reason import Reason

MOST_LEFT_OUT = 200
MOST_OF_A_REASON = 40
"""Quarantined rows that are listed, and of one reason; the rest are numbers."""
QUARANTINE_BYTES = 4 << 20
"""Of the quarantine file that is read: a stranger's may be of any size."""


def count_left_out(dataset: Dataset) -> dict[str, int]:
    """Rows that are in no configuration, by their reason in words."""
    counts = dataset.manifest.get("left_out")
    if not isinstance(counts, dict):
        return {}
    return {_meaning(reason): rows for reason, rows in counts.items() if isinstance(rows, int)}


def read_left_out(dataset: Dataset) -> list[dict[str, str]]:
    """The first rows of the quarantine file for each reason; [] where there is no such file."""
    path = dataset.storage.path(names.QUARANTINE)
    try:
        text = dataset.storage.fs.cat_file(path, start=0, end=QUARANTINE_BYTES)
    except Exception:  # noqa: BLE001 - most datasets have none; each file system says so its own way
        return []
    return list(islice(_left_out(text.decode(errors="replace").splitlines()), MOST_LEFT_OUT))


def _left_out(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    listed: Counter[str] = Counter()
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # the last line, where the file was cut
            continue
        if not isinstance(row, dict) or "config" in row:  # a case of the benchmark is no row
            continue
        reason = str(row.get("reason", ""))
        listed[reason] += 1
        if listed[reason] <= MOST_OF_A_REASON:
            shown = {name: str(row.get(name) or "") for name in ("file", "id", "image", "detail")}
            task, number = str(row.get("task", "")), str(row.get("row", ""))
            yield {**shown, "task": task, "row": number, "why": _meaning(reason)}


def _meaning(reason: str) -> str:
    """A reason in words; itself where it is none of ours."""
    return next((known.meaning for known in Reason if known == reason), reason)
