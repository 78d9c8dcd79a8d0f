"""musubi-tuner (kohya-ss/musubi-tuner): Qwen-Image-Edit, by JSON lines and a dataset config."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from mico_150k.builders.musubi_scripts import (
    CACHE,
    CONFIG,
    ENCODE,
    INSTALL,
    SAVES,
    START,
    cache_folder,
    cache_script,
    config,
    launch_script,
)
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


def cuts_target(row: Candidate) -> bool:
    """Whether no bucket is as long as the target, so that its ends are cropped."""
    return row.output[0] * row.output[1] > SIDE**2 and _aspect(row.output) > WIDEST_TARGET


CUT_TARGET = Limit(
    "cut-target",
    f"a large target more than {WIDEST_TARGET} times as long as wide: its ends are cropped",
    "dataset/bucket.py: buckets from 512 × 2048 to 2048 × 512",
    cuts_target,
)


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
    remarks = (MANY_INPUTS, CUT_TARGET)
    settings: ClassVar[Sequence[Setting]] = (
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
        *SAVES,
    )  # fmt: skip
    steps = (
        INSTALL,
        (
            (
                "Download three files of the model in bf16 (with 2509, "
                "`qwen_image_edit_2509_bf16.safetensors`), the tokenizer and the processor:"
            ),
            (
                "hf download Comfy-Org/Qwen-Image-Edit_ComfyUI --local-dir models \\\n"
                "    split_files/diffusion_models/qwen_image_edit_2511_bf16.safetensors\n"
                "hf download Comfy-Org/Qwen-Image_ComfyUI --local-dir models \\\n"
                "    split_files/vae/qwen_image_vae.safetensors \\\n"
                "    split_files/text_encoders/qwen_2.5_vl_7b.safetensors\n"
                "hf download Qwen/Qwen-Image --include 'tokenizer/*'\n"
                "hf download Qwen/Qwen-Image-Edit --include 'processor/*'\n"
                'export VERSION=2511 models="$PWD/models/split_files"\n'
                'export DIT="$models/diffusion_models/qwen_image_edit_2511_bf16.safetensors"\n'
                'export VAE="$models/vae/qwen_image_vae.safetensors"\n'
                'export TEXT_ENCODER="$models/text_encoders/qwen_2.5_vl_7b.safetensors"'
            ),
        ),
        ENCODE,
        START,
    )
    _model: ClassVar[Mapping[str, str]] = {
        "@model@": "Qwen-Image-Edit",
        "@encoder@": "Qwen2.5-VL",
        "@default@": "2511",
        "@versions@": "2511 | 2509",
        "@wrong@": "VERSION is 2511 or 2509",
        "@scripts@": "qwen_image",
        "@version@": "edit-$VERSION",
        "@timesteps@": "--timestep_sampling shift --discrete_flow_shift 2.2",
        "@rate@": "5e-5",
        "@network@": "lora_qwen_image",
        "@dim@": "16",
    }
    """What differs in the scripts."""

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
                f"The caches need about {gigabytes:,.1f} GB in `{cache_folder(exported)}` here, "
                "which may be a link to a larger disk. Each export has its own caches."
            ),
        )

    def files(self, exported: Exported) -> Mapping[str, str]:
        """The dataset config, and the scripts that cache and train."""
        words = {**self._model, "@token@": exported.token}
        return {CONFIG: config(exported), CACHE: cache_script(words), LAUNCH: launch_script(words)}
