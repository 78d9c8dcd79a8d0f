"""The skipped rows on a page: their number by reason, and the first ones.

A quarantine file may come from a stranger and hold anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from mico_150k.core.excerpt import excerpt
from mico_150k.core.reasons import Reason
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset
from mico_150k.io.json_lines import parse_json

MOST_SKIPPED = 200
MOST_OF_A_REASON = 40
"""The most quarantined rows to list, in total and per reason; the rest are only counted."""
QUARANTINE_BYTES = 4 << 20
"""The most bytes of the quarantine file to read: a foreign file may be of any size."""


def count_skipped(dataset: Dataset) -> dict[str, int]:
    """Return the number of skipped rows by reason, in words."""
    return {_meaning(reason): rows for reason, rows in dataset.manifest["skipped"].items()}


def read_skipped(dataset: Dataset) -> list[dict[str, str]]:
    """Return the quarantine file's first rows for each reason; [] if there is no file.

    Raises `NotRegular` and `OutsideRoot` for what lies in its place.
    """
    data = dataset.small_file(layout.QUARANTINE, QUARANTINE_BYTES)
    if data is None:  # most datasets have none
        return []
    return list(islice(_skipped(data.split(b"\n")), MOST_SKIPPED))


def _skipped(lines: Iterable[bytes]) -> Iterator[dict[str, str]]:
    listed: Counter[str] = Counter()
    for line in lines:
        try:
            row = parse_json(line.decode(errors="replace"))
        except ValueError:  # the last line, if the read limit cut it
            continue
        if not isinstance(row, dict) or "config" in row:  # a benchmark case is not a row
            continue
        reason = excerpt(row.get("reason", ""))
        listed[reason] += 1
        if listed[reason] <= MOST_OF_A_REASON:
            shown = {
                name: excerpt(row.get(name) or "") for name in ("file", "id", "image", "detail")
            }
            task, number = excerpt(row.get("task", "")), excerpt(row.get("row", ""))
            yield {**shown, "task": task, "row": number, "why": _meaning(reason)}


def _meaning(reason: str) -> str:
    """Return a reason in words; an unknown reason is unchanged."""
    return next((known.meaning for known in Reason if known == reason), reason)
