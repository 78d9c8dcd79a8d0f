"""A trainer is one file: what stands in it is found, and what it lacks is said."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mico_150k
from mico_150k import builders
from mico_150k.core.configuration import Builder
from mico_150k.core.errors import BuilderRefused
from mico_150k.core.trainer import Trainer

from ..factories import Case
from .exporting import lines, option, run_script

GUIDE = Path(__file__).parent.parent.parent / "docs" / "adding-a-trainer.md"
HEAD = (
    "from mico_150k.core.configuration import Builder\n"
    "from mico_150k.core.trainer import PathTrainer\n"
)
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Adds a file to `builders/`, as far as this test sees."""
    monkeypatch.setattr(builders, "__path__", [*builders.__path__, str(tmp_path)])
    written = []

    def write_file(name: str, code: str) -> Path:
        written.append(name)
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + code)
        return path

    yield write_file
    for name in written:
        del sys.modules[f"mico_150k.builders.{name}"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the package in it, as installed with `-e` in a clone."""
    folder = tmp_path / "clone"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(mico_150k.__file__).parent, folder / "mico_150k", ignore=ignore)
    own = folder / "mico_150k" / "builders"
    shutil.copytree(Path(builders.__file__).parent, own, ignore=ignore, dirs_exist_ok=True)
    return folder


def mico(package: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mico_150k", *map(str, arguments)]
    return subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)


def test_the_file_that_the_guide_shows_is_a_trainer(
    package: Path, dataset: Path, samples: list[Case], tmp_path: Path
) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    (package / "mico_150k" / "builders" / "mine.py").write_text(code)
    out = tmp_path / "out"
    done = mico(package, "export", "mine", dataset, "--out", out)
    assert done.returncode == 0, done.stderr
    records = lines(out / "mine-mico.jsonl")
    assert len(records) == sum(len(sample.inputs) <= 4 for sample in samples) < len(samples)
    assert all(set(record) == {"sources", "target", "text"} for record in records)
    ran = run_script(out / "train.sh", tmp_path, "--lr", "1e-4", MINE=str(tmp_path))
    [command] = ran.commands
    assert option(command, "--data") == str(out / "mine-mico.jsonl")
    assert option(command, "--epochs") == "1"
    assert command[-2:] == ["--lr", "1e-4"]


@pytest.mark.slow
def test_an_option_that_the_file_declares_is_the_command_s(
    package: Path, dataset: Path, tmp_path: Path
) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    (package / "mico_150k" / "builders" / "mine.py").write_text(code)
    out = tmp_path / "out"
    assert re.search(r"\bmine +Mine: ", mico(package, "export", "--help").stdout)
    shown = mico(package, "export", "mine", "--help").stdout
    assert "--epochs" in shown
    assert "How often train.sh trains" in " ".join(shown.split())
    assert "--epochs" not in mico(package, "export", "bagel", "--help").stdout
    refused = mico(package, "export", "mine", dataset, "--out", out, "--epochs", 0)
    assert refused.returncode == 2
    assert not out.exists()
    done = mico(package, "export", "mine", dataset, "--out", out, "--epochs", 3)
    assert done.returncode == 0, done.stderr
    assert "--epochs 3" in (out / "train.sh").read_text()
    # Another value is another export, and one that was moved keeps its own.
    again = mico(package, "export", "mine", dataset, "--out", out)
    assert "holds another export" in again.stderr
    moved = out.rename(tmp_path / "moved")
    assert mico(package, "relocate", moved).returncode == 0
    assert "--epochs 3" in (moved / "train.sh").read_text()


def test_every_name_in_the_guide_is_one_of_a_trainers() -> None:
    table = GUIDE.read_text().split("| | |\n|---|---|\n")[1].partition("\n\n")[0]
    for row in table.splitlines():
        for name in re.findall(r"`(\w+)`", row.split("|")[1]):
            assert hasattr(builders.TRAINERS["diffsynth"], name), name


def test_what_a_class_lacks_is_a_message_of_the_command_line(package: Path) -> None:
    path = package / "mico_150k" / "builders" / "mine.py"
    path.write_text(f"{HEAD}class Mine(PathTrainer):\n    name = 'mine'\n")
    done = mico(package, "export", "--help")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    assert "Mine has no records, title, url, steps, files, record; see docs/" in said


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        (
            Trainer,
            "class A(PathTrainer):\n    title = url = ''\n",
            "A has no records, name, steps",
        ),
        (Builder, "class B(Builder):\n    purpose = ''\n", "B has no name, columns; "),
        (
            Builder,
            "class C(Builder):\n    name, purpose, columns = 'bagel', '', {}\n",
            "C has the name 'bagel', which a class in ",
        ),
    ],
)
def test_a_class_that_is_not_whole_is_refused_with_its_file(
    write: Write, kind: type[Builder] | type[Trainer], code: str, message: str
) -> None:
    path = write("not_whole", code)
    with pytest.raises(BuilderRefused) as refused:
        builders._by_name(kind)
    assert f"{path}: {message}" in str(refused.value)


def test_an_option_that_every_export_has_is_refused_with_its_file(write: Write) -> None:
    path = write(
        "taken",
        "from mico_150k.core.trainer import Option\n"
        "class Taken(PathTrainer):\n"
        "    name = title = url = records = 'taken'\n"
        "    steps = ()\n"
        "    options = (Option('seed', int, 0, ''), Option('mine', int, 0, ''))\n"
        "    def files(self, exported): return {}\n"
        "    def record(self, inputs, output, instruction): return {}\n",
    )
    with pytest.raises(BuilderRefused) as refused:
        builders._by_name(Trainer)  # type: ignore[type-abstract]
    assert str(refused.value).startswith(f"{path}: Taken has an option seed, which all exports")


def test_two_trainers_of_one_name_are_refused_with_both_files(write: Write) -> None:
    whole = (
        "class Twin(PathTrainer):\n"
        "    name = title = url = records = 'twin'\n"
        "    steps = ()\n"
        "    def files(self, exported): return {}\n"
        "    def record(self, inputs, output, instruction): return {}\n"
    )
    first, second = write("twin_1", whole), write("twin_2", whole)
    with pytest.raises(BuilderRefused) as refused:
        builders._by_name(Trainer)  # type: ignore[type-abstract]
    assert str(refused.value).startswith(f"{second}: Twin has the name 'twin'")
    assert str(first) in str(refused.value)


def test_a_file_without_either_is_no_fault(write: Write) -> None:
    write("shared", "MARK = '<image>'\n")
    assert list(builders._by_name(Builder)) == list(builders.BUILDERS)
