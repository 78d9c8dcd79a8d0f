"""How many workers a build gets, and when it is refused."""

import pytest

from mico_150k.build import forecast
from mico_150k.build.forecast import building_memory, choose_workers
from mico_150k.build.plan import Plan, make_plan
from mico_150k.core.errors import MemoryTooSmall
from mico_150k.sources import Source, open_source

from ..factories import cases, write_release

GB = 10**9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A machine with eight cores and 64 GB; what a test writes into it, it has."""
    has = {"cores": 8, "memory": 64 * GB}
    monkeypatch.setattr(forecast, "cores", lambda: has["cores"])
    monkeypatch.setattr(forecast, "free_memory", lambda: has["memory"])
    monkeypatch.setattr(forecast, "BYTES_WORTH_A_WORKER", 1)
    return has


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("source") / "release"
    return open_source(str(write_release(folder, cases(8), rows_per_file=2)))


@pytest.fixture(scope="module")
def plan(source: Source) -> Plan:
    return make_plan(source, shard_bytes=30_000)


def test_a_worker_for_each_core(machine: dict[str, int], source: Source, plan: Plan) -> None:
    assert choose_workers(source, plan) == 8
    machine["cores"] = 3
    assert choose_workers(source, plan) == 3


def test_no_more_workers_than_memory_for_them(
    machine: dict[str, int], source: Source, plan: Plan
) -> None:
    machine["memory"] = building_memory(source, plan, 3)
    assert choose_workers(source, plan) == 3
    machine["memory"] -= 1
    assert choose_workers(source, plan) == 2
    machine["memory"] = 64 * GB
    assert choose_workers(source, plan, max_memory=building_memory(source, plan, 5)) == 5


def test_no_more_workers_than_units(machine: dict[str, int], source: Source) -> None:
    assert machine["cores"] > 1
    assert choose_workers(source, make_plan(source)) == 1


def test_a_small_source_is_not_worth_a_process(
    machine: dict[str, int], source: Source, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "BYTES_WORTH_A_WORKER", 500 << 20)
    assert machine["cores"] > 1
    assert choose_workers(source, plan) == 1
    assert choose_workers(source, plan, asked=4) == 4


def test_workers_that_need_more_than_there_is_are_refused_with_the_reason(
    machine: dict[str, int], source: Source, plan: Plan
) -> None:
    machine["memory"] = building_memory(source, plan, 2)
    with pytest.raises(
        MemoryTooSmall, match="are free on this machine.*largest pages.*\nUse --workers 2"
    ):
        choose_workers(source, plan, asked=4)


def test_a_limit_below_one_worker_is_refused(
    machine: dict[str, int], source: Source, plan: Plan
) -> None:
    with pytest.raises(
        MemoryTooSmall,
        match=r"--max-memory allows 100 MB.*part-\d\.parquet.*\nA single worker needs",
    ):
        choose_workers(source, plan, max_memory=GB // 10)
    machine["memory"] = GB // 10
    # The machine's own word is an estimate, which one worker may try.
    assert choose_workers(source, plan) == 1


def test_what_workers_hold_is_more_for_each(source: Source, plan: Plan) -> None:
    needs = [building_memory(source, plan, workers) for workers in (1, 2, 3)]
    largest = max(file.memory for file in source.files)
    assert needs[1] - needs[0] > largest
    assert needs[2] - needs[1] >= largest
