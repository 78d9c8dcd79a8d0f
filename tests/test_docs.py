"""What the documents say holds: commands work, names are in the code, links lead somewhere."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
import yaml
from datasets import load_dataset
from mico_150k.builders import TRAINERS

from mico_150k.build.build import Build, BuildOptions
from mico_150k.cli.app import app
from mico_150k.core.reasons import Reason
from mico_150k.core.task import Task
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.images.rules import CAUSES
from mico_150k.sources import DEMO, open_source
from mico_150k.trainers.patches import PATCHES

from .clones import CLONES, launch, write_clone
from .pretokenize.material import add_codes

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
GUIDE = DOCS / "training.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MODELS = list(PATCHES)
"""Trainers whose clones are patched: these have a recipe of commands that are run here."""


def name_of(page: Path) -> str:
    """A page as a person names it."""
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: its headings, as GitHub spells them."""
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def section(title: str) -> str:
    """A part of the guide, to the next heading of its level."""
    return re.split(r"^## ", GUIDE.read_text().split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def recipe(model: str) -> str:
    """A trainer's page."""
    return (DOCS / "examples" / f"{model}.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return [code for of, code in BLOCK.findall(text) if of == language]


def lines(model: str) -> list[str]:
    return [line for block in blocks(recipe(model), "sh") for line in block.splitlines()]


def run(command: str, folder: Path) -> str:
    """A line of shell, with this environment's `mico` and `python`."""
    shown = command.replace("mico ", f"{sys.executable} -m mico_150k ", 1)
    done = subprocess.run(
        shown, shell=True, cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "HF_DATASETS_CACHE": str(folder / ".cache")},
    )  # fmt: skip
    assert not done.returncode, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mico-150k` in it, built of the demo, and with codes."""
    folder = tmp_path_factory.mktemp("guide")
    Build.prepare(open_source(DEMO), folder / "mico-150k", BuildOptions()).run()
    add_codes(DatasetFolder(folder / "mico-150k"))  # as `mico pretokenize`, which needs a model
    return folder


def test_every_trainer_has_a_recipe_and_the_guide_names_it() -> None:
    recipes = {page.stem for page in (DOCS / "examples").glob("*.md")}
    assert recipes == set(TRAINERS)
    assert set(re.findall(r"\(examples/([\w-]+)\.md\)", GUIDE.read_text())) == recipes
    for name in recipes:
        assert f"mico export {name} " in recipe(name)
        for known in ("hardware", "disk", "time", "tested"):
            assert f"\n| {known} | " in recipe(name), f"{name}: {known}"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_its_commands_work_one_after_the_other(model: str, place: Path) -> None:
    launched = ""
    for line in lines(model):
        words = line.split()
        if words[0] == "git":
            # The clone that the patch knows, under the name that git would give it.
            repository = PATCHES[model].origin.split()[0]
            assert words[-1] == f"https://github.com/{repository}"
            write_clone(place / repository.partition("/")[2], model)
        elif words[0] != "mico":
            launched = line
        elif words[1] != "pretokenize":
            run(line, place)
    *settings, bash, script = launched.split()
    assert bash == "bash"
    given = dict(setting.split("=") for setting in settings)
    text = (place / script).read_text()
    for name in given:
        assert f"${{{name}:" in text, f"{script} does not read {name}"
    if "MODEL" in given:
        (place / given["MODEL"]).mkdir(parents=True)
    # The demo has fewer rows than an optimizer step of so many GPUs.
    smaller = ["--accum_iter", "1"] if model == "dimoo" else []
    told = launch(place / script, place, *smaller, **given)
    assert told["processes"] == int(given["GPUS"])
    assert told["folder"] == str(place / given[model.upper()])


@pytest.mark.parametrize("model", CLONES)
def test_the_patch_is_in_the_clone_as_its_recipe_names_it(model: str, tmp_path: Path) -> None:
    patch = next(line.split() for line in lines(model) if line.startswith("mico patch"))
    assert patch[2] == model
    write_clone(tmp_path / patch[3], model)
    diff = run(" ".join([*patch, "--dry-run"]), tmp_path)
    run(" ".join(patch), tmp_path)
    assert diff.count("\n--- a/") + 1 == len(PATCHES[model].files)


@pytest.mark.parametrize("model", MODELS)
def test_flags_of_the_trainer_that_the_recipe_names_are_in_the_launch_script(
    model: str, place: Path
) -> None:
    run(f"mico export {model} mico-150k --out {place}/named-{model}", place)
    script = (place / f"named-{model}" / "train.sh").read_text()
    for setting in re.findall(r"`(--\w+_\w+(?: \w+)?)`", recipe(model)):
        assert setting in script, setting


def test_the_python_of_any_other_trainer_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the extra `train`")
    monkeypatch.chdir(place)
    shown = blocks(section("Any other trainer"), "python")
    assert len(shown) == 3
    first: dict[str, object] = {}
    exec(compile(shown[0], str(GUIDE), "exec"), first)
    images, texts = first["images"], first["texts"]
    assert len(images) == len(texts) == len(first["targets"])
    assert {image.shape[0] for row in images for image in row} == {3}
    second: dict[str, object] = {}
    exec(compile(shown[1], str(GUIDE), "exec"), second)
    assert len(second["batch"]["instruction"]) == 4
    if hasattr(datasets.IterableDataset, "reshard"):
        exec(compile(shown[2], str(GUIDE), "exec"), second)


def test_a_stream_has_a_shard_for_each_row_group(tmp_path: Path) -> None:
    """What the guide says of `reshard`, and of the versions in which it does something."""
    version = int(datasets.__version__.partition(".")[0])
    pq.write_table(pa.table({"a": range(6)}), tmp_path / "one.parquet", row_group_size=2)
    rows = load_dataset(str(tmp_path), split="train", streaming=True)
    assert rows.num_shards == 1
    assert hasattr(rows, "reshard") or version < 5
    if hasattr(rows, "reshard"):
        assert rows.reshard().num_shards == (3 if version >= 5 else 1)


def run_python(program: str, folder: Path) -> None:
    """Run a program in a process of its own: `register()` changes the one it is called in."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "HF_DATASETS_CACHE": str(folder / ".cache")},
    )  # fmt: skip
    assert not done.returncode, done.stderr


@pytest.mark.slow
def test_the_python_of_its_page_runs_in_order(tmp_path: Path) -> None:
    run_python("\n".join(blocks((DOCS / "python.md").read_text(), "python")), tmp_path)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    cells = json.loads((DOCS / "examples" / "demo.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in cells)
    run_python("\n".join(code), tmp_path)


def test_the_python_page_has_every_function() -> None:
    import mico_150k

    page = (DOCS / "python.md").read_text()
    for name in mico_150k.__all__:
        if name.islower() and not name.startswith("_"):
            assert re.search(rf"\b{name}\b", page), name


def shell_commands(page: Path) -> Iterator[list[str]]:
    """Each `mico` command in a page's blocks of shell, as words."""
    for block in blocks(page.read_text(), "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|&& |--wrap ')(mico [^#&']*(?:'[^']*'[^#&']*)*)", line)
            if found:
                yield shlex.split(found[1].replace("$SLURM", "SLURM"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_of_every_page_exist(page: Path) -> None:
    for words in shell_commands(page):
        command, rest = typer.main.get_command(app), words[1:]
        while hasattr(command, "commands"):
            assert rest[0] in command.commands, words
            command, rest = command.commands[rest[0]], rest[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        for word in rest:
            assert not word.startswith("--") or word.partition("=")[0] in known, (words, word)


DATA = (DOCS / "data.md").read_text()


def cells(text: str) -> set[str]:
    """The words in code style in the first cells of a page's tables."""
    rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("config", COLUMNS)
def test_the_data_dictionary_has_every_column(config: str) -> None:
    title = next(t for t in re.findall(r"^### (.*)$", DATA, re.MULTILINE) if f"`{config}`" in t)
    text = re.split(r"^##", DATA.split(f"### {title}\n")[1], flags=re.MULTILINE)[0]
    own = cells(text)
    if config == layout.INDEX:
        own |= {name for name in COLUMNS[layout.DEFAULT] if "image" not in name}
    assert own == set(COLUMNS[config])


def test_the_data_dictionary_has_every_task_and_reason() -> None:
    assert {task.value for task in Task} - {"unknown"} <= cells(DATA)
    assert {reason.value for reason in Reason} <= cells(DATA)


def test_the_page_on_images_has_every_cause() -> None:
    assert cells((DOCS / "images.md").read_text().split("##")[0]) == {c.name for c in CAUSES}


def test_the_citation_is_what_the_readme_says() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    paper = cited["preferred-citation"]
    bibtex = " ".join(blocks((ROOT / "README.md").read_text(), "bibtex")[0].split())
    assert paper["title"] in bibtex
    authors = (f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    assert f"{{{' and '.join(authors)}}}" in bibtex
    assert cited["license"] == "Apache-2.0"
