"""What musubi-tuner's trainers share: the dataset config, and the scripts that cache and train."""

import json
from collections.abc import Mapping
from pathlib import Path

from mico_150k.core.trainer import Exported, Setting

CACHE = "cache.sh"
CONFIG = "musubi-mico.toml"

INSTALL = (
    "Install the trainer in an environment of its own (Python 3.10 to 3.12).",
    (
        'export MUSUBI="$PWD/musubi-tuner"\n'
        'git clone https://github.com/kohya-ss/musubi-tuner "$MUSUBI"\n'
        'pip install torch torchvision && pip install -e "$MUSUBI"'
    ),
)
ENCODE = (
    "Encode all images and texts once, on a GPU. After an interruption, re-run it to resume:",
    "bash {root}/cache.sh",
)
START = (
    (
        "Start the training on `GPUS` GPUs. `OUTPUT` is the folder for the LoRA; a relative path "
        "is relative to the current folder, and the default is one of this export and version. If "
        "it holds a state, the training resumes from the newest; rows and step numbers start again."
    ),
    "GPUS=1 bash {root}/train.sh",
)
SAVES = (
    Setting("--max_train_epochs", "1", "ours: upstream's 16 is for some dozens of images"),
    Setting("--save_every_n_steps", "1000", "ours: an epoch takes days"),
    Setting("--save_state", "set", "ours: without it, an interrupted training starts again"),
)


def cache_folder(exported: Exported) -> str:
    """Name the folder of the caches after the rows: a cache does not say what it is of."""
    return f"cache-{exported.token}"


def config(exported: Exported) -> str:
    """Return the dataset config, with a cache folder for each file of records."""
    datasets = (
        _DATASET.format(
            # JSON's strings are TOML's, whatever is in the path.
            records=json.dumps(f"{exported.root}/{name}", ensure_ascii=False),
            cache=json.dumps(
                f"{exported.root}/{cache_folder(exported)}/{Path(name).stem}", ensure_ascii=False
            ),
        )
        for name in sorted(exported.record_files)
    )
    return "\n".join([_CONFIG, *datasets])


def cache_script(words: Mapping[str, str]) -> str:
    """Return the script that encodes; `words` are what differs between the models."""
    return _filled(_CACHE, words)


def launch_script(words: Mapping[str, str]) -> str:
    """Return the script that trains; `words` are what differs between the models."""
    return _filled(_LAUNCH, words)


def _filled(script: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        script = script.replace(name, word)
    return script


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
: "${TEXT_ENCODER:?set TEXT_ENCODER to the file of @encoder@}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case "${VERSION:=@default@}" in
@versions@) ;;
*) echo "@wrong@" >&2; exit 2 ;;
esac
scripts=$MUSUBI/src/musubi_tuner
config=$MICO_150K_DATA/musubi-mico.toml
"""

_CACHE = f"""\
#!/usr/bin/env bash
# Encodes all images and texts of this export for musubi-tuner. MUSUBI: a clone. DIT, VAE and
# TEXT_ENCODER: files of the model. VERSION: its version, @versions@.
{_HEAD}\
# The newest file may be incomplete after an interruption: it is removed and written again.
for folder in "$MICO_150K_DATA"/cache-*/*/; do
    [ -d "$folder" ] || continue
    newest=$(ls -t "$folder" | sed -n 1p)
    if [ -n "$newest" ]; then rm "$folder/$newest"; fi
done
python "$scripts/@scripts@_cache_latents.py" \\
    --dataset_config "$config" \\
    --vae "$VAE" \\
    --model_version "@version@" \\
    --skip_existing
python "$scripts/@scripts@_cache_text_encoder_outputs.py" \\
    --dataset_config "$config" \\
    --text_encoder "$TEXT_ENCODER" \\
    --batch_size 1 \\
    --model_version "@version@" \\
    --skip_existing
"""

_LAUNCH = f"""\
#!/usr/bin/env bash
# Trains a LoRA of @model@ on this export with musubi-tuner, after cache.sh. MUSUBI: a clone. DIT,
# VAE and TEXT_ENCODER: files of the model. VERSION: its version, @versions@. GPUS: the number of
# GPUs. OUTPUT: the folder for the LoRA; the newest state in it is resumed from.
{_HEAD}\
GPUS=${{GPUS:-1}}
OUTPUT=${{OUTPUT:-output/mico-150k-@token@-$VERSION}}
launch=(--num_processes="$GPUS" --num_cpu_threads_per_process=1 --mixed_precision=bf16)
if [ "$GPUS" -gt 1 ]; then launch+=(--multi_gpu); fi
state=(--save_state --save_last_n_steps_state 1000)
# A state's random numbers are written last: without them, it is incomplete.
newest=$(ls -t "$OUTPUT"/mico-150k*-state/random_states_0.pkl 2>/dev/null | sed -n 1p) || true
if [ -n "$newest" ]; then
    echo "resuming from ${{newest%/*}}: rows and step numbers start again" >&2
    state+=(--resume "${{newest%/*}}")
fi
accelerate launch "${{launch[@]}}" "$scripts/@scripts@_train_network.py" \\
    --dit "$DIT" \\
    --vae "$VAE" \\
    --text_encoder "$TEXT_ENCODER" \\
    --model_version "@version@" \\
    --dataset_config "$config" \\
    --sdpa \\
    --mixed_precision bf16 \\
    @timesteps@ \\
    --weighting_scheme none \\
    --optimizer_type adamw8bit \\
    --learning_rate @rate@ \\
    --gradient_checkpointing \\
    --max_data_loader_n_workers 2 \\
    --persistent_data_loader_workers \\
    --network_module networks.@network@ \\
    --network_dim @dim@ \\
    --max_train_epochs 1 \\
    --save_every_n_steps 1000 \\
    --seed 42 \\
    --output_dir "$OUTPUT" \\
    --output_name mico-150k \\
    "${{state[@]}}" \\
    "$@"
"""
