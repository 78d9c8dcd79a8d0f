"""musubi-tuner (kohya-ss/musubi-tuner): FLUX.2, by JSON lines and a dataset config."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from mico_150k.builders.flux2 import MANY_INPUTS, MARKER, MAX_TEXT_TOKENS, long_text
from mico_150k.builders.musubi import CUT_TARGET, SIDE, MusubiTrainer
from mico_150k.builders.musubi_scripts import ENCODE, INSTALL, SAVES, START, cache_folder

from mico_150k.core.trainer import Candidate, Exported, Limit, Setting

TALLEST_INPUT = 455
"""Beyond, the nearest size of `SIDE` squared is under 48 pixels wide, and one of 0 is tried."""
WIDEST_INPUT = 4000
"""From some 4,092 on, a size of less than 16 pixels in height is tried."""
LATENT_BYTES_PER_PIXEL = 2
"""128 channels of float32 for each 16 × 16 pixels."""
TEXT_WIDTHS = {"4b": 7680, "9b": 12288, "dev": 15360}
"""Three layers of Qwen3 4B, Qwen3 8B and Mistral, side by side."""


def latent_bytes(row: Candidate) -> int:
    """Return the bytes of a row's images in the caches; inputs are scaled to `SIDE` squared."""
    pixels = len(row.inputs) * SIDE**2 + min(row.output[0] * row.output[1], SIDE**2)
    return LATENT_BYTES_PER_PIXEL * pixels


def text_bytes(width: int) -> int:
    """Return the bytes of a row's text in the caches, bfloat16: each is padded to the same."""
    return MAX_TEXT_TOKENS * width * 2


class MusubiFlux2Trainer(MusubiTrainer):
    """Trains a LoRA with `flux_2_train_network.py`, on caches that `cache.sh` writes."""

    name = "musubi-flux2"
    title = "FLUX.2 by musubi-tuner"
    limits = (
        MARKER,
        long_text("flux_2/flux2_utils.py 51: `MAX_LENGTH = 512`"),
        Limit(
            "too-thin",
            f"an input more than {TALLEST_INPUT} times as tall as wide, or {WIDEST_INPUT:,} times "
            "as wide as tall",
            "dataset/bucket.py 154–157, calculate_bucket_resolution: a ZeroDivisionError",
            lambda row: any(
                height > TALLEST_INPUT * width or width > WIDEST_INPUT * height
                for width, height in row.inputs
            ),
        ),
    )
    remarks = (MANY_INPUTS, CUT_TARGET)
    settings = (
        Setting("resolution (musubi-mico.toml)", "[1024, 1024]", "as the inputs'"),
        Setting("bucket_no_upscale (musubi-mico.toml)", "true", "ours: small targets stay small"),
        Setting(
            "control_resolution (musubi-mico.toml)",
            "[1024, 1024]",
            "upstream's docs/dataset_config.md, for several inputs",
        ),
        Setting(
            "no_resize_control (musubi-mico.toml)",
            "not set",
            "ours: with it, a small input whose sides are not multiples of 16 stops the caching",
        ),
        Setting("--learning_rate", "1e-4", "upstream's docs/flux_2.md"),
        Setting("--network_dim", "32", "the same"),
        Setting("--timestep_sampling", "flux2_shift", "the same"),
        *SAVES,
    )
    steps = (
        INSTALL,
        (
            (
                "Accept the license of black-forest-labs/FLUX.2-dev on its page, which has the VAE "
                "of all versions, log in, and download the model, here klein-base-4b:"
            ),
            (
                "hf auth login\n"
                "flux=black-forest-labs/FLUX.2\n"
                "hf download $flux-dev ae.safetensors --local-dir models/FLUX.2-dev\n"
                "hf download $flux-klein-base-4B flux-2-klein-base-4b.safetensors \\\n"
                "    --local-dir models/FLUX.2-klein-base-4B\n"
                "hf download $flux-klein-4B --include 'text_encoder/*' \\\n"
                "    --local-dir models/FLUX.2-klein-4B\n"
                "hf download Qwen/Qwen3-4B tokenizer_config.json vocab.json merges.txt "
                "tokenizer.json\n"
                'export VERSION=klein-base-4b VAE="$PWD/models/FLUX.2-dev/ae.safetensors"\n'
                'export DIT="$PWD/models/FLUX.2-klein-base-4B/flux-2-klein-base-4b.safetensors"\n'
                'text="$PWD/models/FLUX.2-klein-4B/text_encoder"\n'
                'export TEXT_ENCODER="$text/model-00001-of-00002.safetensors"'
            ),
        ),
        ENCODE,
        START,
    )
    _model: ClassVar[Mapping[str, str]] = {
        "@model@": "FLUX.2",
        "@encoder@": "its text encoder, the first of several",
        "@default@": "klein-base-4b",
        "@versions@": "klein-base-4b | klein-base-9b | klein-4b | klein-9b | dev",
        "@wrong@": "VERSION is klein-base-4b, klein-base-9b, klein-4b, klein-9b or dev",
        "@scripts@": "flux_2",
        "@version@": "$VERSION",
        "@timesteps@": "--timestep_sampling flux2_shift",
        "@rate@": "1e-4",
        "@network@": "lora_flux_2",
        "@dim@": "32",
    }

    def measure(self, rows: Iterable[Candidate]) -> dict[str, Any]:
        """Estimate the bytes of the latents; texts need the same for each row."""
        return {"latent_bytes": sum(map(latent_bytes, rows))}

    def tables(self, exported: Exported) -> Sequence[str]:
        """Return the files of each version, and the size of its caches."""
        latents = exported.measured["latent_bytes"]
        sizes = {
            f"@{name}@": f"{(latents + exported.rows * text_bytes(width)) / 1e9:,.1f}"
            for name, width in TEXT_WIDTHS.items()
        }
        table = _VERSIONS
        for name, size in sizes.items():
            table = table.replace(name, size)
        return (table.replace("@cache@", cache_folder(exported)),)


_VERSIONS = """\
| `VERSION` | `DIT` | `TEXT_ENCODER` | tokenizer | gated | caches |
|---|---|---|---|---|--:|
| klein-base-4b | FLUX.2-klein-base-4B | FLUX.2-klein-4B | Qwen/Qwen3-4B | VAE | @4b@ GB |
| klein-4b | FLUX.2-klein-4B | the same | the same | VAE | @4b@ GB |
| klein-base-9b | FLUX.2-klein-base-9B | FLUX.2-klein-9B | Qwen/Qwen3-8B | all | @9b@ GB |
| klein-9b | FLUX.2-klein-9B | the same | the same | all | @9b@ GB |
| dev | FLUX.2-dev | the same | mistralai/Mistral-Small-3.1-24B-Instruct-2503 | all | @dev@ GB |

The first two are repositories of black-forest-labs; files in the format of diffusers cannot be used
for `DIT` and `VAE`. The base models are those to train, the others are distilled to few steps
(docs/flux_2.md). The caches are in `@cache@` here, which may be a link to a larger disk. Each
export has its own; klein-base-4b and klein-4b share theirs, as do klein-base-9b and klein-9b."""
