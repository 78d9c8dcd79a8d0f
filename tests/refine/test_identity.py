"""A refinement's identity and its benchmark's: no class name enters, and no order of fields."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from mico_150k.core.identity import json_sha256
from mico_150k.core.reasons import Reason
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.selection import Selection
from mico_150k.refine import refinement
from mico_150k.refine.assignment import Row, RowAssignments
from mico_150k.refine.contamination import BenchRead, CaseDigests
from mico_150k.refine.decide import Decision
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.refine.repack import NewShard
from mico_150k.refine.takedown import Removal

from ..renaming import renamed

CASE = CaseDigests("hoi/1", ("aa", "bb"), "cc")
ENTRY: Any = SimpleNamespace(
    id="hoi/1",
    editing_type="2 humans",
    instruction="Put \ud83d",
    refined_instruction="",
    human_indices=(0, 1),
)
BENCH_SHA256 = "ded28f20ea923deb9ecab1d506a055355d7dfdce8977af5601639f9edafa3d82"
PLAN_SHA256 = "738674267280760051a3635f38b6745e26f07b0555b82ad883ac575dcf9d1515"
IDENTITY_SHA256 = "b7824cf3e768ed8bc80bb1de59faac4f3f09c71e7137fd91594913dacfa43588"


def bench(case: Any = CASE) -> BenchRead:
    read: Any = SimpleNamespace(entries=(ENTRY,))
    return BenchRead(read, (case,), {}, (), 0)


def test_a_benchmark_has_the_identity_that_it_had() -> None:
    assert bench().content_hash == BENCH_SHA256
    assert bench(renamed(CASE)).content_hash == BENCH_SHA256
    assert bench(CaseDigests("hoi/1", ("bb", "aa"), "cc")).content_hash != BENCH_SHA256


def identity(
    monkeypatch: pytest.MonkeyPatch, asked: RefineOptions, new: Any = lambda value: value
) -> dict[str, Any]:
    """Of a refinement whose parts are what `new` makes of them."""
    versions = {"mico-150k": "0", "pyarrow": "0", "pillow": "0"}
    monkeypatch.setattr(refinement, "versions", lambda: versions)
    build = {"options": {"shard_bytes": 500, "seed": 7}}
    manifest: dict[str, Any] = {"configs": {"default": {}, "index": {}}, "build": build}
    rows = [
        new(Row("train", 0, row, f"hoi/{row}", "hoi", (f"a{row}", f"b{row}"))) for row in range(3)
    ]
    assignments = RowAssignments(pa.table({}), rows)
    assignments.leave_out(0, Reason.IN_BENCH, "same output as hoi/1")
    assignments.mark(2, "same inputs as hoi/1")
    shards = (new(NewShard("train", 0, (1, 2), None)), new(NewShard("train", 1, (), ("train", 1))))
    removal = Removal(frozenset({"hoi/9"}), frozenset({"dd"}))
    decision = Decision(assignments, removal, bench())
    dataset = Dataset.of_folder(Path("mico-150k"), manifest)
    options: Any = new(asked)
    if options is not asked:
        plain = RefineOptions.to_dict(options)
        options = SimpleNamespace(to_dict=lambda: plain)
    return Refinement(dataset, Path("out"), options, decision, shards).identity()


OPTIONS = RefineOptions(
    remove=Path("list.txt"), selection=Selection(sample=2, seed=3), bench="bench", exact=True
)


def test_a_refinement_has_the_identity_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    found = identity(monkeypatch, OPTIONS)
    assert (found["version"], found["plan"]) == (1, PLAN_SHA256)
    assert json_sha256(found) == IDENTITY_SHA256


def test_renamed_classes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json_sha256(identity(monkeypatch, OPTIONS, renamed)) == IDENTITY_SHA256


def test_another_validation_split_is_another_refinement(monkeypatch: pytest.MonkeyPatch) -> None:
    other = RefineOptions(remove=OPTIONS.remove, selection=OPTIONS.selection, validation=5)
    assert json_sha256(identity(monkeypatch, other)) != IDENTITY_SHA256
