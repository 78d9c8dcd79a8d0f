"""The plan: known names and numbers, all tasks in turn, every row once, the same each time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.build.plan import MOST_FILES, Plan, make_plan, merge_in_proportion
from mico_150k.core.errors import DuplicateIds
from mico_150k.core.task import Task

MB = 1 << 20


@dataclass(frozen=True)
class File:
    """A file of a source, as far as a plan looks."""

    name: str
    rows: int
    image_bytes: int
    task: Task
    first_id: int = 0
    content_hash: str = ""
    mtime_token: str = ""
    memory: int = 0

    def identities(self) -> Iterator[tuple[Task, str]]:
        for row in range(self.rows):
            yield self.task, str(self.first_id + row)


@dataclass(frozen=True)
class Source:
    """A source, as far as a plan looks."""

    files: tuple[File, ...]
    kind: str = "test"
    location: str = ""


def plan(files: list[File], shard_mb: int = 500, seed: int = 0) -> Plan:
    return make_plan(Source(tuple(files)), shard_bytes=shard_mb * MB, seed=seed)  # type: ignore[arg-type]


TASKS = [Task.OBJECT_CENTRIC, Task.HUMAN_CENTRIC, Task.HOI, Task.DE_RE]
numbered = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 3000), st.sampled_from(TASKS)), max_size=14
).map(
    lambda files: [
        File(f"f{n}", rows, size * MB, task, first_id=1000 * n)
        for n, (rows, size, task) in enumerate(files)
    ]
)


@given(numbered, st.integers(1, 5000))
def test_every_row_is_planned_once_and_shards_are_numbered_without_a_gap(
    files: list[File], shard_mb: int
) -> None:
    planned = plan(files, shard_mb)
    places = [place for unit in planned.units for place in unit.files]
    assert sorted(places) == [place for place, file in enumerate(files) if file.rows]
    numbers = [shard.number for unit in planned.units for shard in unit.shards]
    assert sorted(numbers) == list(range(planned.shards))
    for unit in planned.units:
        rows = sum(files[place].rows for place in unit.files)
        assert sum(shard.rows for shard in unit.shards) == rows
        assert all(shard.rows for shard in unit.shards)


@given(numbered, st.integers(0, 3))
def test_the_same_source_gives_the_same_plan(files: list[File], seed: int) -> None:
    assert plan(files, seed=seed) == plan(files, seed=seed)


def test_a_large_file_becomes_shards_of_consecutive_rows() -> None:
    (unit,) = plan([File("big", 1000, 2600 * MB, Task.HOI)]).units
    assert unit.files == (0,)
    assert [shard.rows for shard in unit.shards] == [200] * 5


def test_small_files_of_all_tasks_are_read_together() -> None:
    files = [
        File(f"{task}-{n}", 50, 100 * MB, task, first_id=50 * n) for task in TASKS for n in range(5)
    ]
    planned = plan(files)
    assert len(planned.units) == 4
    for unit in planned.units:
        assert {files[place].task for place in unit.files} == set(TASKS)
        assert len(unit.shards) == 1


def test_no_more_files_are_read_together_than_may_be_open() -> None:
    small = [File(f"f{n}", 1, 0, Task.HOI, first_id=n) for n in range(1300)]
    large = [File(f"g{n}", 9, 100 * MB, Task.DE_RE, first_id=9 * n) for n in range(40)]
    for files in (small, [*small, *large]):
        counts = [len(unit.files) for unit in plan(files).units]
        assert sum(counts) == len(files)
        assert max(counts) <= MOST_FILES
    sizes = [sum(files[place].image_bytes for place in unit.files) for unit in plan(files).units]
    assert max(sizes) <= 600 * MB


def test_shards_of_all_tasks_come_in_turn() -> None:
    files = [File(str(task), 100 * n, 500 * n * MB, task) for n, task in enumerate(TASKS, 2)]
    planned = plan(files)
    task_of = {
        shard.number: files[unit.files[0]].task for unit in planned.units for shard in unit.shards
    }
    halves = [Counter(task_of[number] for number in half) for half in (range(7), range(7, 14))]
    assert all(abs(halves[0][task] - halves[1][task]) <= 2 for task in TASKS)
    other = plan(files, seed=1)
    assert {s.number for u in planned.units for s in u.shards} == set(range(14))
    assert other.units != planned.units


@given(st.lists(st.integers(0, 30), max_size=6))
def test_files_are_merged_so_that_at_every_point_each_is_as_far_as_the_others(
    rows: list[int],
) -> None:
    order = list(merge_in_proportion(rows))
    assert Counter(order) == Counter({n: count for n, count in enumerate(rows) if count})
    for end in range(len(order) + 1):
        taken = Counter(order[:end])
        for place, count in enumerate(rows):
            assert abs(taken[place] - count * end / max(1, len(order))) < len(rows) + 1


def test_an_id_that_comes_twice_is_named_with_both_places_before_anything_is_written() -> None:
    files = [File("a", 5, MB, Task.HOI), File("b", 5, MB, Task.HOI, first_id=4)]
    with pytest.raises(DuplicateIds) as error:
        plan(files)
    assert "'hoi/4' appears twice: a, row 4 and b, row 0" in str(error.value)
    assert "--map id=@row" in str(error.value)


def test_an_id_may_come_again_in_another_task() -> None:
    plan([File("a", 5, MB, Task.HOI), File("b", 5, MB, Task.DE_RE)])


def test_the_sample_has_all_tasks_in_proportion() -> None:
    sizes = {Task.HOI: 5000, Task.DE_RE: 2500, Task.HUMAN_CENTRIC: 2499, Task.OBJECT_CENTRIC: 1}
    planned = plan([File(str(task), rows, MB, task) for task, rows in sizes.items()])
    assert planned.sample_rows == {
        Task.HOI: 500, Task.DE_RE: 250, Task.HUMAN_CENTRIC: 250, Task.OBJECT_CENTRIC: 0,
    }  # fmt: skip
    for task, rows in planned.sample_rows.items():
        candidates = planned.sample[task]
        assert len(set(candidates)) == len(candidates) >= min(rows + 1, sizes[task])
        assert all(candidate.startswith(f"{task}/") for candidate in candidates)


def test_the_sample_of_a_small_source_is_all_of_it() -> None:
    planned = plan([File("a", 30, MB, Task.HOI)])
    assert planned.sample_rows == {Task.HOI: 30}
    assert set(planned.sample[Task.HOI]) == {f"hoi/{row}" for row in range(30)}


def test_what_is_left_out_later_moves_no_shard() -> None:
    # Nothing of the plan depends on what is in an image: it is made of headers alone.
    file = File("a", 100, 1200 * MB, Task.HOI)
    assert plan([file]).units == plan([replace(file, content_hash="other")]).units
