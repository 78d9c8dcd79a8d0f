"""Each configuration has exactly its trainer's columns, and a round trip loses nothing."""

from dataclasses import replace

import pytest
from datasets import Features
from mico_150k.builders import BUILDERS, get_builder

from mico_150k.core.columns import card_features, features
from mico_150k.core.errors import UnknownConfig
from mico_150k.core.sample import Image, Sample
from mico_150k.sources.demo import DemoFile
from mico_150k.sources.validate import RowValidator

from ..factories import sample_of

COLUMNS = {
    "bagel": ["image_list", "instruction"],
    "blip3o": ["input_images", "output_image", "instruction"],
    "dimoo": ["image_path", "edit_path", "prompt"],
    "omnigen2": ["task_type", "instruction", "input_images", "output_image"],
    "default": [
        "id", "source_id", "task", "subtask", "num_inputs", "instruction", "input_images",
        "output_image", "widths", "heights", "formats", "digests", "actions",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def demo() -> list[Sample]:
    results = list(RowValidator().examine(DemoFile().read()))
    return [result for result in results if isinstance(result, Sample)]


def without_actions(sample: Sample) -> Sample:
    def plain(image: Image) -> Image:
        return replace(image, data=bytes(image.data), actions=())

    return replace(sample, inputs=tuple(map(plain, sample.inputs)), output=plain(sample.output))


def test_the_designs_configurations_have_exactly_these_columns() -> None:
    found = {name: list(builder.columns) for name, builder in BUILDERS.items()}
    assert {name: found[name] for name in COLUMNS} == COLUMNS
    assert list(found) == ["default", *sorted(found.keys() - {"default"})]


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownConfig, match=", ".join(BUILDERS)):
        get_builder("flux")


@pytest.mark.parametrize("name", BUILDERS)
def test_a_round_trip_loses_nothing_that_the_row_can_hold(name: str, demo: list[Sample]) -> None:
    builder = get_builder(name)
    for sample in demo:
        again = sample_of(
            builder, builder.row(sample), task=sample.task, source_id=sample.source_id
        )
        held = {column.attribute for column in builder.columns.values()}
        expected = without_actions(sample)
        assert again == (expected if "subtask" in held else replace(expected, subtask=""))


def test_default_keeps_the_causes_of_normalisation(demo: list[Sample]) -> None:
    builder = get_builder("default")
    image = replace(demo[0].output, actions=("alpha", "palette"))
    again = sample_of(builder, builder.row(replace(demo[0], output=image)))
    assert again.output.actions == ("alpha", "palette")


def test_bagel_puts_the_output_last_and_inputs_in_order(demo: list[Sample]) -> None:
    row = get_builder("bagel").row(demo[3])
    expected = [bytes(image.data) for image in (*demo[3].inputs, demo[3].output)]
    assert [cell["bytes"] for cell in row["image_list"]] == expected


def test_omnigen2s_task_type_is_edit(demo: list[Sample]) -> None:
    assert {get_builder("omnigen2").row(sample)["task_type"] for sample in demo} == {"edit"}


@pytest.mark.parametrize("name", BUILDERS)
def test_features_are_known_to_the_installed_datasets(name: str) -> None:
    columns = get_builder(name).columns
    found = features(columns)
    assert isinstance(found, Features)
    assert list(found) == list(columns)
    assert [feature["name"] for feature in card_features(columns)] == list(columns)
    for value in found.values():
        inner = getattr(value, "feature", value)
        assert type(inner).__name__ in {"Image", "Value"}
