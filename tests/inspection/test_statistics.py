"""What is counted over an index."""

from pathlib import Path

import pyarrow as pa
import pytest

from mico_150k.core.errors import BrokenFile
from mico_150k.dataset.reader import open_dataset
from mico_150k.inspection.statistics import make_statistics

from ..factories import Case


def index_of(rows: list[dict[str, object]]) -> pa.Table:
    """An index of rows given by inputs, outputs and words; all else is filled in."""
    filled = []
    for row in rows:
        sizes = row.get("sizes") or [(64, 48)] * (len(row["digests"]))  # type: ignore[arg-type]
        filled.append(
            {
                "id": "hoi/1",
                "task": "hoi",
                "subtask": "",
                "num_inputs": len(row["digests"]) - 1,  # type: ignore[arg-type]
                "instruction": "x",
                "widths": [width for width, _ in sizes],  # type: ignore[attr-defined]
                "heights": [height for _, height in sizes],  # type: ignore[attr-defined]
                "formats": ["PNG"] * len(row["digests"]),  # type: ignore[arg-type]
                "actions": [""] * len(row["digests"]),  # type: ignore[arg-type]
                "overlap": "",
                **{name: value for name, value in row.items() if name != "sizes"},
            }
        )
    return pa.Table.from_pylist(filled)


def test_counts_of_a_dataset_are_those_of_what_it_was_built_of(
    dataset: Path, samples: list[Case]
) -> None:
    found = make_statistics(open_dataset(dataset).index())
    assert found.rows == len(samples)
    assert sum(found.tasks.values()) == len(samples)
    for task, rows in found.inputs.items():
        of_task = [len(case.inputs) for case in samples if case.task == task]
        assert rows == {str(n): of_task.count(n) for n in sorted(set(of_task))}
    inputs = [image for case in samples for image in case.inputs]
    assert found.input_images.images == len(inputs)
    assert found.output_images.images == len(samples)
    assert found.reuse.different_inputs == len(set(inputs))
    assert found.reuse.most == max(map(inputs.count, inputs))
    assert sum(found.reuse.uses.values()) == len(set(inputs))
    assert found.instructions.characters["most"] == max(len(case.instruction) for case in samples)
    assert found.instructions.naming == len(samples)


def test_inputs_and_outputs_are_told_apart() -> None:
    found = make_statistics(
        index_of(
            [
                {"digests": ["a", "b", "o"], "sizes": [(100, 100), (200, 100), (512, 512)]},
                {
                    "digests": ["a", "o"],
                    "sizes": [(100, 100), (1024, 512)],
                    "actions": ["alpha+palette", ""],
                },
            ]
        )
    )
    assert found.input_images.sizes == [(100, 100, 2), (200, 100, 1)]
    assert {aspect: n for aspect, n in found.output_images.aspects.items() if n} == {
        "1:1": 1,
        "2:1": 1,
    }
    assert found.output_images.long_side["most"] == 1024
    assert found.reuse.uses == {"1": 1, "2": 1, "3": 0, "4": 0, "5–8": 0, "9–16": 0, "17+": 0}
    assert found.reuse.repeated_outputs == 2
    assert found.re_encoded == {"alpha": 1, "palette": 1}
    assert found.re_encoded_images == 1


def test_rows_that_are_marked_as_in_the_benchmark_are_counted() -> None:
    rows = [{"digests": ["a", "o"], "overlap": mark} for mark in ("", "same output as hoi/1")]
    assert make_statistics(index_of(rows)).in_bench == 1


def test_an_instruction_that_names_a_missing_input_is_counted() -> None:
    words = ["image 2", "image 3", "the third image", "nothing"]
    found = make_statistics(
        index_of([{"digests": ["a", "b", "o"], "instruction": text} for text in words])
    )
    assert (found.instructions.naming, found.instructions.dangling) == (3, 2)
    assert found.instructions.histogram == {"0": 4}


def test_no_rows_are_no_error(dataset: Path) -> None:
    found = make_statistics(open_dataset(dataset).index().slice(0, 0))
    assert found.rows == 0
    assert found.reuse.mean == 0
    assert found.input_images.sizes == []


def test_lists_that_do_not_fit_are_said_with_their_row() -> None:
    index = index_of([{"digests": ["a", "o"]}, {"digests": ["a", "o"], "widths": [1, 2, 3]}])
    with pytest.raises(BrokenFile, match="index, row 1: widths has 3 values"):
        make_statistics(index)
