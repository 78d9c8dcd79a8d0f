"""Every configuration through torch's DataLoader: each row once, wherever it was interrupted."""

import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra `train`")

import torch
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from PIL import Image
from torch.utils.data import DataLoader

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import NotADataset, UnknownConfig, UsageError
from mico_150k.dataset.reader import open_dataset
from mico_150k.loaders.torch import TrainingLoader, TrainingRows, collate, to_tensor
from mico_150k.sources import open_source

from ..factories import FOLDERS, Case, encode, picture, write_release
from ..hub import serve
from ..web import serve as serve_over_http

# More workers than the machine has cores are no matter here.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

IMAGES = {
    "default": ("input_images", "output_image"),
    "sample": ("input_images", "output_image"),
    "bagel": ("image_list", None),
    "blip3o": ("input_images", "output_image"),
    "dimoo": ("image_path", "edit_path"),
    "omnigen2": ("input_images", "output_image"),
}
"""The columns of each configuration that hold a list of images, and one."""
TEXT = {**dict.fromkeys(IMAGES, "instruction"), "dimoo": "prompt"}


@pytest.fixture(scope="module")
def given() -> list[Case]:
    """Sixty samples of small pictures, with two to five inputs."""
    pictures = [encode(picture(seed)) for seed in range(5)]
    return [
        Case(task, number, f"{task} {number}", tuple(pictures[: 2 + number % 4]), pictures[-1])
        for task in FOLDERS
        for number in range(15)
    ]


