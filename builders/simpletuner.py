"""SimpleTuner (bghira/SimpleTuner): a LoRA of FLUX.2 or Qwen-Image-Edit, by folders of images."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mico_150k.builders.hub_download import MISTRAL, HubDownload, download_step
from mico_150k.builders.qwen_image_edit import MARKER

from mico_150k.core.trainer import (
    LAUNCH,
    Exported,
    FolderTrainer,
    Option,
    RowFolders,
    Setting,
)

DATA = "simpletuner-mico.json"
_KLEIN_9B = HubDownload("black-forest-labs/FLUX.2-klein-base-9B", is_gated=True)
_KLEIN_4B = HubDownload("black-forest-labs/FLUX.2-klein-base-4B")
_DEV = HubDownload("black-forest-labs/FLUX.2-dev", is_gated=True)
_MODELS = {
    "flux2-klein-9b": ("flux2", "klein-9b", (_KLEIN_9B,)),
    "flux2-klein-4b": ("flux2", "klein-4b", (_KLEIN_4B,)),
    "flux2-dev": ("flux2", "dev", (_DEV, MISTRAL)),
    "qwen-edit-2509": ("qwen_image", "edit-v2", (HubDownload("Qwen/Qwen-Image-Edit-2509"),)),
    "qwen-edit-2511": ("qwen_image", "edit-v3", (HubDownload("Qwen/Qwen-Image-Edit-2511"),)),
}
"""The trainer's family and flavor of each, and its downloads.

