"""Lumina-DiMOO (Alpha-VLLM/Lumina-DiMOO): trains on VQ codes, or images to make them of."""

import json
import re
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from mico_150k.builders.dimoo_tokens import (
    CODE,
    FIRST_TOKEN,
    MAX_SEQ_LEN,
    OUTPUT_SIZE,
    SYSTEM_PROMPT,
    SizeTable,
    TextLength,
    estimate,
    grid,
    instruction,
    load_tokenizer,
    record_tokens,
    shape_for,
)

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.configuration import Builder
from mico_150k.core.trainer import (
    INSTALL_STEP,
    LAUNCH,
    Candidate,
    CodesTrainer,
    Exported,
    Limit,
    Option,
    PathTrainer,
    Setting,
    Trainer,
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


@dataclass(frozen=True, slots=True)
class DimooRecords:
    """The settings of the records that the training reads.

    `sizes` are the sizes of the encoded images; `text_length` counts the tokens of a text.
    """

    sizes: SizeTable = field(default_factory=SizeTable.parse)
    system_prompt: str = SYSTEM_PROMPT
    max_seq_len: int = MAX_SEQ_LEN
    text_length: TextLength = estimate

    def tokens(self, prompt: str, grids: Sequence[tuple[int, int]]) -> int:
        """Return a record's tokens in training; `grids` are its images' columns and rows."""
        return record_tokens(self.text_length(instruction(self.system_prompt, prompt)), grids)

    def tokens_of(self, row: Candidate) -> int:
        """Return the tokens of a row of the index, before any code is read."""
        size = self.sizes.of_inputs(len(row.inputs))
        shapes = [shape_for(*image, size) for image in row.inputs]
        shapes.append(shape_for(*row.output, self.sizes.output))
        return self.tokens(row.instruction, [grid(shape) for shape in shapes])


_UPSTREAM = DimooRecords(SizeTable.parse(str(OUTPUT_SIZE)))
"""Its pre-tokenizer has one size for all images."""


class _Dimoo(Trainer):
    """What both kinds of files have in common."""

    name = "dimoo"
    title = "Lumina-DiMOO"
    url = "https://github.com/Alpha-VLLM/Lumina-DiMOO"
    settings = (
        Setting("--lr, --min_lr", "2e-5 (constant)", "upstream's train/train.sh"),
        Setting("--warmup_epochs", "0.001", "the same script"),
        Setting("--wd", "0.1", "the same script"),
        Setting("--clip_grad", "4", "the same script"),
        Setting("--batch_size", "2", "the same script"),
        Setting("--epochs", "2", "the same script"),
        Setting(
            "--accum_iter", "4",
            "the same script, which is for 64 GPUs; a step has GPUs × batch_size × accum_iter "
            "records, and an incomplete step at the end of the file is dropped",
        ),
        Setting("--save_iteration_interval", "1000", "the same script"),
    )  # fmt: skip
    facts = (
        "The memory that a GPU needs was not measured. Upstream's script is for 64 GPUs.",
        (
            "The trainer writes a full checkpoint at its first optimizer step already: about 80 GB "
            "for 8 billion parameters, 2 bytes each in the model and 8 in the optimizer's state. "
            "It keeps two (`--ckpt_max_keep`), and a third while it writes: have 240 GB free."
        ),
        "Long records are not cut: they take more memory.",
    )


_CLONE_STEPS = (
    (
        (
            "Install the trainer in an environment of its own with Python 3.10. Keep its "
            "`transformers` 4.46.2: with 4.51.3, loading the model fails."
        ),
        (
            'export DIMOO="$PWD/Lumina-DiMOO"\n'
            'git clone https://github.com/Alpha-VLLM/Lumina-DiMOO "$DIMOO"\n'
            'pip install -r "$DIMOO/requirements.txt"'
        ),
    ),
    INSTALL_STEP,
    (
        "Patch the trainer's clone to read several inputs (`--dry-run` shows the changes):",
        'mico patch dimoo "$DIMOO"',
    ),
)
_LAST_STEPS = (
    (
        (
            "Download the model. Nothing else is downloaded later, so a node without internet can "
            "train with `HF_HUB_OFFLINE=1` if it shares this cache. `MODEL` may be a folder, too."
        ),
        "huggingface-cli download Alpha-VLLM/Lumina-DiMOO",
    ),
    (
        (
            "Start the training on `GPUS` GPUs. Logs and checkpoints go to `OUTPUT`, by default "
            "`output/mico-150k-{token}` in the clone. The trainer does not resume by itself: "
            "`train.sh` stops if `OUTPUT` holds a checkpoint, and says how to resume from it."
        ),
        "GPUS=8 bash {root}/train.sh",
    ),
)


def _limits_of_codes(rules: DimooRecords) -> tuple[Limit, ...]:
    return (
        Limit(
            "length",
            "more tokens than `--max-seq-len`",
            "train/train.sh: `max_seq_len`; longer records take more memory",
            lambda row: rules.tokens_of(row) > rules.max_seq_len,
        ),
        Limit(
            NO_CODES,
            "no codes: `mico pretokenize` could not use one of their images",
            "quarantine.jsonl in dimoo-codes",
            lambda _: False,
        ),
    )


class _DimooCodes(_Dimoo, CodesTrainer):
    """Trains on the codes of `mico pretokenize`."""

    format = "codes"
    records = "all_records.json"
    options = (
        Option(
            "max_seq_len", int, MAX_SEQ_LEN,
            "The most tokens of a record; training itself has no limit.", minimum=1,
        ),
        Option(
            "system_prompt", str, SYSTEM_PROMPT,
            "Text before every prompt; by default the one used at inference.", metavar="TEXT",
        ),
        Option(
            "tokenizer", str, None,
            "A folder with tokenizer.json, or a Hub id, to count tokens of texts; by default "
            "they are estimated as a third of the bytes, which is too many.", metavar="FOLDER|ID",
        ),
    )  # fmt: skip
    steps = (*_CLONE_STEPS, *_LAST_STEPS)

    def __init__(self, **options: object) -> None:
        """By default, codes have the sizes that `mico pretokenize` gives them by default."""
        super().__init__(**options)
        tokenizer = self.chosen["tokenizer"]
        self.rules = DimooRecords(
            system_prompt=str(self.chosen["system_prompt"]),
            max_seq_len=int(self.chosen["max_seq_len"] or 0),
            text_length=load_tokenizer(str(tokenizer)) if tokenizer else estimate,
        )
        self.limits = _limits_of_codes(self.rules)

    def on_codes(self, told: Mapping[str, Any]) -> "_DimooCodes":
        """Return this trainer for images of the sizes at which they were encoded."""
        sizes = SizeTable.parse(str(told.get("sizes")), int(told.get("output_size", 0)))
        other = copy(self)
        other.rules = replace(self.rules, sizes=sizes)
        other.limits = _limits_of_codes(other.rules)
        return other

    def pickle(self, codes: Sequence[int], columns: int, rows: int) -> dict[str, Any]:
        """The file of an image. `height` and `width` are exchanged, as upstream writes them.

        Upstream takes PIL's (width, height) for (height, width) here, and exchanges them again
        when it reads: honest names would be cut into rows of the wrong length.
        """
        return {
            "input_ids": [FIRST_TOKEN + code for code in codes],
            "length": rows * columns,
            "height": columns * CODE,
            "width": rows * CODE,
        }

    def record(
        self, id_: str, prompt: str, paths: Sequence[str], grids: Sequence[tuple[int, int]]
    ) -> dict[str, Any]:
        """The keys that training reads."""
        return {
            "system_prompt": self.rules.system_prompt,
            "user_prompt": prompt,
            "user_image": list(paths[:-1]),
            "answer_text": "",
            "answer_image": paths[-1],
            "answer_thinking": "",
            "id": id_,
            "len": self.rules.tokens(prompt, grids),
        }

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The launch script, and what `--data_config` takes."""
        records = json.dumps(f"{exported.root}/{self.records}", ensure_ascii=False)
        launch = _launch(exported, "", "export again")
        return {LAUNCH: launch, "data.yaml": _CONFIG.format(records=records)}

    def tables(self, exported: Exported) -> Sequence[str]:
        """Return how the codes were made; the values are foreign, so only plain words are shown."""
        codes = exported.identity.get("codes")
        told = codes if isinstance(codes, dict) else {}
        lines = ["| the codes | |", "|---|---|"]
        for key, what in _TOLD.items():
            value = str(told.get(key, ""))
            lines.append(f"| {what} | {value if _PLAIN.fullmatch(value) else 'not known'} |")
        return ["\n".join(lines)]


class DimooTrainer(_Dimoo, PathTrainer):
    """The JSON of MICo's guide, and images for upstream's own pre-tokenizer."""

    format = "images"
    other_formats = (_DimooCodes,)
    format_help = (
        "`codes` from `mico pretokenize`, which the training reads, or `images` for upstream's "
        "own pre-tokenizer. The default is `codes` if the dataset has them."
    )
    records = "dimoo-mico.json"
    max_inputs = 19
    max_inputs_source = (
        "pre_tokenizer/pre_tokenize.py distinguishes one image from many by 20 tokens"
    )
    remarks = (
        Limit(
            "length",
            f"more than about {MAX_SEQ_LEN:,} tokens if every image has {OUTPUT_SIZE} pixels per "
            "side",
            "train/train.sh: `max_seq_len`; longer records take more memory",
            lambda row: _UPSTREAM.tokens_of(row) > MAX_SEQ_LEN,
        ),
    )
    steps = (
        *_CLONE_STEPS,
        (
            (
                "In `pre_tokenizer/run_pre_token.sh`, set the type to `edit`, the input to "
                "`dimoo-mico.json` of this folder, and the output to a folder `codes` in it. "
                "Then run it. The released code fails on every record with inputs, writes "
                "nothing and reports success, so correct it first. `mico pretokenize` and `mico "
                "export dimoo --format codes` avoid all this."
            ),
            '(cd "$DIMOO" && bash pre_tokenizer/run_pre_token.sh)',
        ),
        (
            (
                "It joins its records before its processes have finished. Wait for them, join "
                "the records again, and name them to the trainer:"
            ),
            (
                "printf 'META:\\n- path: \"%s\"\\n' {root}/codes/all_records.json "
                "> {root}/codes/data.yaml"
            ),
        ),
        *_LAST_STEPS,
    )

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """The keys of MICo's guide."""
        return {"image_path": inputs, "edit_path": output, "prompt": instruction}

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The launch script."""
        return {LAUNCH: _launch(exported, "/codes", "pre-tokenize first, as START.md says")}


NO_CODES = "no codes"
_TOLD = {
    "vq_sha256": "VQ checkpoint, SHA-256",
    "sizes": "pixels per side, by number of inputs",
    "output_size": "pixels per side of the output",
}
_PLAIN = re.compile(r"[\w:,]{1,99}", re.ASCII)
_CONFIG = """\
# For --data_config. With --cache_ann_on_disk, the trainer keeps a copy of the records by this
# file's path, in xllmx_data_cache, and never updates it; train.sh removes that copy first.
META:
- path: {records}
"""


def _launch(exported: Exported, folder: str, way_out: str) -> str:
    """The launch script; `folder` is where codes lie in an export."""
    launch = _LAUNCH.replace("@FOLDER@", folder).replace("@WAY_OUT@", way_out)
    return launch.replace("@token@", exported.token).replace("@records@", str(exported.rows))


_LAUNCH = """\
#!/usr/bin/env bash
# Trains Lumina-DiMOO on this export. DIMOO: the patched clone. GPUS: the number of GPUs.
# MODEL: the model, a folder or a name on the Hub. CODES: another folder with data.yaml. OUTPUT: the
# folder for logs and checkpoints, output/mico-150k-@token@ in the clone by default. Other
# arguments go to the trainer; their paths are relative to the clone.
set -euo pipefail
: "${DIMOO:?set DIMOO to a clone of Lumina-DiMOO, after mico patch dimoo}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
records=${CODES:+unknown}
CODES=${CODES:-$MICO_150K_DATA@FOLDER@}
[ -f "$CODES/data.yaml" ] || { echo "no $CODES/data.yaml: @WAY_OUT@" >&2; exit 1; }
# Paths become absolute before the working folder changes to the clone.
CODES=$(realpath "$CODES")
MODEL=${MODEL:-Alpha-VLLM/Lumina-DiMOO}
if [ -e "$MODEL" ]; then MODEL=$(realpath "$MODEL"); fi
GPUS=${GPUS:-8}
batch=2 accumulation=4 resumed='' previous=''
for argument in "$@"; do
    case $argument in
    --*=*) option=${argument%%=*} value=${argument#*=} ;;
    *) option=$previous value=$argument ;;
    esac
    case $option in
    --batch_size) batch=$value ;;
    --accum_iter) accumulation=$value ;;
    --resume_path) resumed=$value ;;
    esac
    previous=$argument
