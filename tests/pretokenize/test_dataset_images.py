"""Rows and pictures of a dataset folder, as its index names them."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from mico_150k.core.errors import BrokenFile, NotADataset, UnknownConfig
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.pretokenize.dataset_images import EncodeInputs
from mico_150k.pretokenize.images import ParquetImages

from ..factories import Case


def test_pictures_are_found_once_each_in_the_order_of_use(rows: DatasetFolder) -> None:
    inputs = EncodeInputs.of(rows)
    assert len(inputs.records) == 8
    assert len(inputs.pictures) == 8
    assert inputs.records[0].pictures == (0, 1)
    assert (inputs.pictures[0].width, inputs.pictures[0].height) == (200, 150)


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotADataset):
            EncodeInputs.of(DatasetFolder(place))


def parts_of(dataset: Path, to: Path, *parts: str) -> DatasetFolder:
    """Some of its configurations, as somebody has downloaded them."""
    shutil.copy(dataset / layout.MANIFEST, to)
    for part in parts:
        shutil.copytree(dataset / part, to / part)
    return DatasetFolder(to)


def test_a_damaged_shard_of_a_dataset_is_named(dataset: Path, tmp_path: Path) -> None:
    folder = parts_of(dataset, tmp_path, "default", "index")
    shard = next((tmp_path / "default").iterdir())
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(BrokenFile, match=rf"{shard} cannot be read"):
        EncodeInputs.of(folder)


def test_what_is_missing_is_named(dataset: Path, tmp_path: Path) -> None:
    folder = parts_of(dataset, tmp_path, "dimoo")
    with pytest.raises(BrokenFile, match="index/train-00000.parquet cannot be read"):
        EncodeInputs.of(folder)
    shutil.copytree(dataset / "index", tmp_path / "index")
    (shard, *_) = folder.files("dimoo")
    shard.rename(shard.with_name("train-00099.parquet"))
    with pytest.raises(BrokenFile, match="the index names row 0 of shard 0"):
        EncodeInputs.of(folder)
    shutil.rmtree(tmp_path / "dimoo")
    with pytest.raises(UnknownConfig, match="dimoo"):
        EncodeInputs.of(folder)


def read(inputs: EncodeInputs) -> list[tuple[str, list[bytes]]]:
    """Each record's prompt, and its pictures' bytes through their places."""
    found = []
    for row in inputs.records:
        with closing(ParquetImages()) as images:
            loaders = images.loaders([inputs.pictures[number].cell for number in row.pictures])
            found.append((row.prompt, [bytes(load()) for load in loaders]))
    return found


@pytest.mark.parametrize("parts", [("default", "index"), ("dimoo", "index")])
def test_a_dataset_gives_its_rows_whichever_parts_of_it_are_there(
    dataset: Path, tmp_path: Path, samples: list[Case], parts: tuple[str, ...]
) -> None:
    inputs = EncodeInputs.of(parts_of(dataset, tmp_path, *parts))
    expected = {(case.instruction, (*case.inputs, case.output)) for case in samples}
    assert {(prompt, tuple(images)) for prompt, images in read(inputs)} == expected
    whole = EncodeInputs.of(DatasetFolder(dataset))
    assert inputs.records == whole.records
    sides = [(found.width, found.height, found.digest) for found in inputs.pictures]
    assert sides == [(found.width, found.height, found.digest) for found in whole.pictures]
    assert len({digest for _, _, digest in sides}) == len(sides)
