"""One unit is read: its files in proportion, and all of them from the start."""

import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mico_150k.build import worker as module
from mico_150k.build.plan import make_plan
from mico_150k.build.worker import unit_rows
from mico_150k.core.sample import RawSample
from mico_150k.sources import open_source
from mico_150k.sources.source import SourceFile


class Meeting:
    """A file whose first row is there once the other's is being read as well."""

    def __init__(self, file: SourceFile, meeting: threading.Barrier) -> None:
        self._file, self._meeting = file, meeting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        self._meeting.wait(10)
        yield from self._file.read(start, ahead=ahead)


@pytest.mark.parametrize("start", [0, 5])
def test_the_first_rows_of_a_units_files_are_read_at_once_and_none_is_lost(
    source: Path, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    opened = open_source(str(source))
    plan = make_plan(opened)
    unit = replace(plan.units[0], files=plan.units[0].files[:2])
    alone = [row.id for row in unit_rows(opened, plan, unit)]
    meeting = threading.Barrier(2)
    waiting = replace(opened, files=tuple(Meeting(file, meeting) for file in opened.files))  # type: ignore[type-var]
    with closing(unit_rows(waiting, plan, unit, start, threaded=True)) as rows:
        assert [row.id for row in rows] == alone[start:]