done
# With fewer records than one optimizer step, the trainer loads the model and then divides by zero.
step=$((batch * GPUS * accumulation))
if [ "${records:=@records@}" != unknown ] && [ "$records" -lt "$step" ]; then
    echo "$records records are fewer than one optimizer step, which takes" \\
        "$batch (--batch_size) × $GPUS (GPUS) × $accumulation (--accum_iter) = $step:" \\
        "use fewer GPUs, or append smaller values for --batch_size and --accum_iter." >&2
    exit 1
fi
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$DIMOO"
OUTPUT=${OUTPUT:-output/mico-150k-@token@}
# The trainer never resumes by itself. It would start over, and keep old checkpoints, not new ones.
last=$(ls -td "$OUTPUT"/epoch*/ 2>/dev/null | head -n 1 || true)
if [ -n "$resumed" ]; then
    echo "resuming from $resumed" >&2
elif [ -n "$last" ]; then
    echo "$OUTPUT holds a checkpoint. To resume from it with the same number of GPUs, copy the" \\
        "model's tokenizer files into it, which the trainer does not save, and append" \\
        "--resume_path '${last%/}'. Otherwise, set OUTPUT to another folder." >&2
    exit 1
fi
# The trainer caches the records by the path of data.yaml, and would never update them. Others in
# this folder may be those of a running training.
rm -rf "xllmx_data_cache/$(printf %s "$CODES/data.yaml" | tr '/\\\\.?!' '-----')"
mkdir -p "$OUTPUT"
torchrun --nproc_per_node="$GPUS" --nnodes=1 --master_port="${PORT:-16558}" \\
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
    --output_dir "$OUTPUT" \\
    --save_iteration_interval 1000 \\
    --init_from "$MODEL" \\
    "$@"
"""
