"""What the README says to type works: all of it, in its order, in one folder."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mico_150k.trainers.patches import PATCHES

from .clones import write_clone
from .factories import cases, write_release
from .hub import Hub, Repository
from .hub.repository import Entry

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
RELEASE = "kr-cen/MICo-150K"
USER = "user"
"""Who the test Hub takes the client for; the README says USER."""
MOST_WORDS = 1400


@dataclass(frozen=True)
class Exempt:
    """A kind of command that is not run, and why."""

    kind: str
    pattern: str
    why: str


EXEMPT = (
    Exempt("install", r"python3 -m venv |pip install ", "needs the network; CI runs it"),
    Exempt("clone", r"git clone ", "needs the network; a stand-in of the clone is written instead"),
    Exempt("login", r"hf auth login$", "asks a person; the test's token is in the environment"),
    Exempt("launch", r"[A-Z_0-9]+=\S+ .*bash \S+/train\.sh$", "needs GPUs and the trainer"),
)


@dataclass(frozen=True)
class Step:
    """A line of shell, or a block of Python."""

    language: str
    text: str

    @property
    def exempt(self) -> Exempt | None:
        """Why it is not run, if it is not."""
        if self.language != "sh":
            return None
        return next((kind for kind in EXEMPT if re.match(kind.pattern, self.text)), None)


def steps() -> list[Step]:
    """All that a reader is told to run, in order."""
    found: list[Step] = []
    for language, text in BLOCK.findall(README.read_text()):
        if language == "python":
            found.append(Step(language, text))
        elif language == "sh":
            lines = text.replace("\\\n", " ").splitlines()
            found.extend(Step("sh", re.sub(r"\s+# .*$", "", line)) for line in lines if line)
    return found


def test_every_block_is_one_that_the_test_below_runs() -> None:
    languages = {language for language, _ in BLOCK.findall(README.read_text())}
    assert languages == {"sh", "python", "bibtex"}
    kinds = {step.exempt.kind for step in steps() if step.exempt}
    assert kinds == {kind.kind for kind in EXEMPT}, "a kind that nothing in the README is of"


def test_the_readme_stays_short_enough_to_be_read() -> None:
    assert len(README.read_text().split()) < MOST_WORDS


def add_release(hub: Hub, folder: Path) -> None:
    """A stand-in for the release, in one of its likely layouts, on the test Hub."""
    write_release(folder, cases(20))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    tree = {
        path.relative_to(folder).as_posix(): Entry(path.stat().st_size, hub.storage.adopt(path))
        for path in files
    }
    repository = hub.repositories.setdefault(RELEASE, Repository(RELEASE))
    repository.commit("main", tree, "the release")


def write_tools(folder: Path) -> Path:
    """`mico`, `hf` and `python` of this environment, for the shell to find."""
    folder.mkdir()
    programs = {
        "mico": "-m mico_150k",
        "hf": "-c 'from huggingface_hub.cli.hf import main; main()'",
        "python": "",
    }
    for name, arguments in programs.items():
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        tool.chmod(0o755)
    return folder


@pytest.mark.slow
def test_all_of_it_works_in_its_order(hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", minversion="2.0", reason="mico push needs it")
    add_release(hub, tmp_path / "origin")
    tools = write_tools(tmp_path / "tools")
    here = tmp_path / "here"
    here.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": "hf_write",
        "HF_HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for step in steps():
        text = re.sub(r"\bUSER\b", USER, step.text)
        if step.exempt:
            if step.exempt.kind == "clone":
                write_stand_in(here, text)
            continue
        command = ["bash", "-euc", text] if step.language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            command, cwd=here, env=environment, capture_output=True, text=True, check=False
        )
        assert not done.returncode, f"{text}\n{done.stdout}\n{done.stderr}"


def write_stand_in(here: Path, command: str) -> None:
    """The folder that a `git clone` would leave, with the lines that `mico patch` goes by."""
    repository = command.rsplit(maxsplit=1)[-1].removeprefix("https://github.com/")
    (model,) = (name for name, patch in PATCHES.items() if patch.origin.split()[0] == repository)
    write_clone(here / repository.partition("/")[2], model)
