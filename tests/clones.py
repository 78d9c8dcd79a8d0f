"""Folders in the shape of the trainers' clones: the lines that a patch goes by, and little else.

The code between them is ours: just enough of each trainer to run what the patch adds.
"""

from pathlib import Path

BAGEL = {
    "data/__init__.py": "",
    "data/data_utils.py": "def pil_img2rgb(image):\n    return image.convert('RGB')\n",
    "data/interleave_datasets/__init__.py": """\
# A line about rights.

from .edit_dataset import UnifiedEditIterableDataset

""",
    "data/interleave_datasets/interleave_t2i_dataset.py": """\
class InterleavedBaseIterableDataset:
    def _init_data(self):
        return []

    def _add_text(self, data, text, need_loss):
        return [*data, ("text", text, need_loss)]

    def _add_image(self, data, image, need_loss, need_vae, need_vit):
        return [*data, ("image", image, (need_loss, need_vae, need_vit))]


class ParquetStandardIterableDataset:
    def __init__(self, data_dir_list, num_used_data, parquet_info, world_size=1, num_workers=1):
        self.world_size, self.num_workers = world_size, num_workers
        self.data_paths = self.get_data_paths(data_dir_list, num_used_data, parquet_info)
""",
    "data/interleave_datasets/edit_dataset.py": """\
import io
from .interleave_t2i_dataset import InterleavedBaseIterableDataset, ParquetStandardIterableDataset
from ..data_utils import pil_img2rgb


class UnifiedEditIterableDataset(InterleavedBaseIterableDataset, ParquetStandardIterableDataset):
    pass
""",
    "data/dataset_info.py": """\
from .interleave_datasets import UnifiedEditIterableDataset


DATASET_REGISTRY = {
    'unified_edit': UnifiedEditIterableDataset,
}


DATASET_INFO = {
    'unified_edit': {},
}""",  # no end of line, as there
}

BLIP3O = {
    "blip3o/__init__.py": "",
    "blip3o/utils.py": "def rank0_print(*words):\n    print(*words)\n",
    "blip3o/data/dataset.py": """\
from blip3o.utils import rank0_print

class LazySupervisedMixDataset:
    def __init__(self, data_list, data_list_weights):
        self.tables = []
        for dataset_path, dataset_weight in zip(data_list, data_list_weights):
            if 'metaquery' in dataset_path.lower():
                train_dataset = 'another'
            else:
                train_dataset = 'tar files'
            self.tables.append(train_dataset)
""",
}

DIMOO = {
    "xllmx/solvers/finetune.py": "class FinetuneSolverBase:\n    pass\n",
    "train/train.py": """\
from typing import List, Tuple
from xllmx.solvers.finetune import FinetuneSolverBase

def mask_codes(codes):
    return [126336] + codes[1:], codes[:1] + [-100] * (len(codes) - 1)

class ItemProcessor:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def process_item(self, data_item: dict, training_mode=False) -> Tuple[List, List]:
        return "the clone's own", data_item["user_image"]
""",
}

_OPTIONS = """\
data:
  data_path: data_configs/train/example/mix.yml
  max_output_pixels: 1048576 # 1024 * 1024
  max_input_pixels: [1048576, 1048576, 589824, 262144] # [1024 * 1024, 1024 * 1024, 768 * 768, 512 * 512]
  max_side_length: 2048
"""  # noqa: E501 - the clone's own line
OMNIGEN2 = {"options/ft.yml": _OPTIONS, "options/ft_lora.yml": _OPTIONS}

CLONES = {"bagel": BAGEL, "blip3o": BLIP3O, "dimoo": DIMOO, "omnigen2": OMNIGEN2}


def write_clone(folder: Path, model: str) -> Path:
    """A trainer's clone in that folder."""
    for name, text in CLONES[model].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder but git's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts and path.suffix != ".pyc"
    }
