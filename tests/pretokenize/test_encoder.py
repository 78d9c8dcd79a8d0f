"""Codes are those that diffusers gives for one picture at a time."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.core.errors import BrokenFile, MissingPackage, SourceNotFound, UsageError
from mico_150k.core.reasons import Reason
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.images.reader import digest_of
from mico_150k.pretokenize.crop import crop_all
from mico_150k.pretokenize.dataset_images import Cell, EncodeInputs
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder
from mico_150k.pretokenize.images import ParquetImages
from mico_150k.pretokenize.plan import Chunk, EncodingPlan, Item
from mico_150k.pretokenize.vq import VQ, Precision, check_device

from ..factories import encode, picture
from .material import SMALL, VQ_EXTRA, options, write_vq


@pytest.fixture(scope="module")
def chunk(rows: DatasetFolder) -> Chunk:
    """All of the dataset's pictures."""
    return EncodingPlan(EncodeInputs.of(rows), SMALL, 99).chunk(0)


def encode_chunk(vq: Path, chunk: Chunk, **changes: Any) -> tuple[ChunkCodes, list[int]]:
    encoder = Encoder.load(options(vq, **changes).encoder, "cpu")
    counted: list[int] = []
    try:
        return encoder.encode(chunk, counted.append), counted
    finally:
        encoder.close()


def expected(vq: Path, chunk: Chunk) -> list[np.ndarray]:
    """Each picture by itself, through diffusers' own preprocessing and quantizer."""
    import torch
    from diffusers import VQModel
    from diffusers.image_processor import VaeImageProcessor
    from PIL import Image

    torch.set_num_threads(1)
    model = VQModel.from_pretrained(vq, subfolder="vqvae", low_cpu_mem_usage=False).eval()
    processor = VaeImageProcessor(vae_scale_factor=16, do_normalize=False)
    found = []
    images = ParquetImages()
    loaders = list(images.loaders([item.cell for item in chunk.items]))
    for item, load in zip(chunk.items, loaders, strict=True):
        for pixels in crop_all(load(), item.size, item.shapes):
            with torch.no_grad():
                latents = model.encode(processor.preprocess(Image.fromarray(pixels))).latents
                ids = model.quantize(latents)[2][2]
            found.append(ids.reshape(latents.shape[2:]).numpy())
    return found


@pytest.mark.parametrize("readers", [1, 4])
def test_one_at_a_time_the_codes_are_diffusers_own(vq: Path, chunk: Chunk, readers: int) -> None:
    done, counted = encode_chunk(vq, chunk, batch=1, readers=readers)
    wanted = expected(vq, chunk)
    assert len(done.encoded) == len(wanted) == sum(counted)
    for found, ids in zip(done.encoded, wanted, strict=True):
        assert np.array_equal(found, ids)
    assert len({int(code) for ids in wanted for code in ids.ravel()}) > 30
    assert {found.shape for found in done.encoded} > {(8, 8), (6, 6), (4, 4)}


def test_in_batches_they_differ_by_a_code_in_hundreds_at_most(vq: Path, chunk: Chunk) -> None:
    done, counted = encode_chunk(vq, chunk, batch=3)
    assert max(counted) == 3
    wanted = expected(vq, chunk)
    total = sum(ids.size for ids in wanted)
    same = sum(int((found == ids).sum()) for found, ids in zip(done.encoded, wanted, strict=True))
    assert same >= 0.99 * total
    again, _ = encode_chunk(vq, chunk, batch=3, readers=4)
    for one, other in zip(done.encoded, again.encoded, strict=True):
        assert np.array_equal(one, other)


def test_bf16_runs_and_mostly_agrees(vq: Path) -> None:
    torch = pytest.importorskip("torch", reason=VQ_EXTRA)
    torch.set_num_threads(1)
    half = VQ.load(str(vq), "cpu", Precision("bf16", 1, 1))
    whole = VQ.load(str(vq), "cpu", Precision("fp32", 1, 1))
    assert half.digest == whole.digest
    pixels = np.stack([np.asarray(picture(1, (96, 64)))])
    one, other = half.encode(pixels), whole.encode(pixels)
    assert one.shape == other.shape == (1, 4, 6)
    assert (one == other).float().mean() > 0.5


def test_a_picture_that_does_not_decode_is_a_fault_and_the_others_go_on(
    vq: Path, tmp_path: Path
) -> None:
    sides = (64, 48)
    cut = encode(picture(1, sides), "JPEG")[:-300]
    images = [encode(picture(1, sides)), cut, b"", encode(picture(2, sides))]
    shard = tmp_path / "dimoo" / "train-00000.parquet"
    shard.parent.mkdir()
    cells = [{"bytes": data, "path": None} for data in images]
    pq.write_table(pa.table({"image_path": [cells], "edit_path": cells[:1]}), shard)
    places = [str(shard), str(shard), str(tmp_path / "dimoo" / "gone.parquet"), str(shard)]
    items = [
        Item(Cell(place, 0, 0, number), sides, ((64, 64), (32, 32)), digest_of(images[number]))
        for number, place in enumerate(places)
    ]
    done, counted = encode_chunk(vq, Chunk(7, tuple(items)))
    assert done.number == 7
    assert sum(counted) == 8
    reasons = [getattr(found, "reason", None) for found in done.encoded[::2]]
    assert reasons == [None, Reason.UNDECODABLE, Reason.FILE_MISSING, None]
    assert [getattr(found, "size", 0) for found in done.encoded] == [16, 4, 0, 0, 0, 0, 16, 4]
    assert f"{shard}, row group 0, row 0, image 2" in done.encoded[2].detail  # type: ignore[union-attr]


