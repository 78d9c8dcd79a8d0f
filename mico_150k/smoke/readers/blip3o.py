"""Reads an export by BLIP3o-Next's own code; run in its environment."""

import ast
import dataclasses
import json
import os
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The options by its own classes, taken from the script's source.

    Importing the script would download csuhan/TA-Tok, and the classes' values ask for a GPU.
    """
    import typing

    import transformers

    with open(sys.argv[0], encoding="utf-8") as file:
        tree = ast.parse(file.read())
    kinds = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    names = {**vars(typing), **vars(dataclasses), "transformers": transformers}
    exec(compile(ast.Module(kinds, []), sys.argv[0], "exec"), names)  # noqa: S102 - the clone's own
    parser = transformers.HfArgumentParser([names[node.name] for node in kinds])
    return vars(parser.parse_args(argv))


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first samples; the clone takes another row in the place of one that fails."""
    from blip3o.data.dataset import make_supervised_data_module
    from transformers.models.siglip.image_processing_siglip import SiglipImageProcessor

    processor = SiglipImageProcessor()
    processor.size = (384, 384)  # as blip3o/model/multimodal_encoder/ta_tok_encoder.py sets it
    processor.crop_size = {"height": 384, "width": 384}
    arguments = types.SimpleNamespace(
        image_processor=processor,
        is_multimodal=True,
        n_und_query=729,
        mm_use_im_start_end=options["mm_use_im_start_end"],
        dataset_cls=options["dataset_cls"],
        data_list=options["data_list"].split(","),
        data_list_weights=[int(weight) for weight in options["data_list_weights"].split(",")],
        subsample_ratio=options["subsample_ratio"],
    )
    dataset = make_supervised_data_module(run.tokenizer, arguments)["train_dataset"]
    for place in range(min(run.rows, len(dataset))):
        row = dataset.list_data_dict[place]
        run.tokenizer.texts.clear()
        sample = dataset[place]
        yield {
            "text": "\n".join(run.tokenizer.texts),
            "inputs": len(sample["und_images"]),
            "output": tuple(sample["target_image"].shape) == (3, 1024, 1024),
            "row": [row["image_path"], row["txt"]],
        }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records with the same output and instruction."""
    with open(os.path.join(run.export, "BLIP3o-MICo.json"), encoding="utf-8") as file:
        found = {(each["output_image"], each["instruction"]): each for each in json.load(file)}
    for row in rows:
        record = found[tuple(row["row"])]
        yield {"text": record["instruction"], "inputs": len(record["input_images"])}
