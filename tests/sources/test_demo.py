"""The demo: deterministic, and each output truly made of its inputs."""

import io
import re

import pytest
from PIL import Image, ImageChops

from mico_150k.build.plan import make_plan
from mico_150k.core.sample import Sample
from mico_150k.core.task import Task
from mico_150k.sources.demo import DemoFile, DemoSource, _sample
from mico_150k.sources.drawing import SCENE_SIDES
from mico_150k.sources.validate import RowValidator


def test_a_few_dozen_samples_of_all_tasks_and_two_to_six_inputs() -> None:
    rows = list(DemoFile().read())
    assert len(rows) == 40
    assert {row.task for row in rows} == set(Task) - {Task.UNKNOWN}
    assert {len(row.inputs) for row in rows} == {2, 3, 4, 5, 6}
    assert len({row.id for row in rows}) == len(rows)


def test_instructions_name_every_input_by_its_number() -> None:
    for row in DemoFile().read():
        named = {int(number) for number in re.findall(r"image (\d+)", row.instruction or "")}
        assert named == set(range(1, len(row.inputs) + 1))


def test_a_plan_draws_nothing_and_knows_how_large_all_is(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = sum(row.num_bytes for row in DemoFile().read())
    assert DemoFile().image_bytes == pytest.approx(drawn, rel=0.1)
    content = DemoFile().content_hash

    def draw(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("mico_150k.sources.demo._sample", draw)
    plan = make_plan(DemoSource())
    assert (plan.rows, plan.image_bytes) == (40, DemoFile().image_bytes)
    assert plan.files[0].content_hash == content


def test_every_sample_is_clean() -> None:
    for result in RowValidator().examine(DemoFile().read()):
        assert isinstance(result, Sample)
        assert not any(result.actions)


@pytest.mark.slow
def test_drawn_again_it_has_the_same_bytes() -> None:
    first = list(DemoFile().read())
    _sample.cache_clear()
    assert list(DemoFile().read()) == first


def test_the_output_is_the_last_inputs_scene_with_something_in_it() -> None:
    for row in DemoFile().read():
        scene = Image.open(io.BytesIO(row.inputs[-1])).convert("RGB")  # type: ignore[arg-type]
        output = Image.open(io.BytesIO(row.output)).convert("RGB")  # type: ignore[arg-type]
        assert scene.size == output.size == SCENE_SIDES
        difference = ImageChops.difference(scene, output).convert("L")
        near = sum(difference.histogram()[:20]) / (scene.width * scene.height)
        assert 0.5 < near < 0.999
