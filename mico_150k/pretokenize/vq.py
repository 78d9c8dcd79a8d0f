"""The VQ that turns pixels into codes: the encoder of `diffusers`' `VQModel`."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mico_150k.builders.dimoo_tokens import CODE
from mico_150k.core.errors import MemoryTooSmall, MissingPackage, SourceNotFound, UsageError
from mico_150k.core.plural import counted
from mico_150k.dataset.codes import CODEBOOK

if TYPE_CHECKING:
    import torch

SUBFOLDER = "vqvae"
"""The subfolder of Lumina-DiMOO's checkpoint that holds its VQ."""
CONFIG = "config.json"
DTYPES = ("fp32", "bf16")
NOT_FINITE = -1
"""The value of all codes of an image whose latents are not finite."""


@dataclass(frozen=True, slots=True)
class Precision:
    """The settings, besides weights and pixels, that decide the codes.

    `dtype` is one of `DTYPES`. `batch` is how many images are encoded at once: 1 gives
    upstream's codes exactly; with more, a code that has two candidates at about the same
    distance may become the other (with random weights, 1 in 900 did). `threads` are torch's on a
    CPU, and tell there in the same way; 0 on a GPU.
    """

    dtype: str
    batch: int
    threads: int


def check_checkpoint(where: str) -> None:
    """Raise `SourceNotFound` if a path does not exist, before anything that takes long."""
    folder = Path(where)
    if folder.is_dir() and not any((folder / name).exists() for name in (CONFIG, SUBFOLDER)):
        msg = f"--vq {where} has neither {CONFIG} nor a folder {SUBFOLDER}."
        raise SourceNotFound(msg)
    # A Hub id looks like a two-part path, but its first part is not a folder here.
    is_hub_id = _HUB_ID.fullmatch(where) and not folder.parent.exists()
    if not folder.is_dir() and not is_hub_id:
        msg = f"--vq {where} is neither a folder nor a Hub id, such as USER/NAME."
        raise SourceNotFound(msg)


def check_device(device: str) -> None:
    """Raise `UsageError` if torch has no such device, `MissingPackage` without torch."""
    torch = _import_torch()
    try:
        kind = torch.device(device)
    except RuntimeError as error:
        msg = f"--device {device}: {str(error).splitlines()[0]}"
        raise UsageError(msg) from error
    if kind.type == "cpu":
        return
    there = torch.cuda.device_count() if kind.type == "cuda" else 0
    if (kind.index or 0) >= there:
        msg = (
            f"--device {device}: torch {torch.__version__} sees {counted(there, 'GPU')} here. A "
            "CPU (--device cpu) encodes about one image per second."
        )
        raise UsageError(msg)


class VQ:
    """Encodes pixels as codes, on one device."""

    def __init__(self, model: Any, device: str, precision: Precision) -> None:  # noqa: ANN401
        """`model` is a `VQModel`, whatever its dtype and device; its decoder is not used.

        Raises `UsageError` where it is not of Lumina-DiMOO's kind.
        """
        import torch

        _check_kind(model)
        self._device = torch.device(device)
        if precision.threads:
            torch.set_num_threads(precision.threads)
        self.digest = _digest(model)
        """The SHA-256 of the weights and settings that determine codes, in any file format."""
        dtype = torch.float32 if precision.dtype == "fp32" else torch.bfloat16
        # Distances are always computed in 32 bits: with fewer, many codes would be equally near.
        self._codebook = model.quantize.embedding.weight.detach().float().to(self._device)
        self._layers = torch.nn.Sequential(model.encoder, model.quant_conv)
        self._layers.to(self._device, dtype).eval()
        self._dtype = dtype
        # A tensor, not a number: on a GPU, torch multiplies by a number's reciprocal, but upstream
        # divides.
        self._white = torch.tensor(255.0, device=self._device)

    @classmethod
    def load(cls, where: str, device: str, precision: Precision) -> "VQ":
        """Load the checkpoint from a folder or Hub id, or from its subfolder `vqvae`.

        Raises `MissingPackage`, `SourceNotFound` and `UsageError`.
        """
        return cls(_load_model(where), device, precision)

    def encode(self, pixels: npt.NDArray[np.uint8]) -> "torch.Tensor":
        """Pixels, images × height × width × 3, to codes, images × rows × columns.

        The result lies on the device, where it may still be under way. Raises `MemoryTooSmall`.
        """
        import torch

        try:
            with torch.inference_mode():
                return self._encode(torch.from_numpy(pixels))
        except torch.cuda.OutOfMemoryError as error:
            count, height, width = pixels.shape[:3]
            msg = (
                f"{self._device} is out of memory with {counted(count, 'image')} of "
                f"{width} × {height} pixels at once: use a smaller --batch-size."
            )
            raise MemoryTooSmall(msg) from error

    def _encode(self, batch: "torch.Tensor") -> "torch.Tensor":
        import torch

        if self._device.type == "cuda":
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        # Channels stay last in memory as in upstream, since the layout determines the kernels.
        batch = (batch.permute(0, 3, 1, 2).float() / self._white).to(self._dtype)
        latents = self._layers(batch).float()
        codes = torch.stack([self._nearest(latent) for latent in latents]).to(torch.int16)
        # For NaN, the nearest code would be the first.
        finite = latents.isfinite().flatten(1).all(1)
        return codes.where(finite[:, None, None], NOT_FINITE)

    def _nearest(self, latent: "torch.Tensor") -> "torch.Tensor":
        """Quantize one image's latent as upstream does; returns rows × columns of codes."""
        import torch

        vectors = latent.permute(1, 2, 0).reshape(-1, latent.shape[0])
        return torch.cdist(vectors, self._codebook).argmin(1).view(latent.shape[1:])


