"""An option that would have no effect is refused, by its name, before anything is read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from mico_150k.cli.app import app

from ..commands import DONE, WRONG_USAGE, runner

BUILD = "build nowhere"
REFINE = "refine {dataset} --out x --where x"
TO_HUB = f"{BUILD} --out hf://datasets/USER/NAME --license mit"
EXPORT = "export {trainer} --from nowhere"
PATHS = ("blip3o", "diffsynth", "diffsynth-flux2", "musubi", "musubi-flux2", "omnigen2")
"""Trainers that read image files, and have no option of their own."""
FOLDERS = ("ai-toolkit", "simpletuner")
"""Trainers that read folders of images, and have a choice of models."""
OF_PATHS = "out where sample limit over-limit max-inputs images overwrite json"

REFUSED = {
    BUILD: "ray-address=auto work=x private",
    TO_HUB: "partition=1/2 finish overwrite recheck show-rows executor=ray ray-address=a",
    f"{BUILD} --out s3://x/y": "overwrite recheck show-rows",
    f"{BUILD} --partition 1/2": "finish overwrite show-rows",
    f"{BUILD} --finish": "workers=2 max-memory=1GB executor=local overwrite",
    f"{BUILD} --overwrite": "recheck",
    f"{BUILD} --json": "show-rows",
    f"{BUILD} --executor ray": "workers=2 max-memory=1GB",
    REFINE: "mark exact max-loss=0.1 seed=0 tolerance=0.01",
    "inspect nowhere": "verify=decode plots",
    "inspect {dataset}": "images map=id=x task-map=a=hoi exclude=x allow-outside verify=structure",
    "inspect {dataset} --images": "verify=structure",
    "pretokenize nowhere --vq x": "ray-address=x",
    "check nowhere": "revision=main",
    "check nowhere --remote USER/NAME": "hashes no-hashes",
    "export bagel nowhere --out x": "images=x num-workers=1 seed=0 format=codes max-seq-len=5120 "
    "system-prompt=x tokenizer=x",
    "export bagel nowhere --in-place": "where=x sample=3 limit=3 max-inputs=3 overwrite "
    "over-limit=drop over-limit=truncate images=x",
    **{
        f"export {trainer} nowhere --out x": "ranks=1 num-workers=1 in-place seed=0 format=images"
        for trainer in (*PATHS, *FOLDERS)
    },
    "export dimoo nowhere --out x": "ranks=1 num-workers=1 in-place",
    "export dimoo nowhere --format images --out x": "ranks=1 num-workers=1 in-place seed=1 "
    "max-seq-len=9 system-prompt=x tokenizer=x",
    "export dimoo nowhere --format codes --out x": "ranks=1 num-workers=1 images=x in-place",
    "relocate {bagel}": "images=x",
    "push nowhere USER/NAME": "license-name=x license-link=x",
    "card nowhere": "license-name=x license-link=x",
}  # fmt: skip
"""Options that do nothing beside the others."""

ALWAYS = {
    "inspect": "json",
    "build": "out config map task-map exclude allow-outside verify tolerance shard-mb seed license "
    "json",
    "refine": "out remove where sample benchmark validation overwrite json",
    "check": "remote json",
    "export bagel": "out in-place ranks json",
    "export dimoo": "out where sample limit over-limit max-inputs overwrite json format",
    **{f"export {trainer}": OF_PATHS for trainer in PATHS},
    **{f"export {trainer}": f"{OF_PATHS} model" for trainer in FOLDERS},
    "relocate": "json",
    "smoke": "export python json",
    "patch": "dry-run",
    "pretokenize": "vq device batch-size dtype sizes output-size tolerance executor overwrite json",
    "push": "config private revision tag license overwrite dry-run json",
    "card": "license overwrite",
    "preview": "out rows where seed",
}
"""Options that do something whatever stands beside them."""


def refused() -> Iterator[tuple[str, str]]:
    for command, options in REFUSED.items():
        for option in options.split():
            yield command, option


def named(command: str) -> str:
    """A command's name, and its trainer where it is an export."""
    words = command.split()
    return " ".join(words[:2]) if words[0] == "export" else words[0]


@pytest.fixture(scope="module")
def bagel(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export whose images lie in Parquet."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["mico", "export", "bagel", str(dataset), "--out", "x"])
        with pytest.raises(SystemExit, match="0"):
            runner.__globals__["main"]()
    return folder / "x"


@pytest.mark.parametrize(("command", "option"), list(refused()), ids=str)
def test_it_is_refused_by_its_name(
    command: str,
    option: str,
    dataset: Path,
    bagel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mico = runner(tmp_path, monkeypatch, capsys)
    name, _, value = option.partition("=")
    words = command.format(dataset=dataset, bagel=bagel).split()
    done = mico(*words, f"--{name}", *([value] if value else []))
    assert done.returncode == WRONG_USAGE, done.stderr
    assert f"--{name}" in done.stderr
    assert "reading" not in done.stderr
    assert not done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        ("build x --push user/name", "--out hf://datasets/USER/NAME"),
        ("build x --push=user/name", "mico push FOLDER USER/NAME"),
        ("build x --push user/name --keep all", "mico push FOLDER USER/NAME"),
        ("build x --keep none --push user/name", "--out hf://datasets/USER/NAME"),
    ],
)
def test_an_option_that_is_gone_names_what_takes_its_place(
    command: str,
    instead: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = runner(tmp_path, monkeypatch, capsys)(*command.split())
    assert done.returncode == WRONG_USAGE
    assert "is no longer an option" in done.stderr
    assert instead in done.stderr


def test_every_option_of_every_command_has_been_thought_of() -> None:
    known = {(named(command), option.partition("=")[0]) for command, option in refused()}
    known |= {(command, name) for command, names in ALWAYS.items() for name in names.split()}
    group = typer.main.get_command(app)
    commands = dict(group.commands)  # type: ignore[attr-defined]
    trainers = commands.pop("export").commands
    commands |= {f"export {trainer}": found for trainer, found in trainers.items()}
    options = {
        (command, option.opts[0].removeprefix("--"))
        for command, found in commands.items()
        for option in found.params
        if option.opts[0].startswith("--")
    }
    assert options - known == set()


def test_what_has_an_effect_is_taken(
    release: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mico = runner(tmp_path, monkeypatch, capsys)
    for command in (
        f"build {release} --config bagel --seed 0 --tolerance 0.01 --workers 1 --json",
        f"inspect {release} --images --verify header --json",
        "check mico-150k --no-hashes",
        "refine mico-150k --out two --sample 3 --seed 1",
        "export bagel mico-150k --out x --ranks 1 --num-workers 1 --sample 9 --seed 1",
        "export bagel mico-150k --in-place --over-limit error --ranks 1",
    ):
        done = mico(*command.split())
        assert done.returncode == DONE, done.stderr


def test_plots_are_refused_before_anything_is_read_where_they_cannot_be_drawn(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mico = runner(tmp_path, monkeypatch, capsys)
    monkeypatch.setattr("mico_150k.inspection.plots.find_spec", lambda _: None)
    done = mico("inspect", dataset, "--plots")
    assert done.returncode == WRONG_USAGE
    assert (
        done.stderr
        == "mico: plots need matplotlib: pip install '.[plot]' in the clone of mico-150k\n"
    )
    assert not done.stdout
    assert not (dataset / "assets").exists()
