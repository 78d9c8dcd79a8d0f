"""A look at a dataset as its users see it, which ends when it is over."""

import gc
import sys
import types
from pathlib import Path

import datasets
import pytest

from mico_150k.first_row import read_first_row


def test_pictures_are_decoded(dataset: Path) -> None:
    row = read_first_row(str(dataset), "bagel")
    assert row is not None
    assert all(min(picture.size) > 0 for picture in row["image_list"])
    assert isinstance(row["instruction"], str)


def test_torch_is_not_imported_for_it(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTorch:
        def find_spec(self, name: str, *_: object) -> None:
            assert name.partition(".")[0] != "torch"

    monkeypatch.setattr(datasets.config, "TORCH_AVAILABLE", True)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    assert read_first_row(str(dataset), "bagel")
    assert datasets.config.TORCH_AVAILABLE


def test_what_is_streamed_stays_torchs_own_where_it_is_imported(dataset: Path) -> None:
    data = pytest.importorskip("torch.utils.data", reason="the extra `train`")
    read_first_row(str(dataset), "bagel")
    rows = datasets.load_dataset(str(dataset), "bagel", split="train", streaming=True)
    assert isinstance(rows, data.IterableDataset)


@pytest.mark.parametrize("config", ["bagel", "default", "index"])
def test_readers_are_collected_once_none_is_in_use(
    dataset: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is left over hangs or aborts Python at its end, in one of twenty runs on a busy machine:
    # too rarely to wait for it here.
    in_use: list[list[str]] = []

    def collect() -> int:
        in_use.append(
            [
                thing.gi_code.co_name
                for thing in gc.get_objects()
                if type(thing) is types.GeneratorType and "/datasets/" in thing.gi_code.co_filename
            ]
        )
        return 0

    monkeypatch.setattr("mico_150k.first_row.gc.collect", collect)
    read_first_row(str(dataset), config)
    assert in_use == [[]]
