"""Lumina-DiMOO (Alpha-VLLM/Lumina-DiMOO): JSON of image paths, pre-tokenized before training."""

from collections.abc import Mapping
from typing import Any

from mico_150k.builders.dimoo_tokens import (
    MAX_SEQ_LEN,
    SYSTEM_PROMPT,
    SizeTable,
    estimate,
    grid,
    instruction,
    record_tokens,
    shape_for,
)

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.configuration import Builder
from mico_150k.core.trainer import (
    INSTALL_STEP,
    LAUNCH,
    Candidate,
    Exported,
    Limit,
    PathTrainer,
    Setting,
)


class Dimoo(Builder):
    """The three keys of its pre-tokenizer's `edit` records."""

    name = "dimoo"
    purpose = "Lumina-DiMOO"
    columns = {
        "image_path": Column(ColumnType.IMAGES, "inputs"),
        "edit_path": Column(ColumnType.IMAGE, "output"),
        "prompt": Column(ColumnType.TEXT, "instruction"),
    }


CODES = "codes"
"""Where `mico pretokenize` writes in an export, and `train.sh` looks."""
_SIZES = SizeTable.parse()


def candidate_tokens(row: Candidate) -> int:
    """A record's length in training, as `mico pretokenize` makes it by default."""
    size = _SIZES.of_inputs(len(row.inputs))
    shapes = [shape_for(*picture, size) for picture in row.inputs]
    shapes.append(shape_for(*row.output, _SIZES.output))
    text = estimate(instruction(SYSTEM_PROMPT, row.instruction))
    return record_tokens(text, [grid(shape) for shape in shapes])


class DimooTrainer(PathTrainer):
    """Trains on pre-tokenized images, with a branch for many inputs that `mico patch` adds."""

    name = "dimoo"
    title = "Lumina-DiMOO"
    url = "https://github.com/Alpha-VLLM/Lumina-DiMOO"
    records = "dimoo-mico.json"
    ids = "dimoo-mico.ids.json"
    max_inputs = 19
    max_inputs_source = "pre_tokenizer/pre_tokenize.py tells one image from many by 20 tokens"
    remarks = (
        Limit(
            "length",
            f"more than about {MAX_SEQ_LEN:,} tokens at the default sizes of `mico pretokenize`, "
            "which leaves them out, or takes smaller pictures (--sizes)",
            "train/train.sh: `max_seq_len`; longer records take more memory",
            lambda row: candidate_tokens(row) > MAX_SEQ_LEN,
        ),
    )
    settings = (
        Setting("--lr, --min_lr", "2e-5, so that it stays", "upstream's train/train.sh"),
        Setting("--warmup_epochs", "0.001", "the same script"),
        Setting("--wd", "0.1", "the same script"),
        Setting("--clip_grad", "4", "the same script"),
        Setting("--dropout", "0.05", "the same script"),
        Setting("--batch_size", "2", "the same script"),
        Setting("--epochs", "2", "the same script"),
        Setting(
            "--accum_iter", "4",
            "the same script, which is for 64 GPUs; GPUs × batch_size × accum_iter records are one "
            "step, and what is left over at the end of the file is never trained on",
        ),
        Setting(
            "--max_seq_len", "5120",
            "MICo's guide; the trainer stores and never reads it: lengths are decided when images "
            "are pre-tokenized",
        ),
    )  # fmt: skip
    steps = (
        (
            "Turn the images into codes, once, on a GPU (stopped by anything, it goes on):",
            "mico pretokenize {root} --vq Alpha-VLLM/Lumina-DiMOO --device cuda",
        ),
        (
            "Get the trainer, in an environment of its own with Python 3.10:",
            (
                'export DIMOO="$PWD/Lumina-DiMOO"\n'
                'git clone https://github.com/Alpha-VLLM/Lumina-DiMOO "$DIMOO"\n'
                'pip install -r "$DIMOO/requirements.txt"'
            ),
        ),
        INSTALL_STEP,
        (
            "Patch the trainer's clone, to read several inputs (`--dry-run` shows how):",
            'mico patch dimoo "$DIMOO"',
        ),
        ("Start, with `GPUS` GPUs:", "GPUS=8 bash {root}/train.sh"),
    )

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """The keys of MICo's guide, which `mico pretokenize` reads."""
        return {"image_path": inputs, "edit_path": output, "prompt": instruction}

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The launch script."""
        del exported
        return {LAUNCH: LAUNCH_SCRIPT}


LAUNCH_SCRIPT = """\
#!/usr/bin/env bash
# Trains Lumina-DiMOO on this export, after mico pretokenize. DIMOO is the patched clone, GPUS how
# many there are here, MODEL the model, a folder or a name on the Hub. Further arguments go to the
# trainer; paths in them are relative to the clone.
set -euo pipefail
: "${DIMOO:?set DIMOO to a clone of Lumina-DiMOO, after mico patch dimoo}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CODES=${CODES:-$MICO_150K_DATA/codes}
[ -f "$CODES/data.yaml" ] || { echo "no $CODES/data.yaml: run mico pretokenize first" >&2; exit 1; }
# From here on, folders are seen from the clone.
CODES=$(realpath "$CODES")
MODEL=${MODEL:-Alpha-VLLM/Lumina-DiMOO}
if [ -e "$MODEL" ]; then MODEL=$(realpath "$MODEL"); fi
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$DIMOO"
# The trainer keeps a copy of the records by the name of data.yaml, and would read it for ever.
rm -rf xllmx_data_cache
mkdir -p "${OUTPUT:-output/mico-150k}"
torchrun --nproc_per_node="${GPUS:-8}" --nnodes=1 --master_port="${PORT:-16558}" \\
    train/train.py \\
    --batch_size 2 \\
    --accum_iter 4 \\
    --epochs 2 \\
    --warmup_epochs 0.001 \\
    --lr 2e-5 \\
    --min_lr 2e-5 \\
    --wd 0.1 \\
    --clip_grad 4 \\
    --data_config "$CODES/data.yaml" \\
    --cache_ann_on_disk \\
    --num_workers 16 \\
    --output_dir "${OUTPUT:-output/mico-150k}" \\
    --save_iteration_interval 1000 \\
    --max_seq_len 5120 \\
    --dropout 0.05 \\
    --init_from "$MODEL" \\
    "$@"
"""
