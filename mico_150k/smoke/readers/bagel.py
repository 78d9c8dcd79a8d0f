"""Reads an export by BAGEL's own code; run in its environment."""

from collections.abc import Iterator, Mapping
from typing import Any


def parse(argv: list[str]) -> Mapping[str, Any]:
    """The options by its own parser. Its `main` asks for CUDA first, so it is not called."""
    import train.pretrain_unified_navit as script

    kinds = (script.ModelArguments, script.DataArguments, script.TrainingArguments)
    parsed = script.HfArgumentParser(kinds).parse_args_into_dataclasses(argv)
    return {name: value for part in parsed for name, value in vars(part).items()}


def read(options: Mapping[str, Any], run: Any) -> Iterator[dict[str, Any]]:
    """The first samples of the first rank."""
    import yaml
    from data.dataset_base import DataConfig, PackedDataset

    with open(options["dataset_config_file"]) as file:
        config = DataConfig(grouped_datasets=yaml.safe_load(file))
    tokens = ("bos_token_id", "eos_token_id", "start_of_image", "end_of_image")
    packed = PackedDataset(
        config, tokenizer=run.tokenizer, special_tokens=dict.fromkeys(tokens, 0), local_rank=0,
        world_size=run.processes, num_workers=options["num_workers"],
    )  # fmt: skip
    packed.set_epoch(options["data_seed"])
    dataset = packed.grouped_datasets[0]
    for sample in dataset:
        kinds = [part["type"] for part in sample["sequence_plan"]]
        group, row = sample["data_indexes"]["data_indexes"]
        yield {
            "text": run.tokenizer.texts[-1],
            "inputs": kinds.count("vit_image"),
            "output": kinds[-1] == "vae_image",
            "row": [*dataset.data_paths_per_rank[group], row],
        }


def records(run: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same rows of the Parquet files."""
    import pyarrow.parquet as pq

    for row in rows:
        file, group, place = row["row"]
        record = pq.ParquetFile(file).read_row_group(group).slice(place, 1).to_pylist()[0]
        yield {"text": record["instruction"], "inputs": len(record["image_list"]) - 1}
