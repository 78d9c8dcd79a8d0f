"""BLIP3o-Next (JiuhaiChen/BLIP3o, branch BLIP3o-NEXT-edit): JSON of image paths."""

from collections.abc import Mapping
from typing import Any

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.configuration import Builder
from mico_150k.core.trainer import (
    INSTALL_STEP,
    LAUNCH,
    Exported,
    Limit,
    PathTrainer,
    Setting,
)
from mico_150k.trainers.blip3o import FILE, MOST_INPUTS


class Blip3o(Builder):
    """The three keys of `BLIP3o-MICo.json`."""

    name = "blip3o"
    purpose = "BLIP3o-Next"
    columns = {
        "input_images": Column(ColumnType.IMAGES, "inputs"),
        "output_image": Column(ColumnType.IMAGE, "output"),
        "instruction": Column(ColumnType.TEXT, "instruction"),
    }


MARKERS = (
    "<image>", "<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|vision_start|>",
    "<|vision_end|>", "<im_start>", "<im_end>",
)  # fmt: skip
"""Each `<image>` in a text becomes the whole block of images; the others end a turn early."""


class Blip3oTrainer(PathTrainer):
    """Trains on `blip3o/data/dataset.py`, with a branch for MICo that `mico patch` adds."""

    name = "blip3o"
    title = "BLIP3o-Next"
    url = "https://github.com/JiuhaiChen/BLIP3o"
    branch = "BLIP3o-NEXT-edit"
    records = FILE
    max_inputs = MOST_INPUTS
    max_inputs_source = "blip3o/data/dataset.py keeps the first four silently"
    limits = (
        Limit(
            "marker",
            "a chat or image marker in the instruction",
            "blip3o/data/dataset.py replaces each `<image>` in a text",
            lambda row: any(marker in row.instruction for marker in MARKERS),
        ),
    )
    remarks = (
        Limit(
            "non-square",
            "a target that is not square: it is cropped for the pixels and squashed for the tokens",
            "blip3o/data/dataset.py: CenterCrop(1024); SigLIP's 384 × 384",
            lambda row: row.output[0] != row.output[1],
        ),
    )
    settings = (
        Setting("--learning_rate", "5e-5", "upstream's scripts/blip3o_next_edit_image_id.sh"),
        Setting(
            "--lr_scheduler_type", "cosine_with_min_lr, down to 1e-5; --warmup_ratio 0.01",
            "the same script",
        ),
        Setting("--weight_decay", "0", "the same script"),
        Setting("--num_train_epochs", "1", "the same script"),
        Setting(
            "--gradient_accumulation_steps", "96 / GPUS",
            "the same script has 8 GPUs with 12 rows each, so a step has 96 rows here as well",
        ),
        Setting(
            "--model_max_length", "5120",
            "MICo's guide; each image and the target have 730 tokens: at upstream's 2048, even "
            "two inputs truncate the target",
        ),
        Setting(
            "--per_device_train_batch_size", "1",
            "blip3o_qwen.py uses the last 730 positions of the padded batch as the condition, "
            "which are padding if lengths differ",
        ),
        Setting(
            "--torch_compile", "not set",
            "the same script has True; no run of ours did: append `--torch_compile True "
            "--torch_compile_backend inductor` for it",
        ),
        Setting(
            "--group_by_modality_length", "not set",
            "the same script has True, without any effect: blip3o_trainer.py sets no sampler",
        ),
        Setting(
            "--use_und_image_vae_as_noise", "False",
            "if it is True, blip3o_qwen.py asserts exactly one input",
        ),
        Setting(
            "WANDB_MODE", "offline",
            "ours: upstream logs to wandb.ai by default; set WANDB_MODE=online for that",
        ),
    )  # fmt: skip
    facts = (
        "The memory that a GPU needs was not measured. Upstream's script is for 8 GPUs.",
        (
            "The text carries loss as well as the target: of 2,313 positions of a sample with two "
            "inputs, 729 are the target's codes, 126 the system prompt, the instruction and marks, "
            "and 1,458 are ignored."
        ),
        (
            "The trainer's prompt ends in a full stop of its own, so an instruction that ends in "
            "one has two."
        ),
    )
    steps = (
        (
            (
                "Install the trainer in an environment of its own with Python 3.11. torch comes "
                "first, because `flash_attn` imports it while it is built. `diffusers` 0.34.0 "
                "imports with that torch, newer ones may not:"
            ),
            (
                'export BLIP3O="$PWD/BLIP3o"\n'
                'git clone -b BLIP3o-NEXT-edit https://github.com/JiuhaiChen/BLIP3o "$BLIP3O"\n'
                "pip install torch==2.3.0 torchvision==0.18.0 numpy==1.26.1 packaging ninja wheel "
                "setuptools\n"
                'pip install --no-build-isolation -r "$BLIP3O/requirements.txt" diffusers==0.34.0 '
                '-e "$BLIP3O"'
            ),
        ),
        INSTALL_STEP,
        (
            "Patch the trainer's clone to read these files (`--dry-run` shows the changes):",
            'mico patch blip3o "$BLIP3O"',
        ),
        (
            (
                "Download the models. The code loads `csuhan/TA-Tok` as soon as it is imported, "
                "then the configuration of SigLIP 2. Nothing else is downloaded later, so a node "
                "without internet can train with `HF_HUB_OFFLINE=1` if it shares this cache. "
                "`MODEL` and `DIFFUSION` choose others, as folders or names on the Hub."
            ),
            (
                "huggingface-cli download BLIP3o/BLIP3o-NEXT-SFT-3B\n"
                "huggingface-cli download Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers \\\n"
                "    --include 'transformer/*' 'vae/*' 'scheduler/*'\n"
                "huggingface-cli download csuhan/TA-Tok ta_tok.pth\n"
                "huggingface-cli download google/siglip2-so400m-patch14-384 config.json"
            ),
        ),
        (
            (
                "Start the training on `GPUS` GPUs. Logs and checkpoints go to `OUTPUT`, by "
                "default `output/mico-150k-{token}` in the clone. Re-run the command to resume "
                "from the last checkpoint."
            ),
            "GPUS=8 bash {root}/train.sh",
        ),
    )

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """Exactly its three keys: others, such as `type`, collide with columns that it adds."""
        return {"input_images": inputs, "output_image": output, "instruction": instruction}

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The launch script."""
        return {LAUNCH: _LAUNCH.replace("@token@", exported.token)}


_LAUNCH = """\
#!/usr/bin/env bash
# Trains BLIP3o-Next on this export. BLIP3O: the patched clone. GPUS: the number of GPUs.
# MODEL, DIFFUSION: the models, as folders or names on the Hub. OUTPUT: the folder for logs and
# checkpoints, output/mico-150k-@token@ in the clone by default. WANDB_MODE=online sends the log to
# wandb.ai. Other arguments go to the trainer; their paths are relative to the clone.
set -euo pipefail
: "${BLIP3O:?set BLIP3O to a clone of branch BLIP3o-NEXT-edit, after mico patch blip3o}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MICO_150K_DATA WANDB_MODE="${WANDB_MODE:-offline}"
GPUS=${GPUS:-8}
MODEL=${MODEL:-BLIP3o/BLIP3o-NEXT-SFT-3B}
DIFFUSION=${DIFFUSION:-Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers}
# Paths become absolute before the working folder changes to the clone.
if [ -e "$MODEL" ]; then MODEL=$(realpath "$MODEL"); fi
if [ -e "$DIFFUSION" ]; then DIFFUSION=$(realpath "$DIFFUSION"); fi
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$BLIP3O"
OUTPUT=${OUTPUT:-output/mico-150k-@token@}
# The trainer resumes from the one with most steps by itself.
last=$(ls -d "$OUTPUT"/checkpoint-*/ 2>/dev/null | sort -V | tail -n 1 || true)
if [ -n "$last" ]; then echo "resuming from ${last%/}" >&2; fi
# torchrun puts the script's folder on Python's path, but the script imports from the clone.
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
torchrun --nproc_per_node="$GPUS" --nnodes=1 --master_port="${PORT:-16556}" \\
    blip3o/train/train.py \\
    --deepspeed scripts/zero1.json \\
    --num_image_tokens 65536 \\
    --num_scale_tokens 3 \\
    --load_embeddings_from_vision True \\
    --model_name_or_path "$MODEL" \\
    --diffusion_name_or_path "$DIFFUSION" \\
    --version qwen_1_5 \\
    --dataset_cls mix \\
    --data_list mico \\
    --data_list_weights 1 \\
    --dispatch_batches False \\
    --mm_vision_select_layer -2 \\
    --mm_use_im_start_end True \\
    --image_aspect_ratio square \\
    --mm_patch_merge_type flat \\
    --bf16 True \\
    --run_name "${NAME:-${OUTPUT##*/}}" \\
    --output_dir "$OUTPUT" \\
    --num_train_epochs 1 \\
    --per_device_train_batch_size 1 \\
    --gradient_accumulation_steps "${ACCUMULATION:-$(((95 + GPUS) / GPUS))}" \\
    --save_strategy steps \\
    --save_steps 4000 \\
    --save_total_limit 10 \\
    --learning_rate 5e-5 \\
    --weight_decay 0. \\
    --warmup_ratio 0.01 \\
    --lr_scheduler_type cosine_with_min_lr \\
    --lr_scheduler_kwargs '{"min_lr":1e-5}' \\
    --logging_steps 5 \\
    --tf32 True \\
    --model_max_length 5120 \\
    --gradient_checkpointing True \\
    --dataloader_num_workers 1 \\
    --lazy_preprocess True \\
    --dataloader_drop_last True \\
    --dataloader_pin_memory False \\
    --use_und_image_vae False \\
    --use_und_image_vae_as_noise False \\
    --only_use_und_image_vae_as_noise True \\
    "$@"
"""
