"""Reads an export by Lumina-DiMOO's own code; run in its environment."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_IMAGE = 126349
"""The token before each image."""


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The options by its own parser."""
    import train as script

    return vars(script.Solver.get_args_parser().parse_args(argv))


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first samples. `get_item_func` raises where the dataset itself would take a neighbor."""
    import numpy as np
    import train as script
    from xllmx.data.dataset import FinetuneConversationDataset

    for record in _records(options["data_config"]):
        # The clone would unpickle a single path as it is; an export's are lists.
        if not isinstance(record["user_image"], list):
            msg = f"record {record.get('id')}: user_image is not a list"
            raise ValueError(msg)
    processor = script.ItemProcessor(run.tokenizer, options["max_seq_len"])
    dataset = FinetuneConversationDataset(options["data_config"], processor)
    for place in range(min(run.rows, len(dataset))):
        np.random.seed(1)  # the sample keeps its text: one in ten loses it
        run.tokenizer.texts.clear()
        tokens, _ = dataset.get_item_func(*dataset.tie_index_to_meta(place))
        yield {
            "text": run.tokenizer.texts[-1],
            "inputs": tokens.count(_IMAGE) - 1,
            "output": tokens.count(_IMAGE) > 0,
            "row": [options["data_config"], place],
        }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records at the same places."""
    del run
    for row in rows:
        config, place = row["row"]
        record = _records(config)[place]
        yield {"text": record["user_prompt"], "inputs": len(record["user_image"])}


def _records(config: str) -> list[dict[str, Any]]:
    import yaml

    found: list[dict[str, Any]] = []
    with open(config, encoding="utf-8") as file:
        paths = [meta["path"] for meta in yaml.safe_load(file)["META"]]
    for path in paths:
        if not path.endswith(".json"):  # the clone would unpickle others
            msg = f"{path} in {config} is not JSON"
            raise ValueError(msg)
        with open(path, encoding="utf-8") as file:
            found += json.load(file)
    return found
