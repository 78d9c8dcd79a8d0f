"""ai-toolkit (ostris/ai-toolkit): a LoRA of FLUX.2 or Qwen-Image-Edit, by folders and captions."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mico_150k.builders.hub_download import MISTRAL, HubDownload, download_step
from mico_150k.builders.qwen_image_edit import MANY_INPUTS, MARKER

from mico_150k.core.trainer import (
    LAUNCH,
    Candidate,
    Exported,
    FolderTrainer,
    Limit,
    Option,
    Setting,
    Size,
)

CONFIG = "ai-toolkit-mico.yaml"
LEAST_SIDE = 64
LONGEST = 8
"""The aspect beyond which FLUX.2's code refuses an input."""
TEXT_TOKENS = 512
"""Of FLUX.2, for a text with the words around it."""
BYTES_PER_TOKEN = 3
"""Of UTF-8: fewer than the tokenizers need on English, so that an estimate is a high one."""
WORDS_AROUND = 45
"""Tokens of FLUX.2-dev's system message and its marks; klein's template has fewer."""
THINNEST = 200
"""The aspect beyond which Qwen's processor refuses an input."""
_CONDITION = 384 // 32
"""Sides of an input for Qwen's language model if it is square, in steps of 32 pixels."""
_MISTRAL_MARK = re.compile(r"\[/?[A-Z]+(_[A-Z]+)*\]|</?s>")
_TRIGGER = re.compile(r"\[(name|trigger)\]")
_CHANGED = re.compile(r",(?! )|\r")


def _is_small(size: Size) -> bool:
    return min(size) < LEAST_SIDE or max(size) > LONGEST * min(size)


def _is_thin(size: Size) -> bool:
    """Whether an input is refused at the size that the trainer gives it."""
    aspect = math.sqrt(max(size) / min(size))
    short, long = round(_CONDITION / aspect), round(_CONDITION * aspect)
    return short == 0 or long > THINNEST * short


def _text_tokens(row: Candidate) -> float:
    return WORDS_AROUND + len(row.instruction.encode()) / BYTES_PER_TOKEN


_TRIGGERS = Limit(
    "trigger",
    "`[name]` or `[trigger]` in the instruction: the trainer removes it",
    "toolkit/prompt_utils.py 715–734",
    lambda row: _TRIGGER.search(row.instruction) is not None,
)
_SMALL = Limit(
    "small-input",
    f"an input with a side under {LEAST_SIDE} pixels, or over {LONGEST} times as long as wide",
    "extensions_built_in/diffusion_models/flux2/src/sampling.py 231–252: a ValueError ends the "
    "training",
    lambda row: any(map(_is_small, row.inputs)),
)
_THIN = Limit(
    "thin-input",
    f"an input about {THINNEST} times as long as wide, or more",
    "qwen_image_edit_plus.py 198–211 and transformers' Qwen2VL smart_resize: a ValueError ends "
    "the training",
    lambda row: any(map(_is_thin, row.inputs)),
)
_MISTRAL_MARKER = Limit(
    "marker",
    "a control word of Mistral's, such as `[IMG]`, in the instruction",
    "flux2/src/pipeline.py 77–80 removes `[IMG]`; the tokenizer takes others for its own",
    lambda row: _MISTRAL_MARK.search(row.instruction) is not None,
)
_KLEIN_MARKER = Limit(
    MARKER.name,
    MARKER.why,
    "flux2/src/pipeline.py 166–175: the tokenizer takes it for its own",
    MARKER.applies,
)
_LONG_TEXT = Limit(
    "long-text",
    f"an instruction that may exceed {TEXT_TOKENS} tokens (an estimate): its end is cut off",
    "flux2/src/pipeline.py 40, 112–121, 166–179",
    lambda row: _text_tokens(row) > TEXT_TOKENS,
)
_COMMAS = Limit(
    "changed-text",
    "a comma without a space after it, or a carriage return: the trainer adds the space, or makes "
    "it a new line",
    "toolkit/dataloader_mixins.py 351, 411–435",
    lambda row: _CHANGED.search(row.instruction) is not None,
)


def _many(most: int) -> Limit:
    return Limit(
        MANY_INPUTS.name,
        f"more than {most} inputs: they can be trained on, but Black Forest Labs recommends at "
        f"most {most} for this model, and each has up to 4,096 tokens; `--max-inputs {most}` "
        "skips them",
        "docs.bfl.ai/guides/prompting_editing_overview",
        lambda row: len(row.inputs) > most,
    )