@pytest.fixture(scope="module")
def folder(given: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rows in several shards, as a build cuts them."""
    root = tmp_path_factory.mktemp("torch")
    release = write_release(root / "release", given)
    out = root / "mico-150k"
    Build.prepare(open_source(str(release)), out, BuildOptions(shard_bytes=4_000)).run()
    assert len(list((out / "default").glob("*.parquet"))) > 3
    return out


def ids(batches: Any) -> list[str]:
    return [row for batch in batches for row in batch["id"]]


def loader(folder: Path, workers: int = 2, batch_size: int = 3, **options: Any) -> TrainingLoader:
    rows = TrainingRows(folder, **{"seed": 7, "pool_bytes": 10_000, **options})
    return TrainingLoader(rows, batch_size, num_workers=workers)


@pytest.mark.parametrize("config", IMAGES)
def test_each_configuration_gives_every_row_with_decoded_images(
    config: str, folder: Path, given: list[Case]
) -> None:
    batches = list(TrainingLoader(TrainingRows(folder, config, seed=1), 4))
    several, one = IMAGES[config]
    counts: Counter[int] = Counter()
    for batch in batches:
        counts.update(len(images) for images in batch[several])
        images = [image for images in batch[several] for image in images]
        images += batch[one] if one else []
        assert all(image.dtype == torch.uint8 and image.shape[0] == 3 for image in images)
    assert counts == Counter(len(case.inputs) + (one is None) for case in given)
    found = Counter(text for batch in batches for text in batch[TEXT[config]])
    assert found == Counter(case.instruction for case in given)


def test_numbers_are_a_tensor_and_all_else_is_a_list_by_row(folder: Path) -> None:
    batch = next(iter(TrainingLoader(TrainingRows(folder, "default"), 5)))
    assert torch.equal(
        batch["num_inputs"], torch.tensor([len(row) for row in batch["digests"]]) - 1
    )
    assert [len(row) for row in batch["input_images"]] == batch["num_inputs"].tolist()
    assert isinstance(batch["instruction"], list)


def test_a_tensor_has_the_pictures_pixels() -> None:
    image = picture(3, (40, 24))
    assert to_tensor(image).shape == (3, 24, 40)
    assert Image.fromarray(to_tensor(image).permute(1, 2, 0).numpy()).tobytes() == image.tobytes()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_has_every_row_once_and_the_next_another_order(workers: int, folder: Path) -> None:
    training = loader(folder, workers)
    first = ids(training)
    second = ids(training)
    assert sorted(first) == sorted(second) == sorted(set(first))
    assert len(first) == 60
    assert first != second
    assert ids(loader(folder, workers)) == first


def test_without_a_seed_the_order_is_the_datasets(folder: Path) -> None:
    order = [row["id"] for row in load_dataset(str(folder), "index", split="train")]
    assert ids(loader(folder, 0, seed=None)) == order
    assert sorted(ids(loader(folder, 2, seed=None))) == sorted(order)


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("stop", [1, 7, 13])
def test_a_training_goes_on_in_mid_epoch_without_losing_or_repeating_a_row(
    workers: int, stop: int, folder: Path
) -> None:
    whole = loader(folder, workers)
    epochs = [ids(whole), ids(whole)]
    first = loader(folder, workers)
    before: list[str] = []
    for number, batch in enumerate(first, start=1):
        before += batch["id"]
        if number == stop:
            break
    state = json.loads(json.dumps(first.state_dict()))
    second = loader(folder, workers)
    second.load_state_dict(state)
    after = ids(second)
    assert sorted(before + after) == sorted(epochs[0])
    assert ids(second) == epochs[1]
    # The same rows by the same worker; workers take turns from the first one on again.
    if workers < 2:
        assert before + after == epochs[0]


def test_after_a_break_the_same_loader_goes_on(folder: Path) -> None:
    training = loader(folder)
    some = ids([next(iter(training))])
    assert sorted(some + ids(training)) == sorted(ids(loader(folder)))


@pytest.mark.parametrize("stop", [40, 41, 42, 43])  # not all of them between two row groups
def test_to_go_on_keeps_only_what_is_left(
    stop: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = loader(folder, 0, batch_size=1)
    for number, _ in enumerate(training, start=1):
        if number == stop:
            break
    read: list[int] = []
    real = TrainingRows._read_piece
    monkeypatch.setattr(
        TrainingRows, "_read_piece",
        lambda self, piece, rows: read.append(len(rows)) or real(self, piece, rows),
    )  # fmt: skip
    list(training)
    assert sum(read) == 60 - stop


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 8},
        {"workers": 1},
        {"pool_bytes": 9},
        {"config": "bagel"},
        {"rank": 0, "world_size": 2},
    ],
)
def test_a_state_of_another_order_is_refused(other: dict[str, Any], folder: Path) -> None:
    state = loader(folder).state_dict()
    with pytest.raises(UsageError, match="the state has"):
        loader(folder, **other).load_state_dict(state)


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_the_rows_and_have_as_many_batches(world_size: int, folder: Path) -> None:
    ranks = [loader(folder, rank=rank, world_size=world_size) for rank in range(world_size)]
    found = [list(rank) for rank in ranks]
    assert {len(batches) for batches in found} == {len(rank) for rank in ranks} == {len(ranks[0])}
    assert len({sum(len(batch["id"]) for batch in batches) for batches in found}) == 1
    all_ids = [row for batches in found for row in ids(batches)]
    assert len(all_ids) == len(set(all_ids)) == 60 // (2 * world_size) * 2 * world_size


@pytest.mark.parametrize(("workers", "drop_last"), [(0, False), (2, False), (3, True)])
def test_length_is_the_number_of_batches(workers: int, drop_last: bool, folder: Path) -> None:
    rows = TrainingRows(folder, seed=1)
    training = TrainingLoader(rows, 7, num_workers=workers, drop_last=drop_last)
    assert len(training) == len(list(training))


def process_id(_: Image.Image) -> int:
    return os.getpid()


def test_pictures_are_decoded_in_the_workers(folder: Path) -> None:
    rows = TrainingRows(folder, "bagel", transform=process_id)
    found = {
        place for batch in TrainingLoader(rows, 2) for row in batch["image_list"] for place in row
    }
    assert len(found) == 2
    assert os.getpid() not in found


def test_it_can_be_sent_to_a_worker_that_is_spawned(folder: Path) -> None:
    rows = pickle.loads(pickle.dumps(TrainingRows(folder, "blip3o", seed=1)))
    assert sum(1 for _ in rows) == rows.rows == 60


def test_a_pool_holds_few_rows_whatever_the_dataset_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = TrainingRows(folder, "bagel", seed=1, pool_bytes=1)
    pieces: list[int] = []
    real = TrainingRows._read_piece

    def read(self: TrainingRows, piece: Any, wanted: set[int]) -> dict[int, Any]:
        pieces.append(len(wanted))
        return real(self, piece, wanted)

    monkeypatch.setattr(TrainingRows, "_read_piece", read)
    waiting = 0
    for given_out, _ in enumerate(rows, start=1):
        waiting = max(waiting, sum(pieces) - given_out)
    assert waiting < max(pieces)


@pytest.mark.parametrize(
    ("place", "config", "error", "message"),
    [
        ("nowhere", "default", NotADataset, "nowhere"),
        (None, "flux", UnknownConfig, "no configuration 'flux'"),
    ],
)
def test_what_is_not_there_is_said(
    place: str | None, config: str, error: type[Exception], message: str, folder: Path
) -> None:
    with pytest.raises(error, match=message):
        TrainingRows(place or folder, config)


@pytest.mark.parametrize("place", [{"rank": 1}, {"world_size": 2}, {"rank": 2, "world_size": 2}])
def test_half_a_rank_is_refused(place: dict[str, int], folder: Path) -> None:
    with pytest.raises(UsageError, match="give both"):
        TrainingRows(folder, **place)


ON_THE_HUB = """
import json, sys
from mico_150k.loaders.torch import TrainingLoader, TrainingRows
found = {}
for config in sys.argv[1:]:
    rows = TrainingRows("user/release", config, seed=3)
    batches = list(TrainingLoader(rows, 4, num_workers=2))
    text = "prompt" if config == "dimoo" else "instruction"
    found[config] = [row for batch in batches for row in batch[text]]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_from_the_hub_each_configuration_is_the_same_as_from_the_folder(folder: Path) -> None:
    with serve(folder) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", ON_THE_HUB, *IMAGES],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert not done.returncode, done.stderr
    for config, texts in json.loads(done.stdout).items():
        here = TrainingLoader(TrainingRows(folder, config, seed=3), 4, num_workers=2)
        assert texts == [row for batch in here for row in batch[TEXT[config]]], config


def streamed(folder: Path, config: str, rank: int = 0, world_size: int = 1) -> Any:
    rows = load_dataset(str(folder), config, split="train", streaming=True)
    return split_dataset_by_node(rows, rank, world_size)


@pytest.mark.parametrize("config", IMAGES)
def test_datasets_own_streaming_goes_through_the_same_collate_function(
    config: str, folder: Path
) -> None:
    found: list[str] = []
    for rank in range(2):
        rows = streamed(folder, config, rank, 2)
        found += [
            one
            for batch in DataLoader(rows, 3, num_workers=2, collate_fn=collate)
            for one in batch[TEXT[config]]
        ]
    everything = [row[TEXT[config]] for row in streamed(folder, config)]
    assert sorted(found) == sorted(everything)


def test_datasets_own_state_goes_on_in_mid_epoch(folder: Path) -> None:
    def batches(rows: Any) -> Iterator[Any]:
        return iter(DataLoader(rows, 4, collate_fn=collate))

    rows = streamed(folder, "default")
    whole = ids(batches(rows))
    going = batches(rows)
    before = ids([next(going), next(going)])
    state = rows.state_dict()
    again = streamed(folder, "default")
    again.load_state_dict(state)
    assert before + ids(batches(again)) == whole


def test_workers_that_are_forked_read_over_http(dataset: Path) -> None:
    with serve_over_http(dataset.parent) as web:
        rows = TrainingRows(f"{web.address}/{dataset.name}", "index")
        loader = TrainingLoader(rows, 4, num_workers=2, multiprocessing_context="fork")
        ids = [id_ for batch in loader for id_ in batch["id"]]
    assert sorted(ids) == sorted(open_dataset(dataset).index()["id"].to_pylist())
