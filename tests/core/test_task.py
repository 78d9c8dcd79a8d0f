"""Folders of any spelling lead to the four tasks, and a person's word goes before them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.errors import UsageError
from mico_150k.core.task import (
    Task,
    parse_task_map,
    task_by_rule,
    task_by_spelling,
    task_from_spelling,
)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("Decompose_and_Recompose", Task.DE_RE),
        ("Decompose&Recompose", Task.DE_RE),
        ("decompose-recompose", Task.DE_RE),
        ("DeRe", Task.DE_RE),
        ("dere", Task.DE_RE),
        ("De&Re", Task.DE_RE),
        ("de_re", Task.DE_RE),
        ("Human_Object_Interaction", Task.HOI),
        ("HumanObjectInteraction", Task.HOI),
        ("human-object interaction", Task.HOI),
        ("HOI", Task.HOI),
        ("hoi_00", Task.HOI),
        ("person+clothes", Task.HOI),
        ("Human_Centric", Task.HUMAN_CENTRIC),
        ("humancentric", Task.HUMAN_CENTRIC),
        ("Human-centric Tasks", Task.HUMAN_CENTRIC),
        ("person_scene", Task.HUMAN_CENTRIC),
        ("Object_Centric", Task.OBJECT_CENTRIC),
        ("ObjectCentric", Task.OBJECT_CENTRIC),
        ("object+scene", Task.OBJECT_CENTRIC),
        ("train", None),
        ("data", None),
        ("ordered", None),
        ("manifests", None),
        ("decompressed", None),
        ("recompiled", None),
        ("interactive", None),
        ("personal", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_spelling_names_its_task(name: str, task: Task | None) -> None:
    assert task_from_spelling(name) is task


@given(st.text())
def test_no_spelling_is_an_error_and_none_is_unknown(name: str) -> None:
    assert task_from_spelling(name) is not Task.UNKNOWN


def test_what_lies_deeper_goes_before_what_lies_above() -> None:
    assert task_by_spelling("hoi/object_centric.parquet") is Task.OBJECT_CENTRIC
    assert task_by_spelling("object_store/HOI/part-0.parquet") is Task.HOI
    assert task_by_spelling("HOI/raw/part-0.parquet", "Human_Centric") is Task.HOI
    assert task_by_spelling("data/object_centric.parquet", "human") is Task.OBJECT_CENTRIC
    assert task_by_spelling("data/part.parquet", "Human_Centric") is Task.HUMAN_CENTRIC


@pytest.mark.parametrize("rule", ["People", "People/a", "People/a/part-0.parquet", "part-*", "*"])
def test_rule_speaks_for_folders_files_and_patterns(rule: str) -> None:
    rules = parse_task_map([f"{rule}=human_centric"])
    assert task_by_rule("People/a/part-0.parquet", rules) is Task.HUMAN_CENTRIC


def test_rule_that_is_a_name_with_a_bracket_speaks_for_it() -> None:
    assert task_by_rule("a [1]/part.parquet", {"a [1]": Task.HOI}) is Task.HOI


def test_rules_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="'People' already has the task hoi"):
        parse_task_map(["People=hoi", "People/=de_re"])


def test_rule_does_not_speak_for_a_folder_that_only_begins_like_it() -> None:
    assert task_by_rule("People2/part.parquet", {"People": Task.HOI}) is None


@pytest.mark.parametrize("rule", ["People", "People=", "=hoi", "People=people"])
def test_malformed_rule_is_refused_with_the_tasks(rule: str) -> None:
    with pytest.raises(UsageError, match="human_centric"):
        parse_task_map([rule])