@dataclass(frozen=True, slots=True)
class _Model:
    """What the trainer loads for a model, and what it makes of rows.

    The first download is the model.
    """

    downloads: tuple[HubDownload, ...]
    limits: tuple[Limit, ...]
    remarks: tuple[Limit, ...]


_VAE = HubDownload("ai-toolkit/flux2_vae", ("ae.safetensors",))
_MODELS = {
    "flux2_klein_9b": _Model(
        (
            HubDownload(
                "black-forest-labs/FLUX.2-klein-base-9B",
                ("flux-2-klein-base-9b.safetensors",),
                is_gated=True,
            ),
            HubDownload("Qwen/Qwen3-8B"),
            _VAE,
        ),
        (_SMALL, _KLEIN_MARKER),
        (_many(4), _LONG_TEXT),
    ),
    "flux2_klein_4b": _Model(
        (
            HubDownload(
                "black-forest-labs/FLUX.2-klein-base-4B", ("flux-2-klein-base-4b.safetensors",)
            ),
            HubDownload("Qwen/Qwen3-4B"),
            _VAE,
        ),
        (_SMALL, _KLEIN_MARKER),
        (_many(4), _LONG_TEXT),
    ),
    "flux2": _Model(
        (
            HubDownload(
                "black-forest-labs/FLUX.2-dev",
                ("flux2-dev.safetensors", "ae.safetensors"),
                is_gated=True,
            ),
            MISTRAL,
        ),
        (_SMALL, _MISTRAL_MARKER),
        (_many(6), _LONG_TEXT),
    ),
    "qwen_image_edit_plus": _Model(
        (HubDownload("Qwen/Qwen-Image-Edit-2511"),),
        (_THIN, MARKER),
        (MANY_INPUTS,),
    ),
}
"""By the trainer's `arch`."""


_INSTALL = (
    (
        "Install the trainer in an environment of its own, with PyTorch for your GPU first; its "
        "README has the versions. It reads these files without changes."
    ),
    (
        'export AI_TOOLKIT="$PWD/ai-toolkit"\n'
        'git clone https://github.com/ostris/ai-toolkit "$AI_TOOLKIT"\n'
        'pip install -r "$AI_TOOLKIT/requirements.txt"'
    ),
)
_START = (
    (
        "Start the training on one GPU. `OUTPUT` is the folder for the LoRA, by default "
        "`output/mico-150k-…` in the clone, and `STEPS` the number of rows to train on, by default "
        "all once. `MODEL` is another repository or a folder of the same kind of model. "
        "`ai-toolkit-mico.yaml` has all other settings. Re-run the command to resume."
    ),
    "bash {root}/train.sh",
)


class AiToolkitTrainer(FolderTrainer):
    """Trains a LoRA with `run.py`, which reads these folders as they are."""

    name = "ai-toolkit"
    title = "ai-toolkit"
    url = "https://github.com/ostris/ai-toolkit"
    options = (
        Option(
            "model",
            str,
            "flux2_klein_9b",
            "The model to train, by the trainer's name for it (`arch`).",
            choices=tuple(_MODELS),
        ),
    )
    steps: Sequence[tuple[str, str]] = (_INSTALL, _START)
    settings = (
        Setting(
            "lr", "1e-4", "upstream's config/examples/train_lora_qwen_image_edit_2509_32gb.yaml"
        ),
        Setting("network", "LoRA, rank and alpha 16", "the same file"),
        Setting("optimizer, timestep_type", "adamw8bit, weighted", "the same file"),
        Setting("caption_dropout_rate", "0.05", "the same file"),
        Setting(
            "quantize, low_vram", "true; qfloat8",
            "upstream's defaults for these models (ui/src/app/jobs/new/options.tsx)",
        ),
        Setting("batch_size", "1", "upstream's; more fails where sizes of inputs differ"),
        Setting("resolution", "[1024]", "ours: upstream's 512 and 768 would read each row again"),
        Setting("steps", "STEPS, by default one for each row",
                "ours: upstream's 3000 is for some dozens of images"),
        Setting("save_every", "1000", "ours: upstream's 250 is for short trainings"),
        Setting(
            "cache_text_embeddings, cache_latents_to_disk", "false",
            "ours: a text takes some 10 MB, so about a terabyte for all of MICo-150K",
        ),
        Setting("disable_sampling", "true", "ours: samples need prompts and images of yours"),
    )  # fmt: skip

    def __init__(self, **options: object) -> None:
        """A trainer for one of the models. Raises `UsageError`."""
        super().__init__(**options)
        model = _MODELS[str(self.chosen["model"])]
        self.limits = (_TRIGGERS, *model.limits)
        self.remarks = (*model.remarks, _COMMAS)
        self.steps = (_INSTALL, download_step(model.downloads), _START)

    def misreads(self, place: str) -> str:
        """Return why not: it replaces words in its config before reading it."""
        replaced = "${" in place or "[name]" in place
        return "replaces `${…}` and `[name]` in paths" if replaced else ""

    def caption(self, instruction: str) -> str:
        """Return the text without spaces after commas: the trainer adds one after each."""
        return instruction.replace(", ", ",")

    def files(self, exported: Exported) -> Mapping[str, str]:
        """Return the config, with an entry for each number of inputs, and the launch script."""
        model = str(exported.options["model"])
        entries = "".join(
            _ENTRY.format(
                target=_quoted(folders.target),
                inputs="".join(f"            - {_quoted(folder)}\n" for folder in folders.inputs),
            )
            for folders in self.folders(exported)
        )
        launch = _LAUNCH
        for mark, value in (
            ("@token@", exported.token),
            ("@model@", _MODELS[model].downloads[0].repository),
            ("@steps@", str(exported.rows)),
        ):
            launch = launch.replace(mark, value)
        return {CONFIG: f"{_CONFIG}{entries}{_MODEL.format(arch=model)}", LAUNCH: launch}


