"""musubi-tuner (kohya-ss/musubi-tuner): Qwen-Image-Edit, by JSON lines and a dataset config."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mico_150k.builders.qwen_image_edit import MANY_INPUTS, MARKER

from mico_150k.core.pattern import globbed
from mico_150k.core.trainer import (
    LAUNCH,
    Candidate,
    Exported,
    Limit,
    PathTrainer,
    Setting,
    Size,
)

CACHE = "cache.sh"
CONFIG = "musubi-mico.toml"
SIDE = 1024
"""Each input is scaled to this squared, and a target of more pixels as well."""
WIDEST_TARGET = 4
"""The aspect of the longest bucket: half of `SIDE` and twice."""
TALLEST_INPUT = 72
POSITIONS = 4096
"""Rows of the model's position table, for text after pictures."""
INPUT_TOKENS = 205
"""Of an input in the text, at about 384 × 384 pixels: no shape up to `NARROW` has more."""
NARROW = 44
NARROW_INPUT_TOKENS = 220
"""Of an input more than `NARROW` times as long as wide, whose sides are rounded more."""
MARK_TOKENS = 8
"""`Picture 1: ` with the marks of a picture."""
TEMPLATE_TOKENS = 8
BYTES_PER_TOKEN = 3
"""Of UTF-8: fewer than the tokenizer needs on English, so that the estimate is a high one."""
LATENT_BYTES_PER_PIXEL = 0.5
"""16 channels of bfloat16 for each 8 × 8 pixels."""
EMBEDDING_BYTES = 3584 * 2
"""Of a token of text, bfloat16."""


def _aspect(size: Size) -> float:
    return max(size) / min(size)


def _target(size: Size) -> float:
    """The longest side of a target as the trainer scales it."""
    if size[0] * size[1] <= SIDE**2:
        return max(size)
    return SIDE * math.sqrt(min(_aspect(size), WIDEST_TARGET))


def _input_tokens(size: Size) -> int:
    return MARK_TOKENS + (NARROW_INPUT_TOKENS if _aspect(size) > NARROW else INPUT_TOKENS)


