"""DiffSynth-Studio (modelscope/DiffSynth-Studio): Qwen-Image-Edit, by JSON lines of image paths."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mico_150k.builders.qwen_image_edit import MANY_INPUTS, MARKER

from mico_150k.core.trainer import LAUNCH, Exported, Limit, PathTrainer, Setting

INSTALL = (
    "Install the trainer in an environment of its own. It reads these files without changes.",
    (
        'export DIFFSYNTH="$PWD/DiffSynth-Studio"\n'
        'git clone https://github.com/modelscope/DiffSynth-Studio "$DIFFSYNTH"\n'
        'pip install -e "$DIFFSYNTH" deepspeed'
    ),
)
DATA_SETTINGS = (
    Setting("--dataset_repeat", "1", "upstream's 50 is for its example with a few images"),
    Setting("--max_pixels", "1048576", "upstream's scripts; larger images are scaled down"),
)
OUTPUT_HELP = (
    "`OUTPUT` is the folder for the weights; a relative path is relative to the clone, and the "
    "default is one of this export, version and kind of training. If it holds weights, the "
    "training resumes from the newest; rows, optimizer and step numbers start again."
)
BATCH = Setting("batch", "GPUS × ACCUMULATION (1 by default)", "runner.py: a row per GPU and step")


class DiffSynthTrainer(PathTrainer):
    """Trains on `examples/qwen_image/model_training/train.py`, as it is."""

    name = "diffsynth"
    title = "Qwen-Image-Edit by DiffSynth-Studio"
    url = "https://github.com/modelscope/DiffSynth-Studio"
    records = "diffsynth-mico.jsonl"
    limits: Sequence[Limit] = (MARKER,)
    remarks = (MANY_INPUTS,)
    settings: ClassVar[Sequence[Setting]] = (
        Setting("--learning_rate", "1e-5; 1e-4 for LoRA", "upstream's full/ and lora/ scripts"),
        Setting("--num_epochs", "2", "upstream's full/Qwen-Image-Edit-2511.sh"),
        *DATA_SETTINGS,
        Setting("--lora_rank", "32", "upstream's lora/Qwen-Image-Edit-2511.sh"),
        Setting(
            "--save_steps",
            "5000",
            "ours: upstream saves once per epoch, which takes days here; each checkpoint has 40 "
            "GB, and all are kept",
        ),
        BATCH,
    )
    steps = (
        INSTALL,
        (
            (
                "The first start downloads the model from ModelScope, or from the Hub with "
                "`DIFFSYNTH_DOWNLOAD_SOURCE=huggingface`. For nodes without internet, download "
                "the same files first (2509: its own transformer):"
            ),
            (
                'models="$DIFFSYNTH/models/Qwen"\n'
                "hf download Qwen/Qwen-Image-Edit-2511 --include 'transformer/*' \\\n"
                '    --local-dir "$models/Qwen-Image-Edit-2511"\n'
                "for part in text_encoder vae tokenizer; do\n"
                '    hf download Qwen/Qwen-Image --include "$part/*" --local-dir '
                '"$models/Qwen-Image"\n'
                "done\n"
                "hf download Qwen/Qwen-Image-Edit --include 'processor/*' \\\n"
                '    --local-dir "$models/Qwen-Image-Edit"\n'
                "export DIFFSYNTH_SKIP_DOWNLOAD=True"
            ),
        ),
        (
            (
                "Start the training on `GPUS` GPUs. `TRAIN` is `full` or `lora`, `VERSION` is "
                "2511 or 2509, and `ACCUMULATION` is the number of rows per GPU and optimizer "
                f"step. {OUTPUT_HELP}"
            ),
            "TRAIN=full VERSION=2511 GPUS=8 bash {root}/train.sh",
        ),
    )

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """Return the record; `edit_image` is always a list, as the models from 2509 on need it."""
        return {"image": output, "edit_image": inputs, "prompt": instruction}

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The launch script."""
        return {LAUNCH: _LAUNCH.replace("@token@", exported.token)}


