"""A trainer may want rows with one output in files of their own; moved, all of them move."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mico_150k.builders.omnigen2 import OmniGen2Trainer

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.trainer import Exported
from mico_150k.dataset.reader import open_dataset
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import relocate, run_export
from mico_150k.sources import open_source

from ..factories import Case, write_release


class OneOutputOnce(OmniGen2Trainer):
    def record_file(self, repeat: int) -> str:
        return f"again-{repeat}.jsonl" if repeat else self.records


@pytest.fixture
def exported(samples: list[Case], tmp_path: Path) -> Exported:
    """An export of rows of which three have one output, and two another."""
    few = [case for case in samples if len(case.inputs) <= 3]
    for place in (2, 5):
        few[place] = replace(few[place], output=few[0].output)
    few[4] = replace(few[4], output=few[1].output)
    release = write_release(tmp_path / "release", few)
    folder = tmp_path / "mico-150k"
    Build.prepare(open_source(str(release)), folder, BuildOptions()).run()
    to = tmp_path / "export"
    return run_export(ExportJob.prepare(open_dataset(folder), OneOutputOnce(), to, ExportOptions()))


def outputs(folder: str, name: str) -> list[str]:
    lines = (Path(folder) / name).read_text().splitlines()
    return [json.loads(line)["output_image"] for line in lines]


def test_no_file_names_an_output_twice_and_no_row_is_lost(exported: Exported) -> None:
    first, second, third = exported.record_files
    assert exported.record_files[second] == 2
    assert exported.record_files[third] == 1
    assert sum(exported.record_files.values()) == exported.rows
    for name, rows in exported.record_files.items():
        found = outputs(exported.root, name)
        assert len(found) == len(set(found)) == rows
    assert set(outputs(exported.root, third)) < set(outputs(exported.root, second))
    assert set(outputs(exported.root, second)) < set(outputs(exported.root, first))


def test_all_files_follow_when_the_export_is_moved(exported: Exported, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    Path(exported.root).rename(place)
    moved = relocate(place, OneOutputOnce())
    assert moved.record_files == exported.record_files
    for name in moved.record_files:
        for output in outputs(str(place), name):
            assert output.startswith(f"{place}/images/")
            assert Path(output).exists()
