"""The facts about each trainer's clone: complete, of known keys, and true of a clone at hand."""

import ast
import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from mico_150k.builders import TRAINERS

from mico_150k.smoke import facts
from mico_150k.smoke.imports import foreign_imports
from mico_150k.smoke.workspace import commit_of
from mico_150k.trainers.patches import PATCHES

CLONES = os.environ.get("MICO_CLONES", "")
"""A folder with a clone of each trainer, under the trainer's name."""


@pytest.mark.parametrize("name", facts.known())
def test_facts_are_complete(name: str) -> None:
    found = facts.load(name, {})
    assert name in TRAINERS
    assert len(found.commit) == 40
    assert found.patch in ({"required", "optional"} if name in PATCHES else {"none"})
    assert set(found.also) | set(found.needs_gpu) <= set(found.imports)
    assert {model.kind for model in found.models} <= {"folder", "file", "hub", "origins", "export"}
    assert not [model for model in found.models if not (model.option or model.repo or model.get)]
    assert found.step is None or found.step.unit in {"records", "row groups"}


@pytest.mark.parametrize("name", facts.known())
def test_a_reader_has_its_functions_and_needs_nothing_of_ours(name: str) -> None:
    path = facts.reader(facts.load(name, {}).reader or name)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: len(node.args.args) for node in tree.body
                 if isinstance(node, ast.FunctionDef)}  # fmt: skip
    assert {"parse": 1, "read": 2, "records": 2}.items() <= functions.items()
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in modules if str(module).startswith("mico_150k")]


def test_the_guide_names_every_key_and_shows_a_reader() -> None:
    guide = (Path(__file__).parents[2] / "docs/adding-a-trainer.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```py\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    functions = [node.name for node in ast.parse(shown).body if isinstance(node, ast.FunctionDef)]
    assert functions == ["parse", "read", "records"]
    keys = set(re.findall(r"^\| `(\w+)` \|", guide.partition("## 5.")[2], re.MULTILINE))
    assert keys == {field.name for field in fields(facts.Facts)} | {"when"}


def test_every_trainer_has_facts() -> None:
    assert set(facts.known()) == set(TRAINERS)


@pytest.mark.skipif(not CLONES, reason="MICO_CLONES names no folder with trainers' clones")
@pytest.mark.parametrize("name", facts.known())
def test_facts_are_true_of_the_clone(name: str) -> None:
    found, clone = facts.load(name, {}), Path(CLONES, name)
    assert commit_of(clone) == found.commit
    files = (found.script, *(file for file in found.files if file.endswith(".py")))
    imports = foreign_imports(clone, found.roots, files)
    assert {each.package for each in imports} | set(found.also) | set(found.needs_gpu) == set(
        found.imports
    )
    for file in (*found.files, *found.flags.files):
        assert (clone / file).is_file()


PLAIN = yaml.safe_load("""\
commit: abc
variable: X
script: a.py
roots: ["."]
imports: {}
when:
  - {option: model, is: [large, larger], script: b.py, step: {unit: records, factors: [2]}}
  - {option: format, is: [codes], script: c.py}
""")


def test_an_option_of_the_export_replaces_facts() -> None:
    assert facts.parse(PLAIN, {}).script == "a.py"
    larger = facts.parse(PLAIN, {"model": "larger", "format": "codes"})
    assert larger.script == "b.py"
    assert larger.step == facts.Step("records", (2,))
    assert facts.parse(PLAIN, {"model": "small", "format": "codes"}).script == "c.py"


def test_a_key_that_nothing_reads_is_an_error() -> None:
    with pytest.raises(TypeError, match="Facts has no scrpt"):
        facts.parse({**PLAIN, "scrpt": "a.py"}, {})
    with pytest.raises(TypeError, match="Step has no factor"):
        facts.parse({**PLAIN, "step": {"unit": "records", "factor": [1]}}, {})
