"""Help says what a word stands for, and of no Python type."""

import re

import pytest

from ..commands import DONE, Mico, runner

COMMANDS = (
    "", "inspect", "build", "refine", "check", "preview", "export", "export bagel",
    "export dimoo", "export blip3o", "patch", "smoke", "pretokenize", "push", "card", "relocate",
)  # fmt: skip


@pytest.fixture
def mico(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    monkeypatch.setenv("COLUMNS", "160")
    return runner(tmp_path, monkeypatch, capsys)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_type_stands_where_a_word_says_more(mico: Mico, command: str) -> None:
    pytest.importorskip("typer", minversion="0.29", reason="older ones name types of arguments")
    shown = mico(*command.split(), "--help")
    assert shown.returncode == DONE
    types = r"<(bool|str|int|float|path|list\b.*?|int range|float range)>|\b(INTEGER|FLOAT|PATH)\b"
    found = [line for line in shown.stdout.splitlines() if re.search(types, line)]
    assert not found
    assert not re.search(r"\b(TEXT|BOOLEAN)\b", shown.stdout.replace("--system-prompt", "").split(
        "Options of")[0])  # fmt: skip


def test_arguments_are_in_capitals(mico: Mico) -> None:
    for command in ("check", "preview", "refine", "push", "card", "pretokenize"):
        usage = mico(command, "--help").stdout.strip().splitlines()[0]
        assert re.search(r"[ {\[]DATASET\b", usage), usage
    assert "CLONE" in mico("patch", "--help").stdout.strip().splitlines()[0]
    assert "SOURCE" in mico("build", "--help").stdout.strip().splitlines()[0]


def test_a_build_has_at_most_24_options(mico: Mico) -> None:
    shown = mico("build", "--help").stdout
    options = set(re.findall(r"^│ +(--[\w-]+)", shown, re.MULTILINE)) - {"--help"}
    assert {"--show-rows", "--work"} <= options
    assert len(options) <= 24
