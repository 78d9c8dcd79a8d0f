"""DiffSynth-Studio (modelscope/DiffSynth-Studio): FLUX.2, by JSON lines of image paths."""

from collections.abc import Mapping, Sequence

from mico_150k.builders.diffsynth import (
    BATCH,
    DATA_SETTINGS,
    INSTALL,
    OUTPUT_HELP,
    RESUME,
    DiffSynthTrainer,
)
from mico_150k.builders.flux2 import MANY_INPUTS, MARKER, long_text

from mico_150k.core.trainer import LAUNCH, Exported, Limit, Setting

THINNEST = 4000
"""Times as long as wide: with 4,096, a side is rounded to no pixels."""


class DiffSynthFlux2Trainer(DiffSynthTrainer):
    """Trains on `examples/flux2/model_training/train.py`, as it is."""

    name = "diffsynth-flux2"
    title = "FLUX.2 by DiffSynth-Studio"
    limits = (
        MARKER,
        long_text("diffsynth/pipelines/flux2_image.py 232 and 363: `max_length=512`"),
        Limit(
            "too-thin",
            f"an image more than {THINNEST:,} times as long as wide",
            "diffsynth/pipelines/flux2_image.py 502, core/data/operators.py 120: a side of 0",
            lambda row: any(max(size) > THINNEST * min(size) for size in (*row.inputs, row.output)),
        ),
    )
    remarks = (MANY_INPUTS,)
    settings = (
        Setting("--learning_rate", "1e-5; 1e-4 for LoRA", "upstream's full/ and lora/ scripts"),
        Setting("--num_epochs", "2", "upstream's full/FLUX.2-klein-base-9B.sh; 5 for LoRA there"),
        *DATA_SETTINGS,
        Setting("--lora_rank", "32", "upstream's lora/FLUX.2-klein-base-9B.sh"),
        Setting("--lora_target_modules", "as upstream", "upstream's lora/ scripts, by VERSION"),
        Setting(
            "--config_file",
            "full/accelerate_config.yaml (ZeRO 2)",
            "upstream's full/FLUX.2-klein-base-9B.sh; with 4B it starts without",
        ),
        Setting(
            "--save_steps",
            "5000",
            "ours: upstream saves once per epoch, which takes days here; a checkpoint of a full "
            "training has 8 GB with 4B and 18 GB with 9B, and all are kept",
        ),
        BATCH,
    )
    steps = (
        INSTALL,
        (
            (
                "The first start downloads the model from ModelScope, or from the Hub with "
                "`DIFFSYNTH_DOWNLOAD_SOURCE=huggingface`. 9B and dev are gated there: accept the "
                "license on the page of each repository below, and log in. For nodes without "
                "internet, download the same files first, here those of klein-base-4b:"
            ),
            (
                "hf auth login   # for 9B and dev\n"
                'models="$DIFFSYNTH/models/black-forest-labs"\n'
                "hf download black-forest-labs/FLUX.2-klein-base-4B --include 'transformer/*' \\\n"
                '    --local-dir "$models/FLUX.2-klein-base-4B"\n'
                "for part in text_encoder vae tokenizer; do\n"
                '    hf download black-forest-labs/FLUX.2-klein-4B --include "$part/*" \\\n'
                '        --local-dir "$models/FLUX.2-klein-4B"\n'
                "done\n"
                "export DIFFSYNTH_SKIP_DOWNLOAD=True"
            ),
        ),
        (
            (
                "Start the training on `GPUS` GPUs. `TRAIN` is `full` or `lora`, `VERSION` is the "
                "model (klein-base-4b, klein-base-9b, klein-4b, klein-9b, or dev, LoRA only), "
                "and `ACCUMULATION` is the number of rows per GPU and optimizer step. "
                f"{OUTPUT_HELP} With dev, the text and images of all rows are encoded first, in "
                "`CACHE`, because its text encoder and model do not fit a GPU together."
            ),
            "TRAIN=full VERSION=klein-base-9b GPUS=8 bash {root}/train.sh",
        ),
    )

    def tables(self, exported: Exported) -> Sequence[str]:
        """Return the repositories of each version."""
        return (_REPOSITORIES.format(gigabytes=exported.rows * _DEV_TEXT_BYTES / 1e9),)

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The launch script."""
        return {LAUNCH: _LAUNCH.replace("@token@", exported.token)}


_DEV_TEXT_BYTES = 512 * 15360 * 2
"""Of a row's text embedding, bfloat16: every text is padded to 512 tokens."""

_REPOSITORIES = """\
| `VERSION` | transformer | text encoder, VAE, tokenizer | gated |
|---|---|---|---|
| klein-base-4b | FLUX.2-klein-base-4B | FLUX.2-klein-4B | no |
| klein-4b | FLUX.2-klein-4B | the same | no |
| klein-base-9b | FLUX.2-klein-base-9B | FLUX.2-klein-9B | both |
| klein-9b | FLUX.2-klein-9B | the same | yes |
| dev | FLUX.2-dev | the same | yes |

All are repositories of black-forest-labs. The base models are those to train; the others are
distilled to few steps (musubi-tuner's docs/flux_2.md). With dev, the encoded texts alone need
{gigabytes:,.1f} GB in `CACHE`."""

