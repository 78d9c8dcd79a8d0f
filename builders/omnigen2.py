"""OmniGen2 (VectorSpaceLab/OmniGen2): JSONL of image paths."""

import json
import math
from collections.abc import Mapping
from typing import Any

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.configuration import Builder
from mico_150k.core.pattern import misread
from mico_150k.core.trainer import LAUNCH, Candidate, Exported, Limit, PathTrainer, Setting, Size


class OmniGen2(Builder):
    """The keys of its training data; `task_type` is `edit`, as MICo's authors had it."""

    name = "omnigen2"
    purpose = "OmniGen2"
    columns = {
        "task_type": Column(ColumnType.TEXT, constant="edit"),
        "instruction": Column(ColumnType.TEXT, "instruction"),
        "input_images": Column(ColumnType.IMAGES, "inputs"),
        "output_image": Column(ColumnType.IMAGE, "output"),
    }


MAX_INPUT_PIXELS = (1_048_576, 1_048_576, 589_824, 262_144, 262_144)
"""Pixels of each input where there are one, two, …: upstream's list of four, and one for five."""
MAX_OUTPUT_PIXELS = 1_048_576
MAX_SIDE = 2048
STRIDE = 16
MAX_TEXT_TOKENS = 888
TEMPLATE_TOKENS = 40
"""The system prompt and the marks of the chat around an instruction."""
BYTES_PER_TOKEN = 3
"""Of UTF-8: fewer than the tokenizer needs on English, so that the estimate is a high one."""
POSITIONS = 1024
"""Rows of the first axis of the pretrained model's position table."""


def _resized(size: Size, pixels: int) -> Size:
    """A picture as the trainer scales it: never up, and down to multiples of 16 pixels."""
    width, height = size
    ratio = min(math.sqrt(pixels / (width * height)), MAX_SIDE / max(size), 1.0)
    return int(width * ratio) // STRIDE * STRIDE, int(height * ratio) // STRIDE * STRIDE


def _inputs(row: Candidate) -> list[Size]:
    pixels = MAX_INPUT_PIXELS[len(row.inputs) - 1]
    return [_resized(size, pixels) for size in row.inputs]


