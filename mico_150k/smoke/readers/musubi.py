"""Reads an export by musubi-tuner's own code; run in its environment."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The options by its own parser: each model has a script with its own."""
    if _is_flux2():
        import flux_2_train_network as script

        parser = script.flux2_setup_parser(script.setup_parser_common())
    else:
        import qwen_image_train_network as script

        parser = script.qwen_image_setup_parser(script.setup_parser_common())
    return vars(script.read_config_from_file(parser.parse_args(argv), parser))


def _is_flux2() -> bool:
    """Whether train.sh starts the script for FLUX.2."""
    return os.path.basename(sys.argv[0]).startswith("flux_2")


def _architecture(options: Mapping[str, Any]) -> str:
    if _is_flux2():
        from musubi_tuner.flux_2.flux2_utils import FLUX2_MODEL_INFO

        architecture: str = FLUX2_MODEL_INFO[options["model_version"]].architecture
    else:
        from musubi_tuner.dataset.image_video_dataset import ARCHITECTURE_QWEN_IMAGE_EDIT

        architecture = ARCHITECTURE_QWEN_IMAGE_EDIT
    return architecture


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first rows as they would be cached: a training reads nothing but those caches."""
    from musubi_tuner.dataset import config_utils

    config = config_utils.load_user_config(options["dataset_config"])
    for dataset in config["datasets"]:  # nothing is written, wherever it would be
        dataset["cache_directory"] = os.path.join(tempfile.gettempdir(), "cache")
    generator = config_utils.BlueprintGenerator(config_utils.ConfigSanitizer())
    blueprint = generator.generate(
        config, argparse.Namespace(**options), architecture=_architecture(options)
    )
    group = config_utils.generate_dataset_group_by_blueprint(blueprint.dataset_group)
    for dataset in group.datasets:
        for _, batch in dataset.retrieve_latent_cache_batches(1):
            for item in batch:
                yield {
                    "text": item.caption,
                    "inputs": len(item.control_content),
                    "output": item.content.ndim == 3,
                    "row": [item.item_key, item.caption],
                }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records with the same target and caption."""
    found = {}
    for name in sorted(os.listdir(run.export)):
        if name.startswith("musubi-mico") and name.endswith(".jsonl"):
            with open(os.path.join(run.export, name), encoding="utf-8") as file:
                for record in map(json.loads, file):
                    found[os.path.basename(record["image_path"]), record["caption"]] = record
    for row in rows:
        key, caption = row["row"]
        record = found[os.path.basename(key), caption]
        yield {"text": record["caption"], "inputs": sum(k.startswith("control") for k in record)}
