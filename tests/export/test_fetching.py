"""An export of a dataset that is elsewhere: what it fetches, and that it is that of the folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mico_150k.builders import BUILDERS, TRAINERS

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.trainer import Exported
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.folder import EXPORT, START
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import run_export
from mico_150k.sources import open_source

from ..factories import cases, write_release
from ..folders import contents
from ..hub import serve as serve_hub
from ..web import serve

ROWS = 160


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one shard with several row groups of about a megabyte."""
    root = tmp_path_factory.mktemp("large")
    release = write_release(root / "release", cases(ROWS // 4))
    folder = root / "mico-150k"
    options = BuildOptions(configs=("default", "bagel", "dimoo"))
    Build.prepare(open_source(str(release)), folder, options).run()
    return folder


def export(trainer: str, dataset: str, to: Path, selection: Selection) -> Exported:
    options = ExportOptions(selection)
    return run_export(ExportJob.prepare(open_dataset(dataset), TRAINERS[trainer], to, options))


def bytes_of_groups(folder: Path, config: str, rows: list[int]) -> int:
    """Of the row groups that hold these rows of the first shard, the columns with images."""
    images = {name for name, column in BUILDERS[config].columns.items() if column.type.holds_images}
    metadata = pq.read_metadata(folder / config / "train-00000.parquet")
    found = start = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if any(start <= row < start + group.num_rows for row in rows):
            chunks = map(group.column, range(group.num_columns))
            found += sum(
                chunk.total_compressed_size
                for chunk in chunks
                if chunk.path_in_schema.partition(".")[0] in images
            )
        start += group.num_rows
    return found


@pytest.mark.parametrize("trainer", ["bagel", "dimoo"])
def test_two_percent_of_the_rows_cost_hardly_more_than_their_row_groups_over_http(
    large: Path, tmp_path: Path, trainer: str
) -> None:
    selection = Selection(where="row % 53 = 7")
    rows = selection.of(open_dataset(large).index())["row"].to_pylist()
    assert len(rows) == 3
    with serve(large.parent) as web:
        exported = export(trainer, f"{web.address}/{large.name}", tmp_path, selection)
    assert exported.rows == len(rows)
    # All that was sent: the manifest and the index as well.
    sent = sum(web.sent.values())
    wanted = bytes_of_groups(large, "default", rows)
    assert wanted < sent < 1.5 * wanted


ON_THE_HUB = """
import sys
from mico_150k.cli.app import app
to, *trainers = sys.argv[1:]
for trainer in trainers:
    options = ["user/release", "--out", f"{to}/{trainer}", "--where", "num_inputs <= 4"]
    options += ["--format", "images"] if trainer == "dimoo" else []
    app(["export", trainer, *options], standalone_mode=False)
"""


@pytest.mark.slow
def test_of_a_dataset_on_the_hub_an_export_has_the_files_of_the_folders(
    large: Path, tmp_path: Path
) -> None:
    trainers = ("bagel", "dimoo")
    with serve_hub(large) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", ON_THE_HUB, str(tmp_path), *trainers],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert not done.returncode, done.stderr
    for trainer in trainers:
        folder = tmp_path / trainer
        far = files(folder, "user/release")
        shutil.rmtree(folder)
        export(trainer, str(large), folder, Selection(where="num_inputs <= 4"))
        assert files(folder, str(large)) == far


def files(folder: Path, dataset: str) -> dict[str, str]:
    """What lies in an export, with the texts that name its dataset."""
    found = contents(folder)
    for name in (START, EXPORT):
        found[name] = (folder / name).read_text().replace(dataset, "DATASET")
    return found