def _text_tokens(row: Candidate) -> int:
    return TEMPLATE_TOKENS + -(-len(row.instruction.encode()) // BYTES_PER_TOKEN)


def _positions(row: Candidate) -> int:
    return _text_tokens(row) + sum(max(size) // STRIDE for size in _inputs(row))


class OmniGen2Trainer(PathTrainer):
    """Trains on `omnigen2/dataset/omnigen2_train_dataset.py`, as it is."""

    name = "omnigen2"
    title = "OmniGen2"
    url = "https://github.com/VectorSpaceLab/OmniGen2"
    records = "omnigen2-mico.jsonl"
    max_inputs = 5
    max_inputs_source = "transformer_omnigen2.py: `image_index_embedding` has five rows"
    limits = (
        Limit(
            "too-thin",
            "an image with a side of less than 16 pixels after scaling",
            "omnigen2/dataset: sides are rounded down to multiples of 16",
            lambda row: (
                min(min(size) for size in [*_inputs(row), _resized(row.output, MAX_OUTPUT_PIXELS)])
                < STRIDE
            ),
        ),
        Limit(
            "text",
            "an instruction of more than 888 tokens, estimated at 3 bytes per token",
            "options/ft.yml: `maximum_text_tokens`; the rest is cut silently",
            lambda row: _text_tokens(row) > MAX_TEXT_TOKENS,
        ),
        Limit(
            "positions",
            "text and inputs together need more positions than the model has",
            "the pretrained position table has 1,024 rows; with more, a CUDA assert fails",
            lambda row: _positions(row) >= POSITIONS,
        ),
    )
    settings = (
        Setting("train.learning_rate", "8e-7", "upstream's options/ft.yml"),
        Setting(
            "train.lr_scheduler, train.warmup_t", "constant, 500 steps of warmup", "the same file"
        ),
        Setting("train.adam_weight_decay, train.max_grad_norm", "0.01, 1", "the same file"),
        Setting(
            "data.prompt_dropout_prob", "0.0001",
            "the same file; only a row that loses its instruction may lose its inputs, too "
            "(data.ref_img_dropout_prob, 0.5)",
        ),
        Setting("train.max_train_steps", "4000", "the same file"),
        Setting("train.batch_size", "2", "the same file"),
        Setting(
            "train.global_batch_size", "16, or as close as GPUS allows",
            "the same file; it must be batch_size × gradient_accumulation_steps × GPUs, and "
            "train.sh sets gradient_accumulation_steps accordingly",
        ),
        Setting(
            "logger.checkpointing_steps, resume_from_checkpoint", "1000, latest", "the same file"
        ),
        Setting(
            "data.max_input_pixels", str(list(MAX_INPUT_PIXELS)),
            "upstream's four, and a fifth: without it, a sample with five inputs fails, and the "
            "loader silently replaces it with another",
        ),
        Setting(
            "WANDB_MODE", "offline",
            "ours: upstream logs to wandb.ai by default; set WANDB_MODE=online for that",
        ),
    )  # fmt: skip
    facts = (
        "The memory that a GPU needs was not measured. `train.sh` assumes 8 GPUs.",
        (
            "Every 1,000 steps (`logger.checkpointing_steps`), the trainer writes a checkpoint: "
            "about 50 GB, because the model and the optimizer's two states have 4 bytes for each "
            "of 4 billion parameters. It deletes none unless `logger.checkpoints_total_limit` is "
            "set."
        ),
    )
    steps = (
        (
            (
                "Install the trainer in an environment of its own with Python 3.11. It needs "
                "four packages that it does not list:"
            ),
            (
                'export OMNIGEN2="$PWD/OmniGen2"\n'
                'git clone https://github.com/VectorSpaceLab/OmniGen2 "$OMNIGEN2"\n'
                'pip install -r "$OMNIGEN2/requirements.txt" "datasets>=3" peft tensorboard \\\n'
                "    torchdiffeq"
            ),
        ),
        (
            (
                "Download the models. The VAE is in a gated repository: accept its terms at "
                "https://huggingface.co/black-forest-labs/FLUX.1-dev and log in. Nothing else is "
                "downloaded later, so a node without internet can train with `HF_HUB_OFFLINE=1` "
                "if it shares this cache. `MODEL`, `TEXT_ENCODER` and `VAE` choose others, as "
                "folders or names on the Hub."
            ),
            (
                "huggingface-cli login\n"
                "huggingface-cli download black-forest-labs/FLUX.1-dev --include 'vae/*'\n"
                "huggingface-cli download OmniGen2/OmniGen2 --include 'transformer/*'\n"
                "huggingface-cli download Qwen/Qwen2.5-VL-3B-Instruct"
            ),
        ),
        (
            (
                "Start the training on `GPUS` GPUs. The loader reads these files without "
                "changes. `train.sh` adds the pixels of a fifth input to its options, so `mico "
                "patch omnigen2` is not needed. Append options of `options/ft.yml` to change "
                "them, such as `train.learning_rate=1e-6`; with a `+` before it, an argument adds "
                "an option. Logs and checkpoints go to `OUTPUT`, by default "
                "`experiments/mico-150k-{token}` in the clone. Re-run the command to resume from "
                "the last checkpoint."
            ),
            "GPUS=8 bash {root}/train.sh",
        ),
    )

    def misreads(self, place: str) -> str:
        """Return why not: it gives `load_dataset` the path of its records as a pattern."""
        return misread(place)

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """Return a line of the JSON lines."""
        return {
            "task_type": "edit",
            "instruction": instruction,
            "input_images": inputs,
            "output_image": output,
        }

    def files(self, exported: Exported) -> Mapping[str, str]:
        """Return the data yml, which names a file: a folder would include every JSON in it."""
        # JSON's strings are YAML's, whatever is in the path.
        path = json.dumps(f"{exported.root}/{self.records}", ensure_ascii=False)
        launch = _LAUNCH.replace("@max_input_pixels@", str(list(MAX_INPUT_PIXELS)))
        launch = launch.replace("@token@", exported.token)
        return {"omnigen2-mico.yml": _DATA.format(path=path), LAUNCH: launch}


_DATA = """\
# The loader requires a ratio but ignores it: every row is read once per epoch.
data:
  - path: {path}
    type: edit
    ratio: 1.0
"""

_LAUNCH = """\
#!/usr/bin/env bash
# Trains OmniGen2 on this export. OMNIGEN2: a clone. GPUS: the number of GPUs. MODEL, TEXT_ENCODER,
# VAE: the models, as folders or names on the Hub. OUTPUT: the folder for logs and checkpoints,
# experiments/mico-150k-@token@ in the clone by default. WANDB_MODE=online sends the log to
# wandb.ai. Arguments such as train.learning_rate=1e-6 change options/ft.yml, and with a + before
# them add to it; others go to the trainer.
set -euo pipefail
: "${OMNIGEN2:?set OMNIGEN2 to a clone of VectorSpaceLab/OmniGen2}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MICO_150K_DATA GPUS="${GPUS:-8}" WANDB_MODE="${WANDB_MODE:-offline}"
# Paths become absolute before the working folder changes to the clone.
for name in MODEL TEXT_ENCODER VAE; do
    if [ -e "${!name:-}" ]; then export "$name=$(realpath "${!name}")"; fi
done
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$OMNIGEN2"
OUTPUT=${OUTPUT:-experiments/mico-150k-@token@}
export OUTPUT
overrides=() others=() previous=''
for argument in "$@"; do
    # The value of one of the trainer's own arguments is its own, whatever it holds.
    if [[ $argument == -* || $argument != *=* || $previous == -* ]]; then
        others+=("$argument")
    else
        overrides+=("$argument")
    fi
    if [[ $argument == *=* ]]; then previous=''; else previous=$argument; fi
done
# Upstream's options with this data, pixels for a fifth input, and a batch that fits the GPUs.
python - options/ft.yml "$OUTPUT/options/mico-150k.yml" "${overrides[@]}" <<'PYTHON'
import os, sys, yaml
from pathlib import Path
source, target, *overrides = sys.argv[1:]
options = yaml.safe_load(open(source))
output = Path(os.environ["OUTPUT"])
# The trainer's folder is its `experiments`, joined with the name: an absolute one replaces it.
options["name"] = str(output) if output.is_absolute() else output.name
options["data"]["data_path"] = os.environ["MICO_150K_DATA"] + "/omnigen2-mico.yml"
options["data"]["max_input_pixels"] = @max_input_pixels@
for variable, key in {
    "MODEL": "pretrained_model_path",
    "TEXT_ENCODER": "pretrained_text_encoder_model_name_or_path",
    "VAE": "pretrained_vae_model_name_or_path",
}.items():
    if os.environ.get(variable):
        options["model"][key] = os.environ[variable]
for override in overrides:
    key, _, value = override.removeprefix("+").partition("=")
    *groups, name = key.split(".")
    place = options
    for group in groups:
        place = place.get(group) if isinstance(place, dict) else None
    if not isinstance(place, dict) or not override.startswith("+") and name not in place:
        sys.exit(f"{source} has no {key}; +{key}={value} would add it to a group that is there")
    place[name] = yaml.safe_load(value)
train, gpus = options["train"], int(os.environ["GPUS"])
at_once = train["batch_size"] * gpus
train["gradient_accumulation_steps"] = max(1, train["global_batch_size"] // at_once)
train["global_batch_size"] = train["gradient_accumulation_steps"] * at_once
found = sorted(output.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
if found and options.get("resume_from_checkpoint") == "latest":
    print("resuming from", found[-1], file=sys.stderr)
Path(target).parent.mkdir(parents=True, exist_ok=True)
yaml.safe_dump(options, open(target, "w"), sort_keys=False)
PYTHON
accelerate launch \\
    --num_machines=1 \\
    --num_processes="$GPUS" \\
    --main_process_port="${PORT:-29500}" \\
    --use_fsdp \\
    --fsdp_offload_params false \\
    --fsdp_sharding_strategy HYBRID_SHARD_ZERO2 \\
    --fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP \\
    --fsdp_transformer_layer_cls_to_wrap OmniGen2TransformerBlock \\
    --fsdp_state_dict_type FULL_STATE_DICT \\
    --fsdp_forward_prefetch false \\
    --fsdp_use_orig_params True \\
    --fsdp_cpu_ram_efficient_loading false \\
    --fsdp_sync_module_states True \\
    train.py --config "$OUTPUT/options/mico-150k.yml" "${others[@]}"
"""
