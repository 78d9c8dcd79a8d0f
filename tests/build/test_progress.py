"""Progress is told from the first moment on, also while a row group is still being read."""

import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mico_150k.build import worker
from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.executors import InProcess
from mico_150k.build.processes import Processes
from mico_150k.core.progress import Progress
from mico_150k.core.sample import RawSample
from mico_150k.sources import open_source
from mico_150k.sources.source import SourceFile

SECONDS = 0.03


class Slow:
    """A file whose rows take a moment each."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        if name == "file":  # while it is unpickled
            raise AttributeError
        return getattr(self.file, name)

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        for row in self.file.read(start, ahead=ahead):
            time.sleep(SECONDS)
            yield row


@pytest.mark.parametrize("executor", [InProcess(), Processes(1)], ids=["here", "worker"])
def test_what_is_read_is_told_before_a_row_group_is_written(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: Any
) -> None:
    monkeypatch.setattr(worker, "TELL_SECONDS", SECONDS)
    source = open_source(str(release))
    if isinstance(executor, InProcess):
        slow = replace(source, files=tuple(Slow(file) for file in source.files))  # type: ignore[type-var]
    else:  # a process of its own knows neither the class nor the patch
        slow = source
    planned = Build.prepare(slow, tmp_path / "out", BuildOptions(configs=("bagel",)))
    seen: list[Progress] = []
    planned.run(executor=executor, on_progress=seen.append)
    assert seen[0] == Progress(0, 24, 0, planned.plan.image_bytes, 0)
    assert seen[-1].rows == 24
    assert seen[-1].read == seen[-1].written
    assert [one.read for one in seen] == sorted(one.read for one in seen)
    if isinstance(executor, InProcess):
        early = [one.read for one in seen if not one.rows]
        assert len({*early}) > 4


def test_a_reader_tells_now_and_then_and_not_of_every_row(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: now[0])
    told: list[worker.ReadProgress] = []
    rows = list(open_source(str(release)).files[0].read())
    for row in worker._told(rows, told.append):  # type: ignore[arg-type]
        assert row.num_bytes > 0
        now[0] += worker.TELL_SECONDS / 2
    assert 1 < len(told) <= len(rows) / 2
    assert sum(one.image_bytes for one in told) <= sum(row.num_bytes for row in rows)
