"""The Job script's commands are what the real client's `hf` and our own `mico` parse."""

import importlib.util
import io
import shlex
import sys
from argparse import Namespace
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from mico_150k.cli.app import app
from mico_150k.core.errors import UsageError

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "hf_job.py"
OUT = "hf://buckets/user/data/mico-150k"
GIT = "git+https://example.org/mico-150k"
RELEASE = ("kr-cen/MICo-150K", "--out", OUT, "--package", GIT)
GIGABYTE = 10**9


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hf_job", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["hf_job"] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def terabyte(script: ModuleType, memory: int = 11 * GIGABYTE) -> Any:
    return script.Work(1000 * GIGABYTE, 1000 * GIGABYTE, memory, 3 * GIGABYTE // 2)


def offers(script: ModuleType, work: Any, jobs: int = 1) -> dict[str, Any]:
    made = (script.Offer.of(flavor, work, jobs) for flavor in script.FLAVORS)
    return {offer.flavor.name: offer for offer in made if offer}


def resolved(command: list[str]) -> str:
    """What the client says that it would submit."""
    pytest.importorskip("huggingface_hub", minversion="2.0", reason="`hf jobs run --dry-run`")
    from huggingface_hub.cli.hf import app as hf

    assert command[0] == "hf"
    run = command.index("run") + 1
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as talk:
        hf.main([*command[1:run], "--dry-run", *command[run:]], standalone_mode=False)
    said = out.getvalue() + talk.getvalue()
    assert "Job not submitted" in said
    return said


def builds(command: list[str]) -> list[str]:
    """The words of `mico build` in a Job's command, known to be its own."""
    words = shlex.split(command[-1].partition("&& ")[2])
    assert words[:2] == ["mico", "build"]
    build: Any = typer.main.get_command(app)
    build.commands["build"].make_context("build", words[2:])
    return words


def test_the_commands_of_several_jobs_are_parsed_by_the_real_clients(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    asked = script.parse([*RELEASE, "--jobs", "3", "--config", "bagel", "--secret", "AWS_KEY"])
    offer = script.choose(asked, [*offers(script, terabyte(script), 3).values()])
    commands = [*script.jobs(offer, asked), script.last(offer, asked)]
    partitions = [builds(command) for command in commands]
    assert [words[-1] for words in partitions] == ["1/3", "2/3", "3/3", "--finish"]
    for command in commands:
        assert "hf_very_secret" not in shlex.join(command)
        said = resolved(command)
        assert "hf_very_secret" not in said
        assert "AWS_KEY" in said
        assert f"flavor   {offer.flavor.name}" in said
        assert GIT in said


def test_a_folder_of_wheels_is_mounted_and_an_s3_client_installed(
    script: ModuleType, tmp_path: Path
) -> None:
    asked = script.parse(
        ["s3://x/release", "--out", "s3://x/y", "--package", str(tmp_path), "--also", "s3fs"]
    )
    offer = offers(script, terabyte(script))["cpu-upgrade"]
    (command,) = script.jobs(offer, asked)
    assert "pip install --quiet /wheels/*.whl 'huggingface_hub>=2.0' s3fs && " in command[-1]
    assert "/wheels" in resolved(command)


def test_the_client_knows_the_flavors(script: ModuleType) -> None:
    hub = pytest.importorskip("huggingface_hub", minversion="2.0", reason="JobHardware")
    assert {flavor.name for flavor in script.FLAVORS} <= {known.value for known in hub.JobHardware}


def test_workers_time_and_cost_follow_memory_disk_and_cores(script: ModuleType) -> None:
    found = offers(script, terabyte(script))
    assert {name: offer.workers for name, offer in found.items()} == {
        "cpu-basic": 1, "cpu-upgrade": 2, "cpu-xl": 9, "cpu-performance": 18,
    }  # fmt: skip
    # 2 TB over the network at 100 MB/s: longer than what two workers do at 250 MiB/s.
    assert found["cpu-upgrade"].hours == pytest.approx(20_000 / 3600)
    assert found["cpu-upgrade"].timeout == "17h"
    four = offers(script, terabyte(script), 4)["cpu-upgrade"]
    assert four.hours == pytest.approx(5_000 / 3600)
    assert four.dollars == pytest.approx(found["cpu-upgrade"].dollars)
    assert list(offers(script, terabyte(script, 60 * GIGABYTE))) == ["cpu-xl", "cpu-performance"]
    nothing = terabyte(script, 500 * GIGABYTE)
    with pytest.raises(UsageError, match="does not fit on any flavor"):
        script.choose(Namespace(flavor=None), [*offers(script, nothing).values()])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "mico-150k"), "a Job's own folders end with it"),
        (("--out", "hf://datasets/user/name", "--jobs", "2"), "one build alone writes to"),
        (("--secret", "KEY=value"), "takes the name of a variable"),
        (("--jobs", "0"), "at least 1"),
    ],
)
def test_what_a_job_cannot_do_is_refused(
    script: ModuleType, options: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        script.parse([*RELEASE, *options])


def test_the_script_prints_offers_and_commands_and_starts_nothing(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hf_job.py", "demo", *RELEASE[1:], "--jobs", "2"])
    monkeypatch.setattr("subprocess.run", None)
    script.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("# 40 rows: ")
    assert sum(line.startswith("# 2 Jobs on cpu-") for line in lines) == 4
    assert [builds(shlex.split(line))[-1] for line in lines if line.startswith("hf ")] == [
        "1/2", "2/2", "--finish",
    ]  # fmt: skip