RESUME = """\
cd "$DIFFSYNTH"
newest=$(ls -t "$OUTPUT"/*.safetensors 2>/dev/null | sed -n 1p) || true
if [ -n "$newest" ]; then
    echo "resuming from $newest: its weights; rows, optimizer and step numbers start again" >&2
    case "$TRAIN" in
    full) train+=(--resume_from_checkpoint "$newest") ;;
    lora) train+=(--lora_checkpoint "$newest") ;;
    esac
fi
"""
"""Of a launch script that has set `OUTPUT`, `TRAIN` and `train`. The trainer resumes by itself from
nothing, and would write over the weights that are there."""

_LAUNCH = """\
#!/usr/bin/env bash
# Trains Qwen-Image-Edit on this export with DiffSynth-Studio. DIFFSYNTH: a clone. TRAIN: full or
# lora. VERSION: the model's, 2511 or 2509. GPUS: the number of GPUs. ACCUMULATION: rows per GPU
# and optimizer step. OUTPUT: the folder for the weights; the newest in it are resumed from.
set -euo pipefail
: "${DIFFSYNTH:?set DIFFSYNTH to a clone of modelscope/DiffSynth-Studio}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VERSION=${VERSION:-2511}
TRAIN=${TRAIN:-full}
GPUS=${GPUS:-8}
ACCUMULATION=${ACCUMULATION:-1}
OUTPUT=${OUTPUT:-models/train/mico-150k-@token@-$VERSION-$TRAIN}
# The trainer reads its records in the locale's encoding; they are UTF-8.
export PYTHONUTF8=1
qwen=Qwen/Qwen-Image
models="$qwen-Edit-$VERSION:transformer/diffusion_pytorch_model*.safetensors"
models+=",$qwen:text_encoder/model*.safetensors,$qwen:vae/diffusion_pytorch_model.safetensors"
attention=to_q,to_k,to_v,add_q_proj,add_k_proj,add_v_proj,to_out.0,to_add_out
examples=examples/qwen_image/model_training
launch=(--num_processes="$GPUS")
case "$TRAIN" in
full)
    launch+=(--config_file "$examples/full/accelerate_config_zero2offload.yaml")
    # The config's own number overrides the trainer's option, but not this one.
    launch+=(--gradient_accumulation_steps "$ACCUMULATION")
    train=(--learning_rate 1e-5 --trainable_models dit)
    ;;
lora)
    if [ "$GPUS" -gt 1 ]; then launch+=(--multi_gpu); fi
    train=(
        --learning_rate 1e-4
        --lora_base_model dit
        --lora_target_modules "$attention,img_mlp.net.2,img_mod.1,txt_mlp.net.2,txt_mod.1"
        --lora_rank 32
    )
    ;;
*) echo "TRAIN is full or lora" >&2; exit 2 ;;
esac
case "$VERSION" in
2511) train+=(--zero_cond_t) ;;
2509) ;;
*) echo "VERSION is 2511 or 2509" >&2; exit 2 ;;
esac
@resume@accelerate launch "${launch[@]}" "$examples/train.py" \\
    --dataset_base_path "$MICO_150K_DATA" \\
    --dataset_metadata_path "$MICO_150K_DATA/diffsynth-mico.jsonl" \\
    --data_file_keys image,edit_image \\
    --extra_inputs edit_image \\
    --max_pixels 1048576 \\
    --dataset_repeat 1 \\
    --dataset_num_workers 8 \\
    --model_id_with_origin_paths "$models" \\
    --num_epochs 2 \\
    --gradient_accumulation_steps "$ACCUMULATION" \\
    --save_steps 5000 \\
    --remove_prefix_in_ckpt pipe.dit. \\
    --output_path "$OUTPUT" \\
    --use_gradient_checkpointing \\
    --find_unused_parameters \\
    "${train[@]}" \\
    "$@"
""".replace("@resume@", RESUME)
