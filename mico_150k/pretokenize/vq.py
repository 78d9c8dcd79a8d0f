"""The VQ that turns pixels into codes: `diffusers`' `VQModel`, its encoding half alone."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mico_150k.errors import MissingPackage, SourceNotFound, UsageError
from mico_150k.pretokenize.sizes import CODE

if TYPE_CHECKING:
    import torch

SUBFOLDER = "vqvae"
"""Where Lumina-DiMOO's checkpoint keeps its VQ."""
CODEBOOK = 8192
"""Codes there are; training has that many image tokens."""
DTYPES = ("fp32", "bf16")

Codes = npt.NDArray[np.uint16]
"""Rows × columns."""


@dataclass(frozen=True, slots=True)
class Precision:
    """What the bits of a code depend on besides weights and pixels.

    `dtype` is one of `DTYPES`. `batch` is how many pictures are encoded at once: 1 gives
    upstream's codes exactly; with more, a code that has two candidates at about the same
    distance may become the other (with random weights, 1 in 900 did). `threads` are torch's on a
    CPU, and tell there in the same way; 0 on a GPU.
    """

    dtype: str
    batch: int
    threads: int


def check_device(device: str) -> None:
    """Raise `UsageError` where torch has no such device, `MissingPackage` without torch."""
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
            f"--device {device}: torch {torch.__version__} sees {there} GPUs here. "
            "A CPU (--device cpu) does a picture or so a second."
        )
        raise UsageError(msg)


class VQ:
    """Pixels to codes, on one device."""

    def __init__(self, model: Any, device: str, precision: Precision) -> None:  # noqa: ANN401
        """`model` is a `VQModel`, whatever its dtype and device; its decoder is let go.

        Raises `UsageError` where it is not of Lumina-DiMOO's kind.
        """
        import torch

        _check_kind(model)
        self._device = torch.device(device)
        if precision.threads:
            torch.set_num_threads(precision.threads)
        self.digest = _digest(model)
        """SHA-256 of the weights that decide codes, whatever file they came in."""
        dtype = torch.float32 if precision.dtype == "fp32" else torch.bfloat16
        model.decoder = model.post_quant_conv = None
        # Distances are always taken in 32 bits: with fewer, many codes would be equally near.
        self._codebook = model.quantize.embedding.weight.detach().float().to(self._device)
        self._model = model.to(self._device, dtype).eval()
        self._dtype = dtype
        # A tensor and no number: torch multiplies by a number's reciprocal on a GPU, and upstream
        # divides.
        self._white = torch.tensor(255.0, device=self._device)

    @classmethod
    def load(cls, where: str, device: str, precision: Precision) -> "VQ":
        """The checkpoint in a folder or of a Hub id, or in its sub-folder `vqvae`.

        Raises `MissingPackage`, `SourceNotFound` and `UsageError`.
        """
        return cls(_load_model(where), device, precision)

    def encode(self, pixels: npt.NDArray[np.uint8]) -> "torch.Tensor":
        """Pixels, pictures × height × width × 3, to codes, pictures × rows × columns.

        The result lies on the device, where it may still be under way.
        """
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(pixels)
            if self._device.type == "cuda":
                batch = batch.pin_memory().to(self._device, non_blocking=True)
            # Channels stay last in memory, as they do in upstream: it decides the kernels.
            batch = (batch.permute(0, 3, 1, 2).float() / self._white).to(self._dtype)
            latents = self._model.encode(batch).latents.float()
            nearest = [self._nearest(latent) for latent in latents]
            return torch.stack(nearest).to(torch.int16)

    def _nearest(self, latent: "torch.Tensor") -> "torch.Tensor":
        """Channels × rows × columns to rows × columns: one picture, as upstream measures it."""
        import torch

        vectors = latent.permute(1, 2, 0).reshape(-1, latent.shape[0])
        return torch.cdist(vectors, self._codebook).argmin(1).view(latent.shape[1:])


def _load_model(where: str) -> Any:  # noqa: ANN401 - a VQModel
    _import_torch()
    try:
        from diffusers import VQModel
    except ImportError as error:
        raise MissingPackage(_MISSING) from error
    folder = Path(where)
    below = {"subfolder": SUBFOLDER} if not (folder / "config.json").is_file() else {}
    if folder.is_dir() and below and not (folder / SUBFOLDER).is_dir():
        msg = f"--vq {where}: neither config.json nor a folder {SUBFOLDER} in it."
        raise SourceNotFound(msg)
    try:
        return VQModel.from_pretrained(where, low_cpu_mem_usage=False, **below)
    except (OSError, ValueError, RuntimeError) as error:
        msg = f"--vq {where}: no VQ checkpoint could be loaded: {error}"
        raise SourceNotFound(msg) from error


def _check_kind(model: Any) -> None:  # noqa: ANN401 - a VQModel
    config = model.config
    pixels = 2 ** (len(config.block_out_channels) - 1)
    if pixels != CODE or config.num_vq_embeddings != CODEBOOK:
        msg = (
            f"--vq: a VQ of {config.num_vq_embeddings} codes, one for {pixels} × {pixels} pixels; "
            f"Lumina-DiMOO's has {CODEBOOK}, one for {CODE} × {CODE}."
        )
        raise UsageError(msg)


def _digest(model: Any) -> str:  # noqa: ANN401 - a VQModel
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        if name.startswith(("encoder.", "quant_conv.", "quantize.")):
            array = weights.detach().cpu().float().contiguous().numpy()
            digest.update(f"{name} {array.shape}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _import_torch() -> Any:  # noqa: ANN401 - a module
    try:
        import torch
    except ImportError as error:
        raise MissingPackage(_MISSING) from error
    return torch


_MISSING = "this needs torch and diffusers: pip install '.[vq]' in the clone of mico-150k"
