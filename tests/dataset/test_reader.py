"""Reading chosen rows of a dataset: the right ones, and no bytes of others."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import BrokenFile, NotADataset, UnknownConfig
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, read_rows
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.io.storage import Storage
from mico_150k.sources import open_source

from ..factories import Case, write_release
from ..hub import serve as serve_hub
from ..web import serve


@pytest.fixture(scope="module")
def sharded(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of several shards, each of several row groups."""
    root = tmp_path_factory.mktemp("sharded")
    source = write_release(root / "release", samples, rows_per_file=2)
    folder = root / "folder" / "mico-150k"
    options = BuildOptions(shard_bytes=400_000)
    Build.prepare(open_source(str(source)), folder, options).run()
    return folder


def rows_of(folder: Path, config: str) -> list[dict[str, object]]:
    return [row for path in DatasetFolder(folder).files(config) for row in read_rows(path)]


@pytest.mark.parametrize("config", ["default", "bagel", "dimoo"])
def test_all_rows_come_in_order_beside_their_rows_of_the_index(sharded: Path, config: str) -> None:
    dataset = open_dataset(sharded)
    assert dataset.folder == sharded
    index = dataset.index()
    groups = list(dataset.read(config, index))
    assert len(groups) > 3
    assert [row for group in groups for row in group.rows.to_pylist()] == rows_of(sharded, config)
    assert pa.concat_tables([group.index for group in groups]).equals(index)


def test_chosen_rows_are_those_of_the_index(sharded: Path) -> None:
    dataset = open_dataset(sharded)
    chosen = Selection(where="num_inputs = 2 and task <> 'hoi'", sample=5, seed=3).of(
        dataset.index()
    )
    groups = list(dataset.read("default", chosen, ["id", "instruction"]))
    found = [row for group in groups for row in group.rows.to_pylist()]
    assert len(found) == 5
    assert [row["id"] for row in found] == chosen["id"].to_pylist()
    assert [row["instruction"] for row in found] == chosen["instruction"].to_pylist()


def test_over_http_only_the_row_groups_with_chosen_rows_are_fetched(sharded: Path) -> None:
    with serve(sharded.parent) as web:
        dataset = open_dataset(f"{web.address}/mico-150k")
        chosen = dataset.index().take([9])
        (group,) = dataset.read("dimoo", chosen)
        assert group.rows.to_pylist() == [rows_of(sharded, "dimoo")[9]]
        sent = sum(size for name, size in web.sent.items() if "/dimoo/" in name)
    name = layout.shard_name(chosen["shard"][0].as_py())
    metadata = pq.read_metadata(sharded / "dimoo" / name)
    sizes = [metadata.row_group(place).total_byte_size for place in range(metadata.num_row_groups)]
    assert sent < max(sizes) + 100_000
    assert [name for name in web.sent if "/dimoo/" in name] == [f"mico-150k/dimoo/{name}"]


def test_no_thread_of_pyarrows_reads_over_http(
    sharded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would hold the file longer than the read lasts, and abort a process that ends meanwhile.
    readers: list[threading.Thread] = []
    opened = Storage.open

    def watched(self: Storage, name: str) -> BinaryIO:
        file = opened(self, name)
        read = file.read
        monkeypatch.setattr(
            file, "read", lambda *size: readers.append(threading.current_thread()) or read(*size)
        )
        return file

    monkeypatch.setattr(Storage, "open", watched)
    with serve(sharded.parent) as web:
        dataset = open_dataset(f"{web.address}/mico-150k")
        assert list(dataset.read("default", dataset.index()))
    known = {thread.name.partition("-")[0] for thread in readers}
    assert known == {"MainThread", "ThreadPoolExecutor"}


def test_a_hub_id_is_read_as_the_folder_is(sharded: Path) -> None:
    code = """
from mico_150k.dataset.reader import open_dataset
dataset = open_dataset("user/release")
index = dataset.index()
(group,) = dataset.read("bagel", index.slice(0, 1))
print(dataset.folder, index.num_rows, group.rows["instruction"][0])
"""
    with serve_hub(sharded) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    first = rows_of(sharded, "bagel")[0]["instruction"]
    assert done.stdout == f"None 24 {first}\n"


def test_a_configuration_that_is_not_there_is_named_with_those_that_are(sharded: Path) -> None:
    dataset = open_dataset(sharded)
    with pytest.raises(UnknownConfig, match="no configuration 'flux'; it has default, bagel"):
        next(dataset.read("flux", dataset.index()))


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotADataset, match="this folder has no manifest.json of a finished build"):
        open_dataset(tmp_path)
    with pytest.raises(NotADataset, match="nowhere: there is no such folder"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADataset, match="file is a file, not a dataset"):
        open_dataset(tmp_path / "file")
    (tmp_path / "begun" / layout.WORK).mkdir(parents=True)
    with pytest.raises(NotADataset, match="is not finished.*\n.*Re-run its `mico build`"):
        open_dataset(tmp_path / "begun")
    with pytest.raises(NotADataset, match="is not finished"):
        _ = DatasetFolder(tmp_path / "begun").manifest
    with (
        serve(tmp_path) as web,
        pytest.raises(NotADataset, match="/begun has no manifest.json, so it is not a dataset"),
    ):
        open_dataset(f"{web.address}/begun")
    (tmp_path / "manifest.json").write_text('{"format": "another"}')
    with pytest.raises(NotADataset, match="not from a finished"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("name", ["../../secret.parquet", "/etc/passwd", "train-0.parquet/x"])
def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    manifest = {"format": layout.MANIFEST_FORMAT, "configs": {"bagel": {name: {}}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(NotADataset, match="a name that no build writes"):
        open_dataset(tmp_path)
    manifest = {"format": layout.MANIFEST_FORMAT, "configs": {name: {}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(NotADataset, match="a name that no build writes"):
        open_dataset(tmp_path)


def test_a_missing_and_a_damaged_shard_are_named(sharded: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sharded, tmp_path / "copy")
    shard = folder / "dimoo" / "train-00000.parquet"
    data = bytearray(shard.read_bytes())
    data[100:-2000] = bytes(len(data) - 2100)
    shard.write_bytes(data)
    dataset = open_dataset(folder)
    with pytest.raises(BrokenFile, match=r"dimoo/train-00000.parquet cannot be read"):
        list(dataset.read("dimoo", dataset.index().slice(0, 1)))
    shard.unlink()
    with pytest.raises(BrokenFile, match=r"dimoo/train-00000.parquet cannot be read"):
        list(dataset.read("dimoo", dataset.index().slice(0, 1)))


def test_an_index_of_other_shards_is_noticed(sharded: Path) -> None:
    dataset = open_dataset(sharded)
    index = dataset.index().slice(0, 1)
    wrong = index.set_column(index.column_names.index("row"), "row", pa.array([999], pa.int32()))
    with pytest.raises(BrokenFile, match="the index names row 999"):
        list(dataset.read("dimoo", wrong))


def test_samples_have_the_images_and_what_the_index_says_of_them(
    sharded: Path, samples: list[Case]
) -> None:
    dataset = open_dataset(sharded)
    found = [sample for group in dataset.samples(dataset.index()) for sample in group]
    expected = {f"{case.task}/{case.id}": case for case in samples}
    assert len(found) == len(expected)
    for sample in found:
        case = expected[sample.id]
        assert tuple(bytes(image.data) for image in sample.inputs) == case.inputs
        assert bytes(sample.output.data) == case.output
        assert sample.instruction == case.instruction
        for image in sample.images:
            assert image.digest == xxhash.xxh3_128_hexdigest(image.data)
