"""One file of a configuration: whole under its name, or not there."""

from pathlib import Path

import pytest
from mico_150k.builders import get_builder

from mico_150k.core.sample import Sample
from mico_150k.dataset.config_file import ConfigFile
from mico_150k.dataset.row_group import RowGroup
from mico_150k.io.files import sha256
from mico_150k.sources.demo import DemoSource
from mico_150k.sources.validate import RowValidator


@pytest.fixture(scope="module")
def group() -> RowGroup:
    results = RowValidator().examine(DemoSource().files[0].read())
    return RowGroup([sample for sample in results if isinstance(sample, Sample)])


def begin(path: Path, process: str, monkeypatch: pytest.MonkeyPatch) -> ConfigFile:
    monkeypatch.setattr("mico_150k.dataset.config_file.process_mark", lambda: process)
    return ConfigFile(path, get_builder("bagel").columns)


def test_a_process_thought_dead_that_writes_on_spoils_nothing(
    group: RowGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "train-00000.parquet"
    lost = begin(path, "lost", monkeypatch)
    lost.write(group)
    again = begin(path, "again", monkeypatch)
    again.write(group)
    with pytest.raises(FileNotFoundError):
        lost.write(group)
    with pytest.raises(FileNotFoundError):
        lost.finish()
    record = again.finish()
    assert sha256(path) == record.sha256
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_what_a_killed_process_left_is_removed_by_the_next(
    group: RowGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "train-00000.parquet"
    begin(path, "killed", monkeypatch).write(group)
    other = tmp_path / "train-00001.parquet.elsewhere.partial"
    other.touch()
    again = begin(path, "again", monkeypatch)
    again.write(group)
    again.finish()
    assert sorted(found.name for found in tmp_path.iterdir()) == [path.name, other.name]
