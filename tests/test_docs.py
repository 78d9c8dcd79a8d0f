"""What docs/training.md says to type works, block after block; links of all pages lead to files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.sources import DEMO, open_source
from mico_150k.trainers.patches import PATCHES

from .clones import CLONES, launch, write_clone
from .pretokenize.material import add_codes

GUIDE = Path(__file__).parent.parent / "docs" / "training.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SECTIONS = {
    "BAGEL": "bagel",
    "BLIP3o-Next": "blip3o",
    "Lumina-DiMOO": "dimoo",
    "OmniGen2": "omnigen2",
}


@pytest.mark.parametrize("page", [*GUIDE.parent.glob("*.md"), GUIDE.parent.parent / "README.md"])
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).is_file(), target


def section(title: str) -> str:
    """A part of the guide, to the next heading of its level."""
    return re.split(r"^## ", GUIDE.read_text().split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def blocks(text: str, language: str) -> list[str]:
    return [code for of, code in BLOCK.findall(text) if of == language]


def lines(title: str) -> list[str]:
    return [line for block in blocks(section(title), "sh") for line in block.splitlines()]


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


def test_the_guide_has_a_section_for_each_trainer_that_can_be_patched() -> None:
    assert list(SECTIONS.values()) == list(PATCHES)
    titles = re.findall(r"^## (.*)$", GUIDE.read_text(), re.MULTILINE)
    assert titles == [*SECTIONS, "Any other trainer", "What was wrong"]


@pytest.mark.parametrize(("title", "model"), SECTIONS.items())
def test_its_commands_work_one_after_the_other(title: str, model: str, place: Path) -> None:
    launched = ""
    for line in lines(title):
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
    told = launch(place / script, place, **given)
    assert told["processes"] == int(given["GPUS"])
    assert told["folder"] == str(place / given[model.upper()])


@pytest.mark.parametrize("model", CLONES)
def test_the_patch_is_in_the_clone_as_its_section_names_it(model: str, tmp_path: Path) -> None:
    title = next(title for title, name in SECTIONS.items() if name == model)
    patch = next(line.split() for line in lines(title) if line.startswith("mico patch"))
    assert patch[2] == model
    write_clone(tmp_path / patch[3], model)
    diff = run(" ".join([*patch, "--dry-run"]), tmp_path)
    run(" ".join(patch), tmp_path)
    assert diff.count("\n--- a/") + 1 == len(PATCHES[model].files)


@pytest.mark.parametrize(("title", "model"), SECTIONS.items())
def test_flags_of_the_trainer_that_the_guide_names_are_in_the_launch_script(
    title: str, model: str, place: Path
) -> None:
    run(f"mico export {model} --out {place}/named-{model}", place)
    script = (place / f"named-{model}" / "train.sh").read_text()
    for setting in re.findall(r"`(--\w+_\w+(?: \w+)?)`", section(title)):
        assert setting in script, setting


def test_the_python_of_any_other_trainer_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the extra `train`")
    monkeypatch.chdir(place)
    shown = blocks(section("Any other trainer"), "python")
    assert len(shown) == 2
    first: dict[str, object] = {}
    exec(compile(shown[0], str(GUIDE), "exec"), first)
    images, texts = first["images"], first["texts"]
    assert len(images) == len(texts) == len(first["targets"])
    assert {image.shape[0] for row in images for image in row} == {3}
    second: dict[str, object] = {}
    exec(compile(shown[1], str(GUIDE), "exec"), second)
    assert len(second["batch"]["instruction"]) == 4