def _load_model(where: str) -> Any:  # noqa: ANN401 - a VQModel
    check_checkpoint(where)
    _import_torch()
    try:
        from diffusers import VQModel
        from diffusers.utils import logging
    except ImportError as error:
        raise MissingPackage(_MISSING) from error
    below = {} if (Path(where) / CONFIG).is_file() else {"subfolder": SUBFOLDER}
    hint = ""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it advises training missing weights; here that is an error
    try:
        hint = _hint(
            "/".join((where, *below.values(), CONFIG)), VQModel.load_config(where, **below)
        )
        model, found = VQModel.from_pretrained(
            where, low_cpu_mem_usage=False, output_loading_info=True, **below
        )
    except Exception as error:  # the libraries below raise a dozen types
        # Each weight that does not fit takes a line.
        told = "\n".join(str(error).splitlines()[:_LINES])
        msg = f"--vq {where}: the VQ checkpoint cannot be loaded: {told}{hint}"
        raise SourceNotFound(msg) from error
    finally:
        logging.set_verbosity(verbosity)
    # Missing weights were filled with random numbers.
    for key in ("missing_keys", "unexpected_keys"):
        if names := _deciding(found[key]):
            what = key.replace("_keys", "")
            more = f" and {len(names) - 1} more" if names[1:] else ""
            msg = (
                f"--vq {where}: not a complete VQ checkpoint; of its weights, {what}: "
                f"{names[0]}{more}."
            )
            raise SourceNotFound(f"{msg}{hint}")
    return model


def _hint(file: str, config: object) -> str:
    """Return a hint about settings missing from a config, which usually cause the error.

    Without an error no hint is needed: diffusers has defaults, which upstream uses as well.
    """
    if not isinstance(config, dict):
        msg = f"{file} is not a JSON object of settings."
        raise TypeError(msg)
    absent = [name for name in (*_SETTINGS, "num_vq_embeddings") if name not in config]
    if not absent:
        return ""
    return (
        "\n"
        f"{file} has no {', '.join(absent)}, and the weights may not match the defaults.\n"
        f"Use the {CONFIG} that came with the weights."
    )


def _check_kind(model: Any) -> None:  # noqa: ANN401 - a VQModel
    config = model.config
    pixels = 2 ** (len(config.block_out_channels) - 1)
    if pixels != CODE or config.num_vq_embeddings != CODEBOOK:
        msg = (
            f"--vq: this VQ has {counted(config.num_vq_embeddings, 'code')}, one for {pixels} × "
            f"{pixels} "
            f"pixels; Lumina-DiMOO's VQ has {CODEBOOK}, one for {CODE} × {CODE}."
        )
        raise UsageError(msg)


def _digest(model: Any) -> str:  # noqa: ANN401 - a VQModel
    settings = {name: model.config.get(name) for name in _SETTINGS}
    digest = hashlib.sha256(json.dumps(settings).encode())
    state = model.state_dict()
    for name in _deciding(state):
        array = state[name].detach().cpu().float().contiguous().numpy()
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _deciding(weights: Iterable[str]) -> list[str]:
    """Return the names of the weights that determine codes; the others are the decoder's."""
    return sorted(
        name for name in weights if name.startswith(("encoder.", "quant_conv.", "quantize."))
    )


def _import_torch() -> Any:  # noqa: ANN401 - a module
    try:
        import torch
    except ImportError as error:
        raise MissingPackage(_MISSING) from error
    return torch


_SETTINGS = (
    "act_fn", "block_out_channels", "down_block_types", "in_channels", "latent_channels",
    "layers_per_block", "mid_block_add_attention", "norm_num_groups", "vq_embed_dim",
)  # fmt: skip
"""The config settings that determine codes; the same weights may run with others."""
_LINES = 3
"""The most lines shown of a library's error."""
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_MISSING = "this needs torch and diffusers: pip install '.[vq]' in the clone of mico-150k"