def _text_tokens(row: Candidate) -> int:
    text = -(-len(row.instruction.encode()) // BYTES_PER_TOKEN)
    return TEMPLATE_TOKENS + text + sum(map(_input_tokens, row.inputs))


def positions(row: Candidate) -> int:
    """Rows of the position table that a row needs: half its longest picture's side, then text."""
    sides = [SIDE * math.sqrt(_aspect(size)) for size in row.inputs]
    return math.ceil(max([*sides, _target(row.output)]) / 32) + _text_tokens(row)


def cache_bytes(row: Candidate) -> float:
    """Return the bytes of a row in the caches: a latent per image, and the text's embedding."""
    pixels = len(row.inputs) * SIDE**2 + min(row.output[0] * row.output[1], SIDE**2)
    return LATENT_BYTES_PER_PIXEL * pixels + EMBEDDING_BYTES * _text_tokens(row)


class MusubiTrainer(PathTrainer):
    """Trains a LoRA with `qwen_image_train_network.py`, on caches that `cache.sh` writes."""

    name = "musubi"
    title = "Qwen-Image-Edit by musubi-tuner"
    url = "https://github.com/kohya-ss/musubi-tuner"
    records = "musubi-mico.jsonl"
    limits = (
        MARKER,
        Limit(
            "too-tall",
            f"an input more than {TALLEST_INPUT} times as tall as wide",
            "dataset/bucket.py, calculate_bucket_resolution: a ZeroDivisionError",
            lambda row: any(height > TALLEST_INPUT * width for width, height in row.inputs),
        ),
        Limit(
            "positions",
            "text and inputs need more positions than the table has (an estimate)",
            "qwen_image/qwen_image_model.py: 4,096; with more, shapes do not match",
            lambda row: positions(row) > POSITIONS,
        ),
    )
    remarks = (
        MANY_INPUTS,
        Limit(
            "cut-target",
            f"a large target more than {WIDEST_TARGET} times as long as wide: its ends are cropped",
            "dataset/bucket.py: buckets from 512 × 2048 to 2048 × 512",
            lambda row: (
                row.output[0] * row.output[1] > SIDE**2 and _aspect(row.output) > WIDEST_TARGET
            ),
        ),
    )
    settings = (
        Setting("resolution (musubi-mico.toml)", "[1024, 1024]", "Qwen-Image-Edit's own size"),
        Setting("bucket_no_upscale (musubi-mico.toml)", "true", "ours: small targets stay small"),
        Setting(
            "control_resolution (musubi-mico.toml)", "[1024, 1024]",
            "upstream's docs/dataset_config.md; without it, inputs are cropped to the target's "
            "shape",
        ),
        Setting("--learning_rate", "5e-5", "upstream's docs/qwen_image.md"),
        Setting("--network_dim", "16", "the same"),
        Setting("--discrete_flow_shift", "2.2", "the same"),
        Setting(
            "--max_train_epochs", "1", "ours: upstream's 16 is for some dozens of images"
        ),
        Setting("--save_every_n_steps", "1000", "ours: an epoch takes days"),
    )  # fmt: skip
    steps = (
        (
            "Install the trainer in an environment of its own (Python 3.10 to 3.12).",
            (
                'export MUSUBI="$PWD/musubi-tuner"\n'
                'git clone https://github.com/kohya-ss/musubi-tuner "$MUSUBI"\n'
                'pip install torch torchvision && pip install -e "$MUSUBI"'
            ),
        ),
        (
            "Download three files of the model in bf16 from huggingface.co/Comfy-Org.",
            (
                "export DIT=qwen_image_edit_2511_bf16.safetensors VERSION=2511\n"
                "export VAE=qwen_image_vae.safetensors "
                "TEXT_ENCODER=qwen_2.5_vl_7b.safetensors"
            ),
        ),
        (
            (
                "Encode all images and texts once, on a GPU. After an interruption, re-run it to "
                "resume:"
            ),
            "bash {root}/cache.sh",
        ),
        (
            (
                "Start the training on `GPUS` GPUs. `OUTPUT` is the folder for the LoRA, by "
                "default `output/mico-150k`; a relative path is relative to the current folder."
            ),
            "GPUS=1 bash {root}/train.sh",
        ),
    )

    def misreads(self, place: str) -> str:
        """It looks for its caches by a pattern, in which it leaves the folder's name as it is."""
        return globbed(place)

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """The target is `image_path`, and inputs are numbered from 0."""
        controls = {f"control_path_{place}": path for place, path in enumerate(inputs)}
        return {"image_path": output, **controls, "caption": instruction}

    def record_file(self, repeat: int) -> str:
        """Put rows with the same target into different files: the target names the caches."""
        return f"musubi-mico-{repeat + 1}.jsonl" if repeat else self.records

    def measure(self, rows: Iterable[Candidate]) -> dict[str, Any]:
        """Estimate the bytes of the caches."""
        return {"cache_bytes": round(sum(map(cache_bytes, rows)))}

    def tables(self, exported: Exported) -> Sequence[str]:
        """Return the size of the caches."""
        gigabytes = exported.measured["cache_bytes"] / 1e9
        return (
            (
                f"The caches need about {gigabytes:,.1f} GB in `{_cache(exported)}` here, which "
                "may be a link to a larger disk. Each export has its own caches."
            ),
        )

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The dataset config, and the scripts that cache and train."""
        datasets = (
            _DATASET.format(
                # JSON's strings are TOML's, whatever is in the path.
                records=json.dumps(f"{exported.root}/{name}", ensure_ascii=False),
                cache=json.dumps(
                    f"{exported.root}/{_cache(exported)}/{Path(name).stem}", ensure_ascii=False
                ),
            )
            for name in sorted(exported.record_files)
        )
        return {CONFIG: "\n".join([_CONFIG, *datasets]), CACHE: _CACHE, LAUNCH: _LAUNCH}


def _cache(exported: Exported) -> str:
    """The folder of the caches, another for other rows: a cache does not say what it is of."""
    return f"cache-{exported.token}"


_CONFIG = """\
# For --dataset_config. Rows with the same target are in different datasets: it names the caches.
[general]
resolution = [1024, 1024]
batch_size = 1
enable_bucket = true
bucket_no_upscale = true
"""

_DATASET = """\
[[datasets]]
image_jsonl_file = {records}
cache_directory = {cache}
control_resolution = [1024, 1024]
"""

_HEAD = """\
set -euo pipefail
: "${MUSUBI:?set MUSUBI to a clone of kohya-ss/musubi-tuner}"
: "${DIT:?set DIT to the file of the model}"
: "${VAE:?set VAE to the file of its VAE}"
: "${TEXT_ENCODER:?set TEXT_ENCODER to the file of Qwen2.5-VL}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case "${VERSION:=2511}" in
2511 | 2509) ;;
*) echo "VERSION is 2511 or 2509" >&2; exit 2 ;;
esac
scripts=$MUSUBI/src/musubi_tuner
config=$MICO_150K_DATA/musubi-mico.toml
"""

_CACHE = f"""\
#!/usr/bin/env bash
# Encodes all images and texts of this export for musubi-tuner. MUSUBI: a clone. DIT, VAE and
# TEXT_ENCODER: files of the model. VERSION: its version, 2511 or 2509.
{_HEAD}\
# The newest file may be incomplete after an interruption: it is removed and written again.
for folder in "$MICO_150K_DATA"/cache-*/*/; do
    [ -d "$folder" ] || continue
    newest=$(ls -t "$folder" | sed -n 1p)
    if [ -n "$newest" ]; then rm "$folder/$newest"; fi
done
python "$scripts/qwen_image_cache_latents.py" \\
    --dataset_config "$config" \\
    --vae "$VAE" \\
    --model_version "edit-$VERSION" \\
    --skip_existing
python "$scripts/qwen_image_cache_text_encoder_outputs.py" \\
    --dataset_config "$config" \\
    --text_encoder "$TEXT_ENCODER" \\
    --batch_size 1 \\
    --model_version "edit-$VERSION" \\
    --skip_existing
"""

_LAUNCH = f"""\
#!/usr/bin/env bash
# Trains a LoRA of Qwen-Image-Edit on this export with musubi-tuner, after cache.sh. MUSUBI: a
# clone. DIT, VAE and TEXT_ENCODER: files of the model. VERSION: its version, 2511 or 2509.
# GPUS: the number of GPUs. OUTPUT: the folder for the LoRA.
{_HEAD}\
GPUS=${{GPUS:-1}}
launch=(--num_processes="$GPUS" --num_cpu_threads_per_process=1 --mixed_precision=bf16)
if [ "$GPUS" -gt 1 ]; then launch+=(--multi_gpu); fi
accelerate launch "${{launch[@]}}" "$scripts/qwen_image_train_network.py" \\
    --dit "$DIT" \\
    --vae "$VAE" \\
    --text_encoder "$TEXT_ENCODER" \\
    --model_version "edit-$VERSION" \\
    --dataset_config "$config" \\
    --sdpa \\
    --mixed_precision bf16 \\
    --timestep_sampling shift \\
    --weighting_scheme none \\
    --discrete_flow_shift 2.2 \\
    --optimizer_type adamw8bit \\
    --learning_rate 5e-5 \\
    --gradient_checkpointing \\
    --max_data_loader_n_workers 2 \\
    --persistent_data_loader_workers \\
    --network_module networks.lora_qwen_image \\
    --network_dim 16 \\
    --max_train_epochs 1 \\
    --save_every_n_steps 1000 \\
    --seed 42 \\
    --output_dir "${{OUTPUT:-output/mico-150k}}" \\
    --output_name mico-150k \\
    "$@"
"""
