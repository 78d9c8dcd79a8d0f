"""BAGEL (ByteDance-Seed/Bagel): Parquet with image bytes inside."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.configuration import Builder
from mico_150k.core.plural import counted
from mico_150k.core.trainer import (
    INSTALL_STEP,
    LAUNCH,
    Candidate,
    Exported,
    Limit,
    Option,
    Readers,
    Setting,
    ShardTrainer,
    Size,
)
from mico_150k.trainers.bagel import PARQUET_INFO


class Bagel(Builder):
    """`image_list` holds the inputs in order, then the output, as bare bytes.

    BAGEL's reader opens each cell with `io.BytesIO`, so that a struct stops it; its loader is
    `MultiInputEditDataset`, which takes the list's last image as the target.
    """

    name = "bagel"
    purpose = "BAGEL"
    columns = {
        "image_list": Column(ColumnType.RAW_IMAGES, "images"),
        "instruction": Column(ColumnType.TEXT, "instruction"),
    }


@dataclass(frozen=True, slots=True)
class Transform:
    """How BAGEL scales a picture (data/transforms.py): sides between these, multiples of it."""

    longest: int
    shortest: int
    stride: int

    def size(self, size: Size) -> Size:
        """A picture's size after it."""
        scale = max(min(self.longest / max(size), 1.0), self.shortest / min(size))
        scaled = self._scaled(size, scale)
        if scaled[0] * scaled[1] > MAX_PIXELS:
            scaled = self._scaled(scaled, MAX_PIXELS / (scaled[0] * scaled[1]))
        if max(scaled) > self.longest:
            scaled = self._scaled(scaled, self.longest / max(scaled))
        return scaled

    def tokens(self, size: Size) -> int:
        """How many squares of the stride it makes."""
        width, height = self.size(size)
        return (width // self.stride) * (height // self.stride)

    def _scaled(self, size: Size, scale: float) -> Size:
        width, height = (
            max(self.stride, round(round(side * scale) / self.stride) * self.stride)
            for side in size
        )
        return width, height


MAX_PIXELS = 14 * 14 * 9 * 1024
VIT = Transform(518, 224, 14)
VAE = (Transform(1024, 512, 16), Transform(768, 384, 16), Transform(512, 256, 16))
"""Upstream's example, and two smaller ones for samples with many inputs."""
MARKS = 2
"""Begin and end of each picture and text."""
BYTES_PER_TOKEN = 3
"""Of UTF-8: fewer than the tokenizer needs on English, so that the estimate is a high one."""
GPUS = 8
"""Those of upstream's script, and ours by default, with a worker each."""
ENOUGH = 0.99
"""The share of rows that a setting must keep to be taken; BAGEL skips longer ones."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens of a sample, and expected and most tokens of a batch, with their source."""

    sample: int
    expected: int
    most: int
    source: str


BUDGETS = (
    Budget(10_240, 10_240, 11_520, "upstream's recipe for fine-tuning"),
    Budget(16_384, 32_768, 36_864, "upstream's defaults"),
    Budget(36_864, 32_768, 36_864, "upstream's defaults, with samples as long as a batch"),
)


@functools.cache
def _picture_tokens(transform: Transform, size: Size) -> int:
    return transform.tokens(size) + MARKS


def sample_tokens(row: Candidate, transform: Transform) -> int:
    """A sample's length: each input as VAE and ViT tokens, the text, the target as VAE tokens."""
    text = -(-len(row.instruction.encode()) // BYTES_PER_TOKEN) + MARKS
    inputs = sum(
        _picture_tokens(transform, size) + _picture_tokens(VIT, size) for size in row.inputs
    )
    return inputs + text + _picture_tokens(transform, row.output)


def _too_long(budget: Budget) -> Limit:
    """Return the limit for samples over a budget even with the smallest images of an export."""
    small = VAE[-1]
    return Limit(
        f"{budget.sample:,} tokens",
        f"a sample of about {budget.sample:,} tokens or more, with its images at "
        f"{small.longest}/{small.shortest}",
        "data/dataset_base.py skips it",
        lambda row: sample_tokens(row, small) >= budget.sample,
    )


class BagelTrainer(ShardTrainer):
    """Trains on `data/interleave_datasets`, with a class for MICo that `mico patch` adds."""

    name = "bagel"
    title = "BAGEL"
    url = "https://github.com/ByteDance-Seed/Bagel"
    options = (
        Option(
            "ranks", int, None,
            f"GPUs that train: each gets the same number of row groups. The default is {GPUS}, or "
            "fewer if there are fewer rows.", minimum=1,
        ),
        Option(
            "num_workers", int, None, "Reader processes per GPU; the default is 1.", minimum=1,
            needs="ranks",
        ),
    )  # fmt: skip
    limits = (_too_long(BUDGETS[-1]),)
    skips = tuple(map(_too_long, BUDGETS[:-1]))
    settings = (
        Setting("--lr", "2e-5", "upstream's TRAIN.md, fine-tuning"),
        Setting("--max_latent_size", "64", "the same; 32 does not fit the published weights"),
        Setting(
            "--expected_num_tokens, --max_num_tokens, --max_num_tokens_per_sample", "see above",
            "upstream's TRAIN.md has 10240, 11520, 10240, and its code 32768, 36864, 16384",
        ),
        Setting("--num_shard", "GPUS", "train/fsdp_utils.py needs one per GPU; the default is 8"),
        Setting(
            "--total_steps, --warmup_steps, --lr_scheduler", "500000, 2000, constant",
            "the defaults of train/pretrain_unified_navit.py; append others to the command",
        ),
        Setting(
            "--text_cond_dropout_prob, --vae_…, --vit_…", "0.1, 0.3, 0.3",
            "the defaults of the same file, for each text and each input separately",
        ),
        Setting(
            "--wandb_offline", "True",
            "ours: upstream logs to wandb.ai by default; set WANDB_MODE=online for that",
        ),
    )  # fmt: skip
    facts = (
        "The memory that a GPU needs was not measured. Upstream's recipe is for 8 GPUs.",
        (
            "Every 2,000 steps (`--save_every`), the trainer writes a checkpoint and deletes none: "
            "about 220 GB each, because model, EMA and the optimizer's two states have 4 bytes for "
            "each of 14 billion parameters."
        ),
        "Each reading process takes about 4 times the size of a row group.",
        "Resume with as many GPUs and workers as before: the checkpoint holds a place for each.",
    )
    steps = (
        (
            "Install the trainer in an environment of its own with Python 3.10:",
            (
                'export BAGEL="$PWD/Bagel"\n'
                'git clone https://github.com/ByteDance-Seed/Bagel "$BAGEL"\n'
                'pip install -r "$BAGEL/requirements.txt"\n'
                "pip install flash_attn==2.5.8 --no-build-isolation"
            ),
        ),
        INSTALL_STEP,
        (
            "Patch the trainer's clone to read these rows (`--dry-run` shows the changes):",
            'mico patch bagel "$BAGEL"',
        ),
        (
            (
                "Download the model. The training reads `llm_config.json`, `vit_config.json`, "
                "`ae.safetensors`, `ema.safetensors` and the tokenizer's files. Nothing else is "
                "downloaded later."
            ),
            (
                "huggingface-cli download ByteDance-Seed/BAGEL-7B-MoT "
                "--local-dir models/BAGEL-7B-MoT"
            ),
        ),
        (
            (
                "Start the training with the folder of the model. The defaults of `GPUS` and "
                "`WORKERS` are below. Logs and checkpoints go to `OUTPUT`, by default "
                "`results/mico-150k-{token}` in the clone. Re-run the command to resume from the "
                "last checkpoint."
            ),
            "MODEL=models/BAGEL-7B-MoT bash {root}/train.sh",
        ),
    )

    def readers(self, most: int) -> Readers:
        """Return the ranks and workers of the options, or as many as each get something to read."""
        return _readers(self.chosen, most)

    def measure(self, rows: Iterable[Candidate]) -> dict[str, Any]:
        """Count the rows within each budget at each image size, and all rows."""
        kept = [[0] * len(BUDGETS) for _ in VAE]
        total = 0
        for row in rows:
            total += 1
            for place, transform in enumerate(VAE):
                tokens = sample_tokens(row, transform)
                for at, budget in enumerate(BUDGETS):
                    kept[place][at] += tokens < budget.sample
        return {"rows": total, "kept": kept}

    def tables(self, exported: Exported) -> Sequence[str]:
        """Return what each setting keeps, and how row groups are distributed."""
        transform, budget = _fitting(exported)
        total = exported.measured["rows"]
        lines = [
            (
                "BAGEL skips samples with `--max_num_tokens_per_sample` tokens or more. Samples "
                f"kept, with text estimated at {BYTES_PER_TOKEN} bytes per token:"
            ),
            "",
            (
                "| images, longest/shortest side | "
                f"{' | '.join(f'{each.sample}' for each in BUDGETS)} |"
            ),
            f"|---|{'--:|' * len(BUDGETS)}",
        ]
        for of_vae, kept in zip(VAE, exported.measured["kept"], strict=True):
            shares = " | ".join(f"{count / total:.1%}" for count in kept)
            lines.append(f"| {of_vae.longest}/{of_vae.shortest} | {shares} |")
        lines += [
            "",
            (
                f"`mico-150k.yaml` has {transform.longest}/{transform.shortest} and `train.sh` "
                f"{budget.sample}: the largest images at which {ENOUGH:.0%} of the samples stay "
                f"below {BUDGETS[-2].sample} tokens, and the smallest budget that skips no "
                "sample, if there is one."
            ),
        ]
        groups = sum(exported.row_groups.values())
        readers = _readers(exported.options, groups)
        is_said = bool(exported.options["ranks"])
        sharing = (
            f"{counted(len(exported.row_groups), 'file')} with {counted(groups, 'row group')}. "
            "BAGEL gives each of `GPUS` × `WORKERS` readers the same number of row groups and "
            f"never reads the rest. `train.sh` has {counted(readers.ranks, 'GPU')} and "
            f"{counted(readers.workers, 'worker')} per GPU, "
            + ("from --ranks and --num-workers." if is_said else "by default.")
        )
        return ["\n".join(lines), sharing, *self.notes(exported)]

    def notes(self, exported: Exported) -> Sequence[str]:
        """Return warnings about rows that will not be read."""
        found = []
        transform, budget = _fitting(exported)
        kept = exported.measured["kept"][VAE.index(transform)][BUDGETS.index(budget)]
        skipped = exported.measured["rows"] - kept
        if skipped:
            found.append(
                f"{skipped} of {exported.measured['rows']} samples are longer than train.sh's "
                f"{budget.sample:,} tokens: BAGEL skips them."
            )
        groups = sum(exported.row_groups.values())
        readers = _readers(exported.options, groups)
        rest = groups % readers.count
        is_said = bool(exported.options["ranks"])
        # Where nobody said how many read, a few of very many are no news.
        if rest > (0 if is_said else (1 - ENOUGH) * groups):
            with_the_same = " with the same --ranks and --num-workers" if is_said else ""
            found.append(
                f"{rest} of {groups} row groups are never read by {readers.count} readers; `mico "
                f"export bagel DATASET --out DIR`{with_the_same} splits some, so that each reader "
                "gets the same number."
            )
        return found

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The row groups of each file, the data's yaml, and the launch script."""
        transform, budget = _fitting(exported)
        info = {
            f"{exported.root}/{name}": {"num_row_groups": count}
            for name, count in exported.row_groups.items()
        }
        yaml = _DATA.format(
            longest=transform.longest,
            shortest=transform.shortest,
            files=len(exported.row_groups),
        )
        launch = _LAUNCH
        for name in ("sample", "expected", "most"):
            launch = launch.replace(f"@{name}@", str(getattr(budget, name)))
        readers = _readers(exported.options, sum(exported.row_groups.values()))
        launch = launch.replace("@gpus@", str(readers.ranks))
        launch = launch.replace("@workers@", str(readers.workers))
        launch = launch.replace("@token@", exported.token)
        return {
            PARQUET_INFO: json.dumps(info, indent=2, ensure_ascii=False) + "\n",
            "mico-150k.yaml": yaml,
            LAUNCH: launch,
        }


def _readers(options: Mapping[str, Any], most: int) -> Readers:
    """The readers that were asked for; by default no more than `most`, or some would wait."""
    ranks = options["ranks"] or max(1, min(GPUS, most))
    return Readers(ranks, options["num_workers"] or 1)


def _fitting(exported: Exported) -> tuple[Transform, Budget]:
    """The largest pictures of which enough fit, then the smallest budget that skips none."""
    total = exported.measured["rows"]
    settings = list(zip(VAE, exported.measured["kept"], strict=True))
    # The last budget takes samples as long as a whole batch: for a few, not for most.
    transform, counts = next(
        (setting for setting in settings if max(setting[1][:-1]) >= ENOUGH * total), settings[-1]
    )
    budgets = zip(BUDGETS, counts, strict=True)
    return transform, next((budget for budget, count in budgets if count == total), BUDGETS[-1])


_DATA = """\
# For --dataset_config_file. `num_used_data` is the number of files: fewer skip some, in the
# order in which the file system lists them; more read some twice.
mico-150k:
  dataset_names: [mico-150k]
  image_transform_args:
    image_stride: 16
    max_image_size: {longest}
    min_image_size: {shortest}
  vit_image_transform_args:
    image_stride: 14
    max_image_size: 518
    min_image_size: 224
  is_mandatory: true
  num_used_data: [{files}]
  weight: 1
"""

_LAUNCH = """\
#!/usr/bin/env bash
# Trains BAGEL on this export. BAGEL: the patched clone. MODEL: the folder of the published model.
# GPUS: the number of GPUs. WORKERS: reader processes per GPU. OUTPUT: the folder for logs and
# checkpoints, results/mico-150k-@token@ in the clone by default. WANDB_MODE=online sends the log to
# wandb.ai. Other arguments go to the trainer; their paths are relative to the clone.
set -euo pipefail
: "${BAGEL:?set BAGEL to a clone of ByteDance-Seed/Bagel, after mico patch bagel}"
: "${MODEL:?set MODEL to the folder of BAGEL-7B-MoT}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MICO_150K_DATA
GPUS=${GPUS:-@gpus@}
MODEL=$(cd "$MODEL" && pwd)
offline=True
if [ "${WANDB_MODE:-offline}" = online ]; then offline=False; fi
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$BAGEL"
OUTPUT=${OUTPUT:-results/mico-150k-@token@}
# The trainer resumes from the last of these by itself.
for checkpoint in "$OUTPUT"/checkpoints/*/; do
    if [ -d "$checkpoint" ]; then last=$checkpoint; fi
done
if [ -n "${last:-}" ]; then echo "resuming from ${last%/}" >&2; fi
# torchrun puts the script's folder on Python's path, but the script imports from the clone.
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
torchrun --nnodes=1 --nproc_per_node="$GPUS" --master_port="${PORT:-29501}" \\
    train/pretrain_unified_navit.py \\
    --dataset_config_file "$MICO_150K_DATA/mico-150k.yaml" \\
    --model_path "$MODEL" \\
    --layer_module Qwen2MoTDecoderLayer \\
    --max_latent_size 64 \\
    --resume-from "$MODEL" \\
    --finetune_from_hf True \\
    --auto_resume True \\
    --resume-model-only True \\
    --finetune-from-ema True \\
    --num_shard "$GPUS" \\
    --results_dir "$OUTPUT" \\
    --checkpoint_dir "$OUTPUT/checkpoints" \\
    --wandb_name "${OUTPUT##*/}" \\
    --wandb_offline "$offline" \\
    --log_every 1 \\
    --lr 2e-5 \\
    --num_workers "${WORKERS:-@workers@}" \\
    --expected_num_tokens @expected@ \\
    --max_num_tokens @most@ \\
    --max_num_tokens_per_sample @sample@ \\
    "$@"
"""
