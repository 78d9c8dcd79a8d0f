"""BAGEL's rows as the patched clone reads them, and the ends that its own reader never reaches."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.core.errors import ExportRefused
from mico_150k.trainers.bagel import ExportInfo, MultiInput
from mico_150k.trainers.patches import get_patch
from mico_150k.trainers.patches.clone import make_changes, plan_changes

from ..clones import write_clone
from ..factories import encode, picture

ROWS = [([picture(i), picture(i + 1), picture(i + 2)], f"row {i}") for i in range(6)]
SCHEMA = pa.schema([("image_list", pa.list_(pa.binary())), ("instruction", pa.string())])


def write_export(folder: Path, *, below: str = "", files: int = 2) -> Path:
    """Six rows in row groups of one, as `mico export bagel` lays them out."""
    data = folder / below
    data.mkdir(parents=True, exist_ok=True)
    info = {}
    for number in range(files):
        path = data / f"train-{number:05d}.parquet"
        rows = ROWS[number::files]
        columns = [[[encode(image) for image in images] for images, _ in rows],
                   [text for _, text in rows]]  # fmt: skip
        pq.write_table(pa.table(columns, schema=SCHEMA), path, row_group_size=1)
        info[str(path)] = {"num_row_groups": len(rows)}
    (folder / "parquet_info.json").write_text(json.dumps(info))
    return folder


class Reader(MultiInput):
    def __init__(self, world_size: int = 1, num_workers: int = 1, rank: int = 0) -> None:
        self.world_size, self.num_workers, self.local_rank = world_size, num_workers, rank

    def paths(self, folder: Path, used: int = 2) -> list[tuple[str, int]]:
        info = json.loads((folder / "parquet_info.json").read_text())
        return self.get_data_paths([str(folder)], [used], info)


def patched_clone(folder: Path) -> Path:
    clone = write_clone(folder, "bagel")
    make_changes(plan_changes(get_patch("bagel"), clone))
    return clone


def run(script: str, clone: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=clone, check=False, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_patched_clone_reads_every_row_of_an_export_that_has_moved(tmp_path: Path) -> None:
    clone = patched_clone(tmp_path / "a clone")
    write_export(tmp_path / "first").rename(tmp_path / "it’s moved")
    script = """if True:
        import json, os, sys
        import pyarrow.parquet as pq
        from data.dataset_info import DATASET_INFO, DATASET_REGISTRY
        from data.interleave_datasets import MultiInputEditDataset, UnifiedEditIterableDataset
        assert DATASET_REGISTRY["mico-150k"] is MultiInputEditDataset
        assert DATASET_REGISTRY["unified_edit"] is UnifiedEditIterableDataset
        info = DATASET_INFO["mico-150k"]["mico-150k"]
        assert "parquet_info_path" in info.keys()
        with open(info["parquet_info_path"]) as file:
            counts = json.load(file)
        reader = MultiInputEditDataset([info["data_dir"]], [2], counts)
        for path, group in reader.data_paths:
            for row in pq.ParquetFile(path).read_row_group(group).to_pandas().iloc:
                parts = reader.parse_row(row)
                print(*[f"{kind}:{getattr(what, 'mode', what)}:{how}" for kind, what, how in parts])
    """
    pytest.importorskip("pandas", reason="BAGEL reads a row group as a data frame")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=clone, check=False, capture_output=True, text=True,
        env={"PATH": "", "MICO_150K_DATA": str(tmp_path / "it’s moved")},
    )  # fmt: skip
    assert not done.returncode, done.stderr
    as_input, as_target = "image:RGB:(False, True, True)", "image:RGB:(True, False, False)"
    assert sorted(done.stdout.splitlines()) == [
        f"{as_input} {as_input} text:{text}:False {as_target}" for _, text in ROWS
    ]


@pytest.mark.parametrize("below", ["", "bagel", "parquet"])
def test_the_export_is_found_by_the_environment(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = write_export(tmp_path / "export", below=below)
    monkeypatch.setenv("MICO_150K_DATA", str(export))
    assert ExportInfo()["mico-150k"] == {
        "data_dir": str(export / below),
        "parquet_info_path": str(export / "parquet_info.json"),
    }


def test_a_missing_export_is_said_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MICO_150K_DATA", raising=False)
    info = ExportInfo()  # other datasets of the clone go on working
    with pytest.raises(ExportRefused, match="set MICO_150K_DATA"):
        info["mico-150k"]
    monkeypatch.setenv("MICO_150K_DATA", str(tmp_path))
    with pytest.raises(ExportRefused, match="no parquet_info.json in it"):
        info["mico-150k"]
    (tmp_path / "parquet_info.json").write_text("{}")
    with pytest.raises(ExportRefused, match="no Parquet files"):
        info["mico-150k"]


def test_row_groups_are_all_there_and_files_repeat_as_the_yaml_says(tmp_path: Path) -> None:
    export = write_export(tmp_path)
    names = [(Path(path).name, group) for path, group in Reader().paths(export)]
    assert names == [(f"train-0000{file}.parquet", group) for file in (0, 1) for group in range(3)]
    assert len(Reader().paths(export, used=1)) == 3
    assert len(Reader().paths(export, used=5)) == 15


def test_a_worker_without_a_row_group_is_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    export = write_export(tmp_path)
    assert len(Reader(world_size=3, num_workers=2).paths(export)) == 6
    with pytest.raises(ExportRefused, match="6 row groups for 4 ranks .*--ranks 4 --num-workers 2"):
        Reader(world_size=4, num_workers=2).paths(export)


def test_row_groups_that_are_never_read_are_told_once(tmp_path: Path) -> None:
    export = write_export(tmp_path)
    with pytest.warns(UserWarning, match="6 row groups for 2 ranks of 2 workers: 2 are never read"):
        assert len(Reader(world_size=2, num_workers=2).paths(export)) == 6
    Reader(world_size=2, num_workers=2, rank=1).paths(export)


@pytest.mark.parametrize(("ce", "loss"), [(None, 0.0), ([1.5, 2.5], [1.5, 2.5])])
def test_a_batch_without_texts_to_learn_has_a_loss_of_zero_and_takes_part_in_the_sum(
    ce: list[float] | None, loss: object, tmp_path: Path
) -> None:
    """Upstream's assertion stops there; ranks with texts would wait for the others' sum."""
    script = f"""if True:
        import os
        os.environ["MICO_150K_DATA"] = "/nowhere"
        from types import SimpleNamespace as Fake
        from train.pretrain_unified_navit import losses
        torch = Fake(tensor=lambda value, device: value)
        summed = []
        dist = Fake(all_reduce=lambda value, op: summed.append(value), ReduceOp=Fake(SUM="sum"))
        print((*losses(Fake(visual_und=True), {ce!r}, torch, dist), summed))
    """
    count = len(ce or ())
    assert run(script, patched_clone(tmp_path)).strip() == str((loss, count, [count]))


@pytest.mark.slow
def test_a_batch_of_which_dropout_has_left_no_input_goes_through_the_vit_all_the_same(
    tmp_path: Path,
) -> None:
    """Upstream fails there. Its weights have a gradient on every rank, and here it is zero."""
    pytest.importorskip("torch", reason="the extra `train`")
    script = """if True:
        from types import SimpleNamespace as Fake
        import torch
        from modeling.bagel.bagel import Bagel
        bagel = Bagel()
        bagel.config = Fake(visual_und=True, vit_config=Fake(num_channels=3, patch_size=14))
        bagel.vit_model = torch.nn.Linear(588, 4)
        indexes, sequence = bagel.forward(torch.ones(5, 4), torch.tensor([0, 4]))
        assert indexes.tolist() == [0, 4]
        assert sequence.tolist() == [[1.0] * 4] * 5
        sequence.sum().backward()
        assert not bagel.vit_model.weight.grad.any()
        _, sequence = bagel.forward(
            torch.ones(5, 4), torch.tensor([0, 4]), torch.ones(2, 588), torch.tensor([0, 1]),
            torch.tensor([2]), torch.tensor([1, 2]),
        )
        assert sequence[3:].tolist() == [[1.0] * 4] * 2
        assert (sequence[1:3] == bagel.vit_model(torch.ones(2, 588))).all()
    """
    run(script, patched_clone(tmp_path))


def test_a_file_that_nothing_tells_of_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    export = write_export(tmp_path)
    (export / "train-00000.parquet").rename(export / "other.parquet")
    with pytest.raises(ExportRefused, match="other.parquet is not in parquet_info.json"):
        Reader().paths(export)


def test_columns_of_another_kind_are_an_error(tmp_path: Path) -> None:
    export = write_export(tmp_path)
    table = pa.table({"image_list": [[b""]], "instruction_list": [["a"]]})
    pq.write_table(table, export / "train-00000.parquet")
    with pytest.raises(ExportRefused, match="no column instruction;"):
        Reader().paths(export)


@pytest.mark.parametrize(
    "row",
    [
        {"image_list": [b"one"], "instruction": "Draw."},
        {"image_list": [b"one", b"two"], "instruction": ""},
        {"image_list": [b"one", b"two"], "instruction": None},
    ],
)
def test_a_row_without_inputs_or_instruction_raises(row: dict[str, Any]) -> None:
    with pytest.raises(ExportRefused):
        Reader().parse_row(row)