_LAUNCH = """\
#!/usr/bin/env bash
# Trains FLUX.2 on this export with DiffSynth-Studio. DIFFSYNTH: a clone. TRAIN: full or lora.
# VERSION: the model, klein-base-4b, klein-base-9b, klein-4b, klein-9b or dev (lora only). GPUS: the
# number of GPUs. ACCUMULATION: rows per GPU and optimizer step. OUTPUT: the folder for the weights;
# the newest in it are resumed from. CACHE: with dev, the folder for encoded rows.
set -euo pipefail
: "${DIFFSYNTH:?set DIFFSYNTH to a clone of modelscope/DiffSynth-Studio}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VERSION=${VERSION:-klein-base-4b}
TRAIN=${TRAIN:-full}
GPUS=${GPUS:-8}
ACCUMULATION=${ACCUMULATION:-1}
OUTPUT=${OUTPUT:-models/train/mico-150k-@token@-$VERSION-$TRAIN}
# The trainer reads its records in the locale's encoding; they are UTF-8.
export PYTHONUTF8=1
flux=black-forest-labs/FLUX.2
case "$VERSION" in
klein-base-4b) transformer=$flux-klein-base-4B rest=$flux-klein-4B blocks=20 ;;
klein-base-9b) transformer=$flux-klein-base-9B rest=$flux-klein-9B blocks=24 ;;
klein-4b) transformer=$flux-klein-4B rest=$flux-klein-4B blocks=20 ;;
klein-9b) transformer=$flux-klein-9B rest=$flux-klein-9B blocks=24 ;;
dev) transformer=$flux-dev rest=$flux-dev blocks=48 ;;
*) echo "VERSION is klein-base-4b, klein-base-9b, klein-4b, klein-9b or dev" >&2; exit 2 ;;
esac
transformer+=":transformer/*.safetensors"
encoders="$rest:text_encoder/*.safetensors,$rest:vae/diffusion_pytorch_model.safetensors"
examples=examples/flux2/model_training
launch=(--num_processes="$GPUS")
case "$TRAIN" in
full)
    if [ "$VERSION" = dev ]; then echo "TRAIN is lora with dev" >&2; exit 2; fi
    launch+=(--config_file "$examples/full/accelerate_config.yaml")
    # The config's own number overrides the trainer's option, but not this one.
    launch+=(--gradient_accumulation_steps "$ACCUMULATION")
    train=(--learning_rate 1e-5 --trainable_models dit)
    ;;
lora)
    if [ "$GPUS" -gt 1 ]; then launch+=(--multi_gpu); fi
    modules=to_q,to_k,to_v,to_out.0,add_q_proj,add_k_proj,add_v_proj,to_add_out
    modules+=,linear_in,linear_out,to_qkv_mlp_proj
    for ((block = 0; block < blocks; block++)); do
        modules+=",single_transformer_blocks.$block.attn.to_out"
    done
    train=(
        --learning_rate 1e-4
        --lora_base_model dit
        --lora_target_modules "$modules"
        --lora_rank 32
    )
    ;;
*) echo "TRAIN is full or lora" >&2; exit 2 ;;
esac
data=(
    --dataset_base_path "$MICO_150K_DATA"
    --dataset_metadata_path "$MICO_150K_DATA/diffsynth-mico.jsonl"
    --data_file_keys image,edit_image
    --extra_inputs edit_image
)
common=(
    --tokenizer_path "$rest:tokenizer/"
    --max_pixels 1048576
    --dataset_repeat 1
    --dataset_num_workers 8
    --remove_prefix_in_ckpt pipe.dit.
    --use_gradient_checkpointing
)
@resume@models=$encoders,$transformer
if [ "$VERSION" = dev ]; then
    # Files are named by GPU and row: with another number of GPUs, some rows would be there twice.
    CACHE=${CACHE:-models/cache/mico-150k-@token@-dev}/$GPUS
    if [ ! -e "$CACHE/complete" ]; then
        accelerate launch "${launch[@]}" "$examples/train.py" \\
            "${data[@]}" "${common[@]}" "${train[@]}" \\
            --model_id_with_origin_paths "$encoders" \\
            --output_path "$CACHE" \\
            --task sft:data_process
        touch "$CACHE/complete"
    fi
    data=(--dataset_base_path "$CACHE" --task sft:train)
    models=$transformer
fi
accelerate launch "${launch[@]}" "$examples/train.py" \\
    "${data[@]}" \\
    "${common[@]}" \\
    --model_id_with_origin_paths "$models" \\
    --num_epochs 2 \\
    --gradient_accumulation_steps "$ACCUMULATION" \\
    --save_steps 5000 \\
    --output_path "$OUTPUT" \\
    "${train[@]}" \\
    "$@"
""".replace("@resume@", RESUME)
