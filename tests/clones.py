"""Folders in the shape of the trainers' clones: the lines that a patch goes by, and little else.

The code between them is ours: just enough of each trainer to run what the patch adds, and to import
at the start of a training what the trainer imports, from where it does.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_TELL = """\
    import json
    import os
    import sys
    told = {
        "arguments": sys.argv[1:],
        "processes": int(os.environ["PROCESSES"]),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }
    print(json.dumps(told))
"""

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
    "modeling/bagel/bagel.py": """\
from modeling.cache_utils.taylorseer import cache_init


class Bagel:
    def forward(
        self, packed_sequence, packed_text_indexes, packed_vit_tokens=None,
        packed_vit_position_ids=None, vit_token_seqlens=None, packed_vit_token_indexes=None,
    ):
        import torch

        if self.config.visual_und:
            cu_seqlens = torch.nn.functional.pad(torch.cumsum(vit_token_seqlens, dim=0), (1, 0))
            assert len(packed_vit_tokens) == len(packed_vit_position_ids) == cu_seqlens[-1]
            packed_vit_token_embed = self.vit_model(packed_vit_tokens)
            packed_sequence[packed_vit_token_indexes] = packed_vit_token_embed

        return torch.cat([packed_text_indexes, packed_vit_token_indexes]), packed_sequence
""",
    "modeling/cache_utils/taylorseer.py": "cache_init = None\n",
    "train/pretrain_unified_navit.py": f"""\
from data.dataset_info import DATASET_INFO
from modeling.bagel.bagel import Bagel
from train.train_utils import create_logger


def losses(training_args, ce, torch, dist, device=None):
    loss_dict = {{"ce": ce}}
    for _ in range(1):
        if ce is not None:
            total_ce_tokens = torch.tensor(len(ce), device=device)
            dist.all_reduce(total_ce_tokens, op=dist.ReduceOp.SUM)
        else:
            assert not training_args.visual_und
            loss_dict["ce"] = torch.tensor(0, device=device)
            total_ce_tokens = torch.tensor(0, device=device)
    return loss_dict["ce"], total_ce_tokens


if __name__ == "__main__":
    assert DATASET_INFO["mico-150k"]["mico-150k"]["data_dir"]
{_TELL}""",
    "train/train_utils.py": "create_logger = None\n",
}

BLIP3O = {
    "blip3o/__init__.py": "",
    "blip3o/data/__init__.py": "",
    "blip3o/train/train.py": f"""\
from blip3o.data.dataset import LazySupervisedMixDataset

if __name__ == "__main__":
    assert len(LazySupervisedMixDataset(["mico"], [1]).tables[0])
{_TELL}""",
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
    "train/train.py": f"""\
from typing import List, Tuple
import os
import sys
sys.path.append(os.path.dirname(os.path.dirname(__file__)))
from xllmx.solvers.finetune import FinetuneSolverBase

def mask_codes(codes):
    return [126336] + codes[1:], codes[:1] + [-100] * (len(codes) - 1)

class ItemProcessor:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def process_item(self, data_item: dict, training_mode=False) -> Tuple[List, List]:
        return "the clone's own", data_item["user_image"]

if __name__ == "__main__":
{_TELL}""",
}

_OPTIONS = """\
name: ft
data:
  data_path: data_configs/train/example/mix.yml
  max_output_pixels: 1048576 # 1024 * 1024
  max_input_pixels: [1048576, 1048576, 589824, 262144] # [1024 * 1024, 1024 * 1024, 768 * 768, 512 * 512]
  max_side_length: 2048

train:
  global_batch_size: 16
  batch_size: 2
  gradient_accumulation_steps: 1
  learning_rate: !!float 8e-7
  warmup_lr_init: 1e-18
model:
  pretrained_vae_model_name_or_path: black-forest-labs/FLUX.1-dev
  pretrained_text_encoder_model_name_or_path: Qwen/Qwen2.5-VL-3B-Instruct
  pretrained_model_path: OmniGen2/OmniGen2
resume_from_checkpoint: latest
"""  # noqa: E501 - the clone's own line
OMNIGEN2 = {
    "options/ft.yml": _OPTIONS,
    "options/ft_lora.yml": _OPTIONS,
    "omnigen2/__init__.py": "",
    "train.py": f"""\
import omnigen2

if __name__ == "__main__":
{_TELL}""",
}

CLONES = {"bagel": BAGEL, "blip3o": BLIP3O, "dimoo": DIMOO, "omnigen2": OMNIGEN2}


def write_clone(folder: Path, model: str) -> Path:
    """A trainer's clone in that folder."""
    for name, text in CLONES[model].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


_LAUNCHER = """\
#!/bin/sh
# Starts one of the processes that the real one would: python, and the script with its arguments.
while :; do
    case "$1" in
    --nproc_per_node=* | --num_processes=*) export PROCESSES="${1#*=}" ;;
    *.py) exec python "$@" ;;
    esac
    shift
done
"""


def launch(script: Path, folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """Run an export's `train.sh` in a folder; what its trainer tells of how it was started."""
    tools = script.parent / ".tools"
    tools.mkdir(exist_ok=True)
    python = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
    for name, text in {"torchrun": _LAUNCHER, "accelerate": _LAUNCHER, "python": python}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    done = subprocess.run(
        ["bash", str(script), *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "HF_DATASETS_CACHE": str(tools / "cache"),
            **environment,
        },
    )  # fmt: skip
    assert not done.returncode, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**told, "said": done.stderr}


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder but git's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts and path.suffix != ".pyc"
    }
