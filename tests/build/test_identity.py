"""A build's identity: written out key by key, so that renaming a class changes nothing."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mico_150k.build import build
from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.plan import Plan, PlannedFile, Shard, Unit
from mico_150k.core.identity import json_sha256
from mico_150k.core.task import Task
from mico_150k.sources.shape import Shape

from ..renaming import renamed

FILE = PlannedFile("hoi.parquet", 3, 1000, "c0ffee", {Task.HOI: 2, Task.DE_RE: 1}, "1d5")
PLAN = Plan(
    files=(FILE,),
    units=(Unit((0,), (Shard(1, 2), Shard(0, 1))),),
    sample={Task.HOI: ("hoi/1", "hoi/2"), Task.DE_RE: ("de_re/1",)},
    sample_rows={Task.HOI: 1, Task.DE_RE: 1},
    seed=7,
    shard_bytes=500,
)
SHAPE = Shape(("image_1", "image_2"), False, "output", "instruction", mapped=frozenset({"output"}))
PLAN_SHA256 = "6570f5f0aa17f5315651d720eab2606d1f0d5ef704879fcc195132e6df7bc41f"
IDENTITY_SHA256 = "05d97235d644f89e696561189b107efac954ddadd97c4ca129439ceeaa4aa006"


def identity(monkeypatch: pytest.MonkeyPatch, plan: Any, options: Any) -> dict[str, Any]:
    monkeypatch.setattr(
        build, "versions", lambda: {"mico-150k": "0", "pyarrow": "0", "pillow": "0"}
    )
    files = [SimpleNamespace(shape=shape) for shape in (SHAPE, SHAPE, None)]
    source: Any = SimpleNamespace(kind="parquet", files=files)
    forecast: Any = None
    return Build(source, plan, Path("out"), options, forecast).identity()


def test_a_plan_has_the_identity_that_it_had() -> None:
    assert json_sha256(PLAN.identity()) == PLAN_SHA256


def test_a_build_has_the_identity_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    found = identity(monkeypatch, PLAN, BuildOptions(configs=("bagel", "default"), seed=7))
    assert (found["version"], found["plan"]) == (1, PLAN_SHA256)
    assert json_sha256(found) == IDENTITY_SHA256


def test_renamed_classes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    units = tuple(
        renamed(Unit(unit.files, tuple(map(renamed, unit.shards)))) for unit in PLAN.units
    )
    plan = renamed(Plan((renamed(FILE),), units, PLAN.sample, PLAN.sample_rows, 7, 500))
    plain = SimpleNamespace(identity=lambda: Plan.identity(plan))
    options = renamed(BuildOptions(configs=("bagel", "default"), seed=7))
    assert json_sha256(Plan.identity(plan)) == PLAN_SHA256
    assert json_sha256(identity(monkeypatch, plain, options)) == IDENTITY_SHA256


@pytest.mark.parametrize("seed", [0, 8])
def test_another_seed_is_another_build(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    options = BuildOptions(configs=("bagel", "default"), seed=seed)
    assert json_sha256(identity(monkeypatch, PLAN, options)) != IDENTITY_SHA256