def test_the_digest_is_of_the_weights_that_decide_codes(vq: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason=VQ_EXTRA)
    diffusers = pytest.importorskip("diffusers", reason=VQ_EXTRA)
    model = diffusers.VQModel.from_pretrained(vq, subfolder="vqvae", low_cpu_mem_usage=False)
    with torch.no_grad():
        model.decoder.conv_out.weight += 1
    model.save_pretrained(tmp_path / "decoder")
    with torch.no_grad():
        model.encoder.conv_in.weight += 1
    model.save_pretrained(tmp_path / "encoder")
    precision = Precision("fp32", 1, 1)
    digests = [
        VQ.load(str(place), "cpu", precision).digest
        for place in (vq, vq / "vqvae", tmp_path / "decoder", tmp_path / "encoder")
    ]
    assert digests[0] == digests[1] == digests[2] != digests[3]


@pytest.mark.parametrize("lost", ["encoder.conv_in.weight", "quantize.embedding.weight"])
def test_a_checkpoint_that_lacks_a_weight_is_refused(vq: Path, tmp_path: Path, lost: str) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    from safetensors.torch import load_file, save_file

    shutil.copytree(vq, tmp_path / "vq")
    file = tmp_path / "vq" / "vqvae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights[lost]
    save_file(weights, file)
    with pytest.raises(SourceNotFound, match=f"not a complete VQ checkpoint.*missing: {lost}"):
        VQ.load(str(tmp_path / "vq"), "cpu", Precision("fp32", 1, 1))


@pytest.mark.parametrize(
    "lost", ["block_out_channels", "down_block_types", "latent_channels", "num_vq_embeddings"]
)
def test_a_setting_that_a_config_lacks_is_named_with_its_file_and_the_way_out(
    vq: Path, tmp_path: Path, lost: str
) -> None:
    shutil.copytree(vq, tmp_path / "vq")
    config = tmp_path / "vq" / "vqvae" / "config.json"
    told = json.loads(config.read_text())
    del told[lost]
    config.write_text(json.dumps(told))
    with pytest.raises(SourceNotFound) as error:
        VQ.load(str(tmp_path / "vq"), "cpu", Precision("fp32", 1, 1))
    assert f"\n{config} has no {lost}, and the weights may not match" in str(error.value)
    assert str(error.value).endswith("Use the config.json that came with the weights.")


def test_a_setting_that_diffusers_has_a_default_for_may_be_absent(vq: Path, tmp_path: Path) -> None:
    shutil.copytree(vq, tmp_path / "vq")
    config = tmp_path / "vq" / "vqvae" / "config.json"
    told = json.loads(config.read_text())
    del told["mid_block_add_attention"]  # of diffusers before 0.26
    config.write_text(json.dumps(told))
    precision = Precision("fp32", 1, 1)
    one, other = (VQ.load(str(place), "cpu", precision).digest for place in (vq, tmp_path / "vq"))
    assert one == other


def test_settings_that_decide_codes_are_in_the_digest(vq: Path, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    shutil.copytree(vq, tmp_path / "vq")
    config = tmp_path / "vq" / "vqvae" / "config.json"
    told = json.loads(config.read_text())
    config.write_text(json.dumps({**told, "norm_num_groups": 2}))
    precision = Precision("fp32", 1, 1)
    one, other = (VQ.load(str(place), "cpu", precision).digest for place in (vq, tmp_path / "vq"))
    assert one != other


def test_codes_of_what_is_no_number_are_an_error(vq: Path, chunk: Chunk, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    from safetensors.torch import load_file, save_file

    shutil.copytree(vq, tmp_path / "vq")
    file = tmp_path / "vq" / "vqvae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["encoder.conv_in.bias"][0] = float("nan")
    save_file(weights, file)
    with pytest.raises(BrokenFile, match=r"row 0, image 1 that are not finite"):
        encode_chunk(tmp_path / "vq", chunk)


def test_another_kind_of_vq_is_refused(tmp_path: Path) -> None:
    precision = Precision("fp32", 1, 1)
    for name, kind in (("few", {"embeddings": 512}), ("fine", {"blocks": 4})):
        write_vq(tmp_path / name, **kind)
        with pytest.raises(UsageError, match="Lumina-DiMOO's VQ has 8192, one for 16 × 16"):
            VQ.load(str(tmp_path / name), "cpu", precision)
    with pytest.raises(SourceNotFound, match="neither config.json nor a folder vqvae"):
        VQ.load(str(tmp_path), "cpu", precision)
    for text, message in (
        ("{", "the VQ checkpoint cannot be loaded"),
        ("[]", "config.json is not a JSON object"),
    ):
        (tmp_path / "few" / "vqvae" / "config.json").write_text(text)
        with pytest.raises(SourceNotFound, match=message):
            VQ.load(str(tmp_path / "few"), "cpu", precision)


def test_a_device_that_is_not_there_is_refused_before_any_work() -> None:
    pytest.importorskip("torch", reason=VQ_EXTRA)
    check_device("cpu")
    for device, message in (("cuda:99", "GPUs here"), ("abacus", "abacus"), ("meta", "0 GPUs")):
        with pytest.raises(UsageError, match=message):
            check_device(device)


def test_without_the_extra_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingPackage, match=r"pip install '\.\[vq\]'"):
        check_device("cpu")
