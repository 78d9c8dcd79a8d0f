"""MICo-Bench: its four files in their own spellings become rows of one kind."""

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from mico_150k.core.errors import (
    BrokenFile,
    DuplicateIds,
    EmptySource,
    MicoError,
    PathOutsideSource,
    SourceNotFound,
    UnknownShape,
)
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import SkippedRow
from mico_150k.refine.benchmark import Bench, BenchCase, one_spelling

from ..factories import BENCH_FILES, cases, encode, picture, write_bench, write_json


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "MICo-Bench", cases(2))


def lines(bench: Path, task: str = "hoi") -> list[dict[str, Any]]:
    text = (bench / f"mico_bench_{task}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_every_case_has_the_same_fields_whatever_its_files_spelling(bench: Path) -> None:
    found = {case.id: case for case in Bench.open(str(bench)).cases()}
    expected = {f"{case.task}/{case.id}": case for case in cases(2)}
    assert found.keys() == expected.keys()
    for case_id, case in found.items():
        assert isinstance(case, BenchCase)
        assert case.instruction == expected[case_id].instruction
        assert [image.data for image in case.inputs] == list(expected[case_id].inputs)
        assert case.output.data == expected[case_id].output
    de_re, hoi = found["de_re/1"], found["hoi/1"]
    assert isinstance(de_re, BenchCase)
    assert isinstance(hoi, BenchCase)
    assert (de_re.editing_type, hoi.editing_type) == ("", "1 human + 2 clothes + 1 object")
    assert de_re.refined_instruction == f"{de_re.instruction}, refined"
    assert (hoi.refined_instruction, hoi.human_indices) == ("", (0,))


@pytest.mark.parametrize(
    ("spelled", "one"),
    [
        ("Human + 4 Clothes", "1 human + 4 clothes"),
        ("1 Human + 1 Object", "1 human + 1 object"),
        ("Human + 2 Clothes + 2 Object", "1 human + 2 clothes + 2 objects"),
        ("Object + Scene", "1 object + 1 scene"),
        ("1 Object + Scene", "1 object + 1 scene"),
        ("2 Objects", "2 objects"),
        ("2 Persons", "2 humans"),
        ("2 male characters and 1 female character", "2 men + 1 woman"),
        ("3 female characters", "3 women"),
        ("", ""),
        ("Something Else + Scene", "Something Else + Scene"),
    ],
)
def test_a_kind_of_case_has_one_spelling(spelled: str, one: str) -> None:
    assert one_spelling(spelled) == one
    assert one_spelling(one) == one


SPELLINGS: dict[str, dict[str | None, int]] = {
    "object_centric": {
        "2 Objects": 25, "3 Objects": 25, "4 Objects": 25, "5 Objects": 25, "2 Object + Scene": 20,
        "Object + Scene": 11, "1 Object + Scene": 7,
    },
    "human_centric": {
        "2 Persons": 45, "1 Human + Scene": 33, "2 Human + Scene": 30, "3 male characters": 15,
        "3 female characters": 15, "2 male characters and 1 female character": 15,
        "1 male character and 2 female characters": 15,
    },
    "hoi": {
        "Human + 4 Clothes": 48, "Human + 2 Clothes + 2 Object": 39,
        "Human + 1 Clothes + 1 Object": 30, "1 Human + 1 Object": 25, "1 Human + 2 Object": 25,
        "2 Human + 1 Object": 25, "2 Human + 2 Object": 25, "Human + 2 Clothes": 18,
        "Human + 1 Clothes + 2 Object": 18, "Human + 1 Clothes": 17, "Human + 3 Clothes": 16,
        "Human + 2 Clothes + 1 Object": 5,
    },
    "de_re": {None: 300},
}  # fmt: skip
"""Every spelling in the four files of MICo-Bench, and how many cases have it."""


def test_all_897_cases_of_the_benchmarks_shape_are_read(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encode(picture(number, (32, 24))))
    for task, spellings in SPELLINGS.items():
        kinds = chain.from_iterable([spelling] * count for spelling, count in spellings.items())
        samples = [
            {
                "ed_idx" if task == "de_re" else "idx": number,
                "Task": BENCH_FILES[task][0],
                **({} if kind is None else {"editing_type": kind}),
                "prompt": "Put image 1 into image 2.",
                "input": ["0.png", "1.png"],
                "reference": "2.png",
                "human_indices": [],
            }
            for number, kind in enumerate(kinds)
        ]
        write_json(tmp_path / f"mico_bench_{task}.jsonl", samples)
    found = [case for case in Bench.open(str(tmp_path)).cases() if isinstance(case, BenchCase)]
    assert Counter(case.task.value for case in found) == {
        "object_centric": 138, "human_centric": 168, "hoi": 291, "de_re": 300,
    }  # fmt: skip
    assert sum(len(spellings) for spellings in SPELLINGS.values()) - 1 == 26
    kinds_found = Counter(case.editing_type for case in found)
    # Two of the 26 are one kind: "Object + Scene" and "1 Object + Scene".
    assert kinds_found.pop("") == 300
    assert len(kinds_found) == 25
    assert kinds_found["1 object + 1 scene"] == 18
    assert kinds_found["2 men + 1 woman"] == 15
    assert all(re.fullmatch(r"\d [a-z]+( \+ \d [a-z]+)*", kind) for kind in kinds_found)


def test_a_case_that_lacks_an_image_is_left_out_with_its_reason(bench: Path) -> None:
    (bench / lines(bench)[1]["input"][0]).unlink()
    left_out = [case for case in Bench.open(str(bench)).cases() if isinstance(case, SkippedRow)]
    (case,) = left_out
    assert (case.id, case.reason, case.image) == ("hoi/1", Reason.FILE_MISSING, 1)


def test_images_may_lie_beside_the_folder_of_the_lines(bench: Path) -> None:
    (bench / "jsonl").mkdir()
    for path in bench.glob("*.jsonl"):
        path.rename(bench / "jsonl" / path.name)
    found = list(Bench.open(str(bench)).cases())
    assert len(found) == 8
    assert all(isinstance(case, BenchCase) for case in found)


def change(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda line: line.update({key: value})


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (change("Task", "Painting"), BrokenFile, "its Task 'Painting' is not a task"),
        (change("Task", 7), BrokenFile, "its Task 7"),
        (change("input", "one.png"), BrokenFile, "its input cannot be 'one.png'"),
        (change("prompt", ["x"]), BrokenFile, "its prompt cannot be"),
        (change("human_indices", [9]), BrokenFile, "its human_indices cannot be '[9]'"),
        (change("human_indices", [True]), BrokenFile, "human_indices"),
        (change("idx", 1), DuplicateIds, "'hoi/1' appears twice"),
        (lambda line: line.pop("reference"), UnknownShape, "row 0: not a case of MICo-Bench"),
        (lambda line: line.pop("idx"), UnknownShape, "idx or ed_idx; this one has"),
    ],
)
def test_a_line_that_is_no_case_is_named(
    bench: Path, damage: Callable[[dict[str, Any]], object], error: type[MicoError], said: str
) -> None:
    changed = lines(bench)
    damage(changed[0])
    write_json(bench / "mico_bench_hoi.jsonl", changed)
    with pytest.raises(error) as raised:
        Bench.open(str(bench))
    assert said in str(raised.value)
    assert "mico_bench_hoi.jsonl" in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[[[[" * 100_000, "[1]\n", "\x00"])
def test_a_file_that_is_no_jsonl_is_named(bench: Path, text: str) -> None:
    (bench / "mico_bench_hoi.jsonl").write_text(text)
    with pytest.raises((BrokenFile, UnknownShape), match="mico_bench_hoi.jsonl"):
        Bench.open(str(bench))


def test_where_there_is_no_benchmark_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(EmptySource, match="not MICo-Bench"):
        Bench.open(str(tmp_path))
    with pytest.raises(SourceNotFound):
        Bench.open(str(tmp_path / "nowhere"))


def test_a_path_may_not_lead_out_of_the_folder(bench: Path) -> None:
    changed = lines(bench)
    changed[0]["reference"] = "../../secret.png"
    write_json(bench / "mico_bench_hoi.jsonl", changed)
    with pytest.raises(PathOutsideSource):
        list(Bench.open(str(bench)).cases())