def _quoted(path: str) -> str:
    """The path in YAML: JSON's strings are YAML's, whatever is in the path."""
    return json.dumps(path, ensure_ascii=False)


_CONFIG = """\
# For run.py of ai-toolkit. train.sh sets the variables. Rows with another number of inputs are in
# another entry: the trainer would take an input that is missing for one that never was.
job: extension
config:
  name: ${MICO_150K_NAME}
  process:
    - type: diffusion_trainer
      training_folder: ${MICO_150K_FOLDER}
      device: cuda
      network:
        type: lora
        linear: 16
        linear_alpha: 16
      save:
        dtype: bf16
        save_every: 1000
        max_step_saves_to_keep: 4
      datasets:
"""

_ENTRY = """\
        - folder_path: {target}
          control_path:
{inputs}\
          caption_ext: txt
          caption_dropout_rate: 0.05
          resolution: [1024]
"""

_MODEL = """\
      train:
        batch_size: 1
        steps: ${{STEPS}}
        gradient_accumulation: 1
        train_unet: true
        train_text_encoder: false
        gradient_checkpointing: true
        noise_scheduler: flowmatch
        timestep_type: weighted
        optimizer: adamw8bit
        lr: 1e-4
        dtype: bf16
        disable_sampling: true
      model:
        name_or_path: ${{MODEL}}
        arch: {arch}
        quantize: true
        qtype: qfloat8
        quantize_te: true
        qtype_te: qfloat8
        low_vram: true
"""

_LAUNCH = """\
#!/usr/bin/env bash
# Trains a LoRA on this export with ai-toolkit, on one GPU. AI_TOOLKIT: a clone. MODEL: a
# repository or folder of the exported kind of model. STEPS: how many rows. OUTPUT: the folder for
# the LoRA. Other arguments go to run.py.
set -euo pipefail
: "${AI_TOOLKIT:?set AI_TOOLKIT to a clone of ostris/ai-toolkit}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MODEL=${MODEL:-@model@} STEPS=${STEPS:-@steps@}
# Paths become absolute before the working folder changes to the clone.
if [ -e "$MODEL" ]; then MODEL=$(realpath "$MODEL"); fi
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$AI_TOOLKIT"
OUTPUT=${OUTPUT:-$PWD/output/mico-150k-@token@}
MICO_150K_FOLDER=$(dirname "$OUTPUT") MICO_150K_NAME=$(basename "$OUTPUT")
export MICO_150K_FOLDER MICO_150K_NAME
for checkpoint in "$OUTPUT/$MICO_150K_NAME"*.safetensors; do
    if [ -e "$checkpoint" ]; then echo "resuming from $OUTPUT"; break; fi
done
python run.py "$MICO_150K_DATA/ai-toolkit-mico.yaml" "$@"
"""
