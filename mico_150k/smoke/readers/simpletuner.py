"""Reads an export by SimpleTuner's own code; run in its environment."""

import json
import os
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The options by its own parser."""
    from simpletuner.helpers.configuration.cmd_args import get_argument_parser

    return vars(get_argument_parser().parse_args(argv))


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first rows: names, images and captions as its sampler and backends find them."""
    from simpletuner.helpers.data_backend.local import LocalDataBackend
    from simpletuner.helpers.prompts import PromptHandler
    from simpletuner.helpers.training import image_file_extensions

    with open(options["data_backend_config"], encoding="utf-8") as file:
        datasets = {dataset["id"]: dataset for dataset in json.load(file)}
    found = []
    for dataset in datasets.values():
        if "conditioning_data" not in dataset:
            continue
        backend = LocalDataBackend(SimpleNamespace(), dataset["id"])
        listed = backend.list_files(image_file_extensions, dataset["instance_data_dir"])
        folders = [datasets[id_]["instance_data_dir"] for id_ in dataset["conditioning_data"]]
        for path in sorted(path for _, _, paths in listed for path in paths):
            # multiaspect/sampler.py: the target's name, in each folder of inputs.
            inputs = [os.path.join(folder, os.path.basename(path)) for folder in folders]
            if missing := [each for each in inputs if not backend.exists(each)]:
                msg = f"{missing[0]} is missing"
                raise FileNotFoundError(msg)
            found.append((backend, path, inputs))
    for backend, path, inputs in found[: run.rows]:
        yield {
            "text": PromptHandler.prepare_instance_prompt_from_textfile(
                path,
                use_captions=True,
                prepend_instance_prompt=False,
                data_backend=backend,
                disable_multiline_split=True,
            ),
            "inputs": sum(backend.read_image(each) is not None for each in inputs),
            "output": backend.read_image(path) is not None,
            "row": int(os.path.splitext(os.path.basename(path))[0]),
        }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows on the lines that the files are named by."""
    found = run.records("rows.jsonl", {row["row"] - 1 for row in rows})
    for row in rows:
        record = found[row["row"] - 1]
        yield {"text": record["caption"], "inputs": len(record["inputs"])}
