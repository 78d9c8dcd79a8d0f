"""Reads an export by ai-toolkit's own code; run in its environment."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any


class _Asked(BaseException):
    """Ends `run.py`, which would catch an `Exception`."""


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The job's process in its config, as `run.py` reads it, and the job's name.

    `run.py` parses its arguments in `main`, so that this runs up to the job that it makes of them.
    """
    import run
    from toolkit.config import get_config

    del argv  # main takes it from sys.argv
    found: list[Any] = []

    def stop(path: str, name: str | None = None) -> None:
        found.append((path, name))
        raise _Asked

    run.get_job = stop
    with contextlib.suppress(_Asked):
        run.main()
    config = get_config(*found[0])["config"]
    return {**config["process"][0], "name": config["name"]}


class _Model:
    """What the loader asks the model for: flux2_model.py and qwen_image_edit_plus.py."""

    use_raw_control_images = has_multiple_control_images = True
    is_audio_model = encode_control_in_text_embeddings = False
    te_padding_side = "right"
    adapter = None

    class vae:  # noqa: N801
        config = None

    unet = vae

    def __init__(self, arch: str) -> None:
        self.model_config = self
        self.arch = self.latent_space_version = self.text_embedding_space_version = arch

    def get_bucket_divisibility(self) -> int:
        """32 pixels for Qwen, 16 for FLUX.2."""
        return 32 if self.arch.startswith("qwen") else 16


def _datasets(options: Mapping[str, Any]) -> Iterator[Any]:
    from toolkit.config_modules import DatasetConfig, preprocess_dataset_raw_config
    from toolkit.data_loader import AiToolkitDataset

    for entry in preprocess_dataset_raw_config(options["datasets"]):
        config = DatasetConfig(**{**entry, "caption_dropout_rate": 0})
        yield AiToolkitDataset(config, batch_size=1, sd=_Model(options["model"]["arch"]))


def _whole(dataset: Any) -> Any:
    """The dataset, if the loader has found every input of every row, and no fewer silently."""
    wanted = len(dataset.dataset_config.control_path)
    for item in dataset.file_list:
        paths = item.control_path or []
        found = 1 if isinstance(paths, str) else len(paths)
        if found != wanted:
            msg = f"{item.path}: the loader finds {found} of its inputs, not {wanted}, silently"
            raise ValueError(msg)
    return dataset


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first rows of each number of inputs, in turn.

    The loader takes another row for one that it cannot read; then its number is another, too.
    """
    from toolkit.data_transfer_object.data_loader import DataLoaderBatchDTO

    datasets = [_whole(dataset) for dataset in _datasets(options)]
    most = max(len(dataset.file_list) for dataset in datasets)
    turns = ((each, place) for place in range(most) for each in datasets
             if place < len(each.file_list))  # fmt: skip
    for dataset, place in itertools.islice(turns, run.rows):
        asked = dataset.file_list[place].path
        item = dataset._get_single_item(place)  # noqa: SLF001 - what its own __getitem__ calls
        if item.path != asked:
            msg = f"{asked} or one of its inputs cannot be read"
            raise ValueError(msg)
        batch = DataLoaderBatchDTO(file_items=[item])
        many = batch.control_tensor_list
        yield {
            "text": item.caption,
            "inputs": len(many[0]) if many else int(batch.control_tensor is not None),
            "output": batch.tensor is not None,
            "row": int(os.path.splitext(os.path.basename(item.path))[0]),
        }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows on the lines that the files are named by."""
    found = run.records("rows.jsonl", {row["row"] - 1 for row in rows})
    for row in rows:
        record = found[row["row"] - 1]
        # The trainer puts a space after every comma.
        text = ", ".join(record["caption"].replace(", ", ",").split(","))
        yield {"text": text, "inputs": len(record["inputs"])}
