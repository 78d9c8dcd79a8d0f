"""The card's YAML is what `datasets` and the Hub read; its text says what is true."""

import json
import re
from pathlib import Path

import pytest
import yaml
from datasets import Features
from huggingface_hub import DatasetCard

from mico_150k import names
from mico_150k.build import Build, BuildOptions
from mico_150k.card import COLUMNS
from mico_150k.check import read_header
from mico_150k.columns import features
from mico_150k.sources import open_source


@pytest.fixture(scope="module")
def card(dataset: Path) -> str:
    return (dataset / names.CARD).read_text()


def test_the_header_is_valid_and_names_every_configuration(card: str) -> None:
    data = DatasetCard(card).data
    assert [config["config_name"] for config in data["configs"]] == [
        "default", "bagel", "blip3o", "dimoo", "omnigen2", "sample", "index",
    ]  # fmt: skip
    assert [config.get("default", False) for config in data["configs"]] == [True] + [False] * 6


def test_counts_and_sizes_are_those_of_the_files(dataset: Path, card: str) -> None:
    for info in DatasetCard(card).data["dataset_info"]:
        files = list((dataset / info["config_name"]).iterdir())
        assert info["splits"][0]["num_examples"] == 24
        assert info["download_size"] == sum(path.stat().st_size for path in files)
        assert info["dataset_size"] == info["splits"][0]["num_bytes"] > 0


def test_features_are_those_that_datasets_reads_of_the_same_yaml(card: str) -> None:
    for info in DatasetCard(card).data["dataset_info"]:
        if hasattr(Features, "_from_yaml_list"):
            read = Features._from_yaml_list(info["features"])
            expected = features(COLUMNS[info["config_name"]])
            assert read.arrow_schema.equals(expected.arrow_schema)


def test_without_default_the_first_configuration_is_it(release: Path, tmp_path: Path) -> None:
    options = BuildOptions(configs=("omnigen2", "bagel"))
    Build.prepare(open_source(str(release)), tmp_path, options).run()
    header = read_header(tmp_path / names.CARD)
    assert header is not None
    assert [config.get("default") for config in header["configs"]] == [True, None, None]


def test_the_text_counts_rows_and_images(dataset: Path, card: str) -> None:
    report = json.loads((dataset / names.REPORT).read_text())
    assert "24 rows were read, 24 written and 0 left out." in card
    images = report["images"]["hoi"]
    assert f"| hoi | 6 | {images['passed']} | {images['changed']} |" in card


def test_code_in_the_text_runs(
    dataset: Path, card: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(dataset.parent)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert blocks
    for block in blocks:
        scope: dict[str, object] = {}
        exec(block, scope)
        assert next(iter(scope["rows"]))  # type: ignore[call-overload]


def test_tables_have_as_many_cells_in_every_row(card: str) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", card, re.MULTILINE)
    assert len(tables) >= 2
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_header_is_written_by_a_yaml_library(card: str) -> None:
    header = card.split("---\n")[1]
    assert yaml.safe_load(header)["pretty_name"] == "MICo-150K"
