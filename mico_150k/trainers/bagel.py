"""BAGEL: rows of several inputs, one instruction and one output, from its own Parquet reader.

`mico patch bagel` adds to the clone

    class MultiInputEditDataset(
        MultiInput, InterleavedBaseIterableDataset, ParquetStandardIterableDataset
    ): ...

and puts an `ExportInfo` into `DATASET_INFO`, so that no path stands in the clone.
"""

import os
import posixpath
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mico_150k.core.errors import ExportRefused
from mico_150k.core.plural import counted
from mico_150k.trainers import DATA_VARIABLE
from mico_150k.trainers.rgb import open_rgb

PARQUET_INFO = "parquet_info.json"
"""The file of an export that names its Parquet files and their row groups."""

_COLUMNS = {"image_list", "instruction"}


class MultiInput:
    """Mixed into BAGEL's reader of Parquet: finds the row groups, and turns a row into a sequence.

    It needs `_init_data`, `_add_text` and `_add_image` of `InterleavedBaseIterableDataset`.
    """

    _init_data: Any
    _add_text: Any
    _add_image: Any

    local_rank: int
    world_size: int
    num_workers: int

    def get_data_paths(
        self,
        data_dir_list: Sequence[str],
        num_used_data: Sequence[int],
        parquet_info: Mapping[str, Mapping[str, int]],
    ) -> list[tuple[str, int]]:
        """Every (file, row group), as BAGEL shards them; it asks for this once at the start.

        Files are found in `parquet_info` by their names, so that a folder may have moved. What
        would lose rows or wait forever is an error here: BAGEL's own reader says nothing.
        Raises `ExportRefused`.
        """
        counts = {posixpath.basename(path): info["num_row_groups"]
                  for path, info in parquet_info.items()}  # fmt: skip
        groups = [
            (path, group)
            for folder, used in zip(data_dir_list, num_used_data, strict=True)
            for path in _used_files(folder, used)
            for group in range(_row_groups(path, counts))
        ]
        readers = self.world_size * max(1, self.num_workers)
        found = (
            f"{', '.join(data_dir_list)}: {counted(len(groups), 'row group')} for "
            f"{counted(self.world_size, 'rank')} of {counted(self.num_workers, 'worker')}"
        )
        way_out = (
            f"Export again to a folder of its own (--out) with --ranks {self.world_size} "
            f"--num-workers {self.num_workers}"
        )
        if len(groups) < readers:
            msg = f"{found}; a worker without one would wait forever. {way_out}."
            raise ExportRefused(msg)
        if len(groups) % readers and self.local_rank == 0:
            msg = f"{found}: {len(groups) % readers} are never read. {way_out} to read all."
            warnings.warn(msg, stacklevel=2)
        return groups

    def parse_row(self, row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - BAGEL's dict
        """The inputs in order, then the instruction, then the output as the target.

        A row that cannot be used raises; BAGEL prints that and goes on with the next.
        """
        *inputs, output = row["image_list"]
        instruction = row["instruction"]
        if not inputs or not instruction:
            msg = "a row without inputs or instruction"
            raise ExportRefused(msg)
        data = self._init_data()
        for image in inputs:
            data = self._add_image(
                data, open_rgb(image), need_loss=False, need_vae=True, need_vit=True
            )
        data = self._add_text(data, instruction, need_loss=False)
        return self._add_image(
            data, open_rgb(output), need_loss=True, need_vae=False, need_vit=False
        )


def blank_patch(
    like: Any,  # noqa: ANN401 - a tensor of indexes, on the right device
    config: Any,  # noqa: ANN401 - the ViT's
) -> tuple[Any, Any, Any, Any]:
    """A batch's ViT tokens, their positions, lengths and places: one token, of no image.

    It has no place in the sequence. Dropout leaves out each input's ViT tokens by itself, and where
    it has skipped all of a batch, BAGEL has nothing to give to its ViT; but every rank has to run
    all parts of the model, or the others wait for it forever.
    """
    pixels = config.num_channels * config.patch_size**2
    return (
        like.new_zeros((1, pixels)).float(),
        like.new_zeros(1),
        like.new_ones(1),
        like.new_zeros(0),
    )


class ExportInfo(dict[str, dict[str, str]]):
    """The entry of `DATASET_INFO`: any dataset's name gives the export at `$MICO_150K_DATA`."""

    def __missing__(self, name: str) -> dict[str, str]:
        """Where the Parquet files and their `parquet_info.json` lie. Raises `ExportRefused`."""
        given = os.environ.get(DATA_VARIABLE)
        if not given:
            msg = f"{name}: set {DATA_VARIABLE} to the folder of `mico export bagel`."
            raise ExportRefused(msg)
        export = Path(given).resolve()
        info = export / PARQUET_INFO
        if not info.is_file():
            msg = (
                f"{DATA_VARIABLE}={given}: no {PARQUET_INFO} in it; is it the folder of `mico "
                "export bagel`?"
            )
            raise ExportRefused(msg)
        return {"data_dir": str(_parquet_folder(export)), "parquet_info_path": str(info)}


def _parquet_folder(export: Path) -> Path:
    """The folder with the files: that of `parquet_info.json`, or one below."""
    below = sorted(path for path in export.iterdir() if path.is_dir())
    for folder in (export, export / "bagel", *below):
        if any(folder.glob("*.parquet")):
            return folder
    msg = f"{export} has no Parquet files, nor a folder with any."
    raise ExportRefused(msg)


def _used_files(folder: str, used: int) -> list[str]:
    """The first `used` files by name, from the beginning again where there are not as many."""
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))  # noqa: PTH118, PTH208
             if name.endswith(".parquet")]  # fmt: skip
    if not paths:
        msg = f"{folder} has no Parquet files."
        raise ExportRefused(msg)
    missing = _COLUMNS - set(pq.read_schema(paths[0]).names)
    if missing:
        msg = f"{paths[0]}: no column {', '.join(sorted(missing))}; it is not an export for BAGEL."
        raise ExportRefused(msg)
    return (paths * (used // len(paths) + 1))[:used]


def _row_groups(path: str, counts: Mapping[str, int]) -> int:
    name = posixpath.basename(path)
    if name not in counts:
        msg = f"{path} is not in {PARQUET_INFO}; it would be skipped. Export again."
        raise ExportRefused(msg)
    return counts[name]