They are what models/flux2/model.py (51, 150-154, 420-430, 472-503, 541-558) and
models/qwen_image/model.py (83-106) open; klein's text encoder is in its own repository.
"""
_SIZE = {"resolution": 1024, "resolution_type": "pixel_area", "crop": False}


_INSTALL = (
    (
        "Install the trainer in an environment of its own, with Python 3.12 or 3.13. It reads "
        "these files without changes."
    ),
    (
        'export SIMPLETUNER="$PWD/SimpleTuner"\n'
        'git clone https://github.com/bghira/SimpleTuner "$SIMPLETUNER"\n'
        'pip install -e "$SIMPLETUNER[cuda]"'
    ),
)
_START = (
    (
        "Start the training on `GPUS` GPUs. It encodes all images and texts first, into `cache-…` "
        "here, which may be a link to a larger disk. `OUTPUT` is the folder for the LoRA, by "
        "default `output/mico-150k-…` in the clone; `STEPS` is the number of steps, by default one "
        "for each row. Re-run the command to resume."
    ),
    "GPUS=1 bash {root}/train.sh",
)


class SimpleTunerTrainer(FolderTrainer):
    """Trains a LoRA with `simpletuner/train.py`, which reads these folders as they are."""

    name = "simpletuner"
    title = "SimpleTuner"
    url = "https://github.com/bghira/SimpleTuner"
    one_ending = True
    max_inputs = 3
    max_inputs_source = "documentation/quickstart/QWEN_EDIT.md 6, 152: one to three"
    limits = (MARKER,)
    options = (
        Option("model", str, "flux2-klein-9b", "The model to train.", choices=tuple(_MODELS)),
    )
    steps: Sequence[tuple[str, str]] = (_INSTALL, _START)
    settings = (
        Setting("--learning_rate, --optimizer, --lora_rank", "1e-4, adamw_bf16, 16",
                "upstream's examples/flux2.peft-lora/config.json"),
        Setting("--conditioning_multidataset_sampling", "combined",
                "ours: upstream's default, `random`, uses one input of a row"),
        Setting("--train_batch_size", "1", "ours: sizes of inputs differ"),
        Setting("--caption_dropout_probability", "0.0", "upstream's QWEN_EDIT.md"),
        Setting("--disable_bucket_pruning", "set", "ours: rows of rare shapes are trained on, too"),
        Setting("--checkpoint_step_interval", "1000", "ours: an epoch takes days"),
        Setting("conditioning_type", "reference_loose",
                "ours: reference_strict would crop inputs as the target is cropped"),
        Setting("disable_multiline_split", "true",
                "ours: without it, one line of a text is chosen at random"),
    )  # fmt: skip

    def __init__(self, **options: object) -> None:
        """A trainer for one of the models. Raises `UsageError`."""
        super().__init__(**options)
        _, _, downloads = _MODELS[str(self.chosen["model"])]
        self.steps = (_INSTALL, download_step(downloads), _START)

    def files(self, exported: Exported) -> Mapping[str, str]:
        """Return the datasets, one for each number of inputs and place, and the launch script."""
        family, flavor, _ = _MODELS[str(exported.options["model"])]
        cache = f"{exported.root}/cache-{exported.token}"
        datasets = [
            *(each for folders in self.folders(exported) for each in _datasets(folders, cache)),
            {"id": "text", "type": "local", "dataset_type": "text_embeds", "default": True,
             "cache_dir": f"{cache}/text"},
        ]  # fmt: skip
        launch = _LAUNCH
        for mark, value in (
            ("@token@", exported.token),
            ("@family@", family),
            ("@flavor@", flavor),
            ("@steps@", str(exported.rows)),
        ):
            launch = launch.replace(mark, value)
        return {
            DATA: json.dumps(datasets, indent=2, ensure_ascii=False) + "\n",
            LAUNCH: launch,
        }


def _datasets(folders: RowFolders, cache: str) -> list[dict[str, Any]]:
    """A dataset of targets and one for each place of an input, in order."""
    name = f"mico-{len(folders.inputs)}"
    ids = [f"{name}-input-{number}" for number in range(1, len(folders.inputs) + 1)]
    common = {"type": "local", "metadata_backend": "discovery", **_SIZE}
    target = {
        "id": name,
        **common,
        "instance_data_dir": folders.target,
        "caption_strategy": "textfile",
        "disable_multiline_split": True,
        "conditioning_data": ids,
        "cache_dir_vae": f"{cache}/{name}",
    }
    inputs = [
        {
            "id": id_,
            **common,
            "dataset_type": "conditioning",
            "conditioning_type": "reference_loose",
            "instance_data_dir": folder,
            "cache_dir_vae": f"{cache}/{id_}",
        }
        for id_, folder in zip(ids, folders.inputs, strict=True)
    ]
    return [target, *inputs]


_LAUNCH = """\
#!/usr/bin/env bash
# Trains a LoRA on this export with SimpleTuner. SIMPLETUNER: a clone. GPUS: the number of GPUs.
# STEPS: of the training. OUTPUT: the folder for the LoRA. Other arguments go to train.py.
set -euo pipefail
: "${SIMPLETUNER:?set SIMPLETUNER to a clone of bghira/SimpleTuner}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
GPUS=${GPUS:-1}
# Paths become absolute before the working folder changes to the clone.
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$SIMPLETUNER"
OUTPUT=${OUTPUT:-$PWD/output/mico-150k-@token@}
for checkpoint in "$OUTPUT"/checkpoint-*; do
    if [ -e "$checkpoint" ]; then echo "resuming from $OUTPUT"; break; fi
done
launch=(--num_processes="$GPUS" --mixed_precision=bf16)
if [ "$GPUS" -gt 1 ]; then launch+=(--multi_gpu); fi
export CONFIG_BACKEND=cmd TOKENIZERS_PARALLELISM=false
accelerate launch "${launch[@]}" simpletuner/train.py \\
    --model_type=lora \\
    --model_family=@family@ \\
    --model_flavour=@flavor@ \\
    --data_backend_config="$MICO_150K_DATA/simpletuner-mico.json" \\
    --conditioning_multidataset_sampling=combined \\
    --data_backend_sampling=auto-weighting \\
    --disable_bucket_pruning \\
    --caption_dropout_probability=0.0 \\
    --output_dir="$OUTPUT" \\
    --resume_from_checkpoint=latest \\
    --checkpoint_step_interval=1000 \\
    --checkpoints_total_limit=4 \\
    --num_train_epochs=0 \\
    --max_train_steps="${STEPS:-@steps@}" \\
    --train_batch_size=1 \\
    --learning_rate=1e-4 \\
    --lr_scheduler=constant \\
    --optimizer=adamw_bf16 \\
    --lora_rank=16 \\
    --gradient_checkpointing \\
    --validation_disable \\
    --report_to=none \\
    --seed=42 \\
    "$@"
"""
