"""A validation split: of all tasks, the same for the same seed, and cheap."""

import random
import re

import pytest

from mico_150k.core.errors import TooManyLost
from mico_150k.refine.assignment import Row
from mico_150k.refine.validation_split import choose_validation

TASKS = {"hoi": 600, "de_re": 300, "human_centric": 100}


def rows(seed: int = 1, uses: int = 4) -> list[tuple[int, Row]]:
    """Rows whose inputs are drawn from a pool, so that an image is used about `uses` times."""
    rng = random.Random(seed)
    pool = [f"image {number}" for number in range(3 * sum(TASKS.values()) // uses)]
    made = []
    for task, count in TASKS.items():
        for number in range(count):
            digests = (*rng.sample(pool, 2 + number % 3), f"output {task} {number}")
            made.append((len(made), Row("train", 0, len(made), f"{task}/{number}", task, digests)))
    return made


def test_every_task_and_number_of_inputs_has_its_share_and_no_image_is_shared() -> None:
    every = rows()
    taken, lost = choose_validation(every, 20, seed=0, max_loss=0.2)
    assert len(taken) == 20
    tasks = [every[place][1].task for place in taken]
    assert {task: tasks.count(task) for task in TASKS} == {
        "hoi": 12, "de_re": 6, "human_centric": 2,
    }  # fmt: skip
    numbers = [len(every[place][1].inputs) for place in taken if every[place][1].task == "hoi"]
    assert sorted(numbers) == [2] * 4 + [3] * 4 + [4] * 4
    apart = {digest for place in taken for digest in every[place][1].inputs}
    for place, row in every:
        shares = not apart.isdisjoint(row.inputs)
        assert (place in lost) == (shares and place not in taken)


def test_few_rows_are_lost_compared_with_a_split_at_random() -> None:
    every = rows()
    _, lost = choose_validation(every, 20, seed=0, max_loss=1)
    costs = []
    for seed in range(10):
        taken = set(random.Random(seed).sample(range(len(every)), 20))
        apart = {digest for place in taken for digest in every[place][1].inputs}
        costs.append(sum(p not in taken and not apart.isdisjoint(row.inputs) for p, row in every))
    assert len(lost) < 0.6 * sum(costs) / len(costs)


def test_rows_that_are_lost_already_cost_nothing_more() -> None:
    few, many = (len(choose_validation(rows(), size, seed=0, max_loss=1)[1]) for size in (20, 100))
    assert many < 3 * few


def test_a_seed_decides() -> None:
    chosen = [choose_validation(rows(), 20, seed=seed, max_loss=1) for seed in (0, 0, 5)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_row_with_the_same_output_must_go() -> None:
    made = [
        (0, Row("train", 0, 0, "hoi/0", "hoi", ("a", "out"))),
        (1, Row("train", 0, 1, "hoi/1", "hoi", ("b", "out"))),
        (2, Row("train", 0, 2, "hoi/2", "hoi", ("out", "c"))),
    ]
    taken, lost = choose_validation(made, 1, seed=0, max_loss=1)
    assert (taken, lost) == ([2], [])
    taken, lost = choose_validation(made[:2], 1, seed=0, max_loss=1)
    assert sorted(taken + lost) == [0, 1]


def test_a_split_that_costs_too_much_is_refused_with_what_all_of_it_costs() -> None:
    every = rows()
    _, lost = choose_validation(every, 300, seed=0, max_loss=1)
    with pytest.raises(TooManyLost, match="--max-loss allows 5.0%") as raised:
        choose_validation(every, 300, seed=0, max_loss=0.05)
    assert f"--validation 300 costs {len(lost)} of 1,000 rows" in str(raised.value)
    advice = re.search(r"or --max-loss (\d\.\d\d)", str(raised.value))
    assert advice
    choose_validation(every, 300, seed=0, max_loss=float(advice[1]))
