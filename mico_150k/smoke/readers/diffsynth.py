"""Reads an export by DiffSynth-Studio's own code; run in its environment."""

from collections.abc import Iterator, Mapping
from typing import Any


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The options by its own parser: each model has a `train.py` with its own."""
    import train as script

    of_model = getattr(script, "flux2_parser", None) or script.qwen_image_parser
    return vars(of_model().parse_args(argv))


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first rows, with images as its script loads them."""
    from diffsynth.core import UnifiedDataset

    dataset = UnifiedDataset(
        base_path=options["dataset_base_path"],
        metadata_path=options["dataset_metadata_path"],
        repeat=options["dataset_repeat"],
        data_file_keys=options["data_file_keys"].split(","),
        main_data_operator=UnifiedDataset.default_image_operator(
            base_path=options["dataset_base_path"],
            max_pixels=options["max_pixels"],
            height=options["height"],
            width=options["width"],
            height_division_factor=16,
            width_division_factor=16,
        ),
    )
    for place in range(min(run.rows, len(dataset))):
        row = dataset[place]
        yield {
            "text": row["prompt"],
            "inputs": sum(hasattr(image, "size") for image in row["edit_image"]),
            "output": hasattr(row["image"], "size"),
            "row": place,
        }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records on the same lines."""
    found = run.records("diffsynth-mico.jsonl", {row["row"] for row in rows})
    for row in rows:
        record = found[row["row"]]
        yield {"text": record["prompt"], "inputs": len(record["edit_image"])}
