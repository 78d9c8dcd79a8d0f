"""What a bar says of a run."""

import io

import pytest
from rich.console import Console

from mico_150k.api import progress_bar
from mico_150k.api.progress_bar import row_bar
from mico_150k.core.progress import Progress


def test_a_build_tells_bytes_speed_and_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now[0])
    lines: list[str] = []
    with row_bar(
        "x", Console(file=io.StringIO()), lambda *said: lines.append("".join(said[1:]))
    ) as tell:
        tell(Progress(0, 100, 0, 1_000_000_000, 0))
        now[0] += 2
        tell(Progress(0, 100, 0, 1_000_000_000, 0, read=100_000_000))
        now[0] += 2
        tell(Progress(20, 100, 150_000_000, 1_000_000_000, 3, read=200_000_000))
    assert lines == [
        "0/100 rows, 0 kB of images",
        "0/100 rows, 100 MB of 1 GB read, 50 MB/s, 0:00:18 left",
        "20/100 rows, 200 MB of 1 GB read, 3 skipped, 50 MB/s, 0:00:15 left",
    ]


def test_what_reads_no_images_tells_the_time_by_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now[0])
    lines: list[str] = []
    with row_bar(
        "x", Console(file=io.StringIO()), lambda *said: lines.append("".join(said[1:]))
    ) as tell:
        tell(Progress(10, 100, 0, 0, 0))
        now[0] += 3
        tell(Progress(40, 100, 3_000_000, 0, 0))
    assert lines[-1] == "40/100 rows, 3 MB of images, 0:00:06 left"


def test_a_bar_is_there_before_the_first_row_group_is() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120, _environ={"TERM": "xterm"})
    with row_bar("building", console) as tell:
        tell(Progress(0, 100, 0, 1_000_000_000, 0))
        drawn = shown.getvalue()
    assert "building" in drawn
    assert "0/100 rows" in shown.getvalue()
    assert "0:00:00" in shown.getvalue()
