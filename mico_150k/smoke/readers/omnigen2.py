"""Reads an export by OmniGen2's own code; run in its environment."""

import os
from collections.abc import Iterator, Mapping
from typing import Any


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The options by its own parser, which reads the command line, with its file of options."""
    del argv
    import train as script
    from omegaconf import OmegaConf

    root = os.path.dirname(os.path.abspath(script.__file__))
    found: Mapping[str, Any] = OmegaConf.to_container(script.parse_args(root))
    return found


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first samples. `process_item` raises where the dataset itself would take another row."""
    from omnigen2.dataset.omnigen2_train_dataset import OmniGen2TrainDataset

    data = options["data"]
    dataset = OmniGen2TrainDataset(
        data["data_path"],
        run.tokenizer,
        use_chat_template=data["use_chat_template"],
        max_input_pixels=data["max_input_pixels"],
        max_output_pixels=data["max_output_pixels"],
        max_side_length=data["max_side_length"],
        prompt_dropout_prob=0,
        ref_img_dropout_prob=0,
    )
    for place in range(min(run.rows, len(dataset))):
        sample = dataset.process_item(dataset.data[place])
        yield {
            "text": sample["instruction"],
            "inputs": len(sample["input_images"]),
            "output": sample["output_image"].ndim == 4,
            "row": place,
        }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records on the same lines."""
    found = run.records("omnigen2-mico.jsonl", {row["row"] for row in rows})
    for row in rows:
        record = found[row["row"]]
        yield {"text": record["instruction"], "inputs": len(record["input_images"])}
