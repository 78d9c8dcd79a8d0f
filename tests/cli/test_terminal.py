"""What a person sees is what the data says, whatever it says."""

import pytest
from rich.table import Table

from mico_150k.cli.terminal import duration, say, show

HOSTILE = [
    "[/b]", "[red]x[/red]", "[@click=x]", ":smile:", "\\", "a\\\\", "\\[b]", "{}", "{0}", "{x!r}",
    "x[/b]\\", "'1' 2.5 None",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_shown_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say("[red]mico:[/red] {}, {}", text, text)
    assert capsys.readouterr().err == f"mico: {text}, {text}\n"
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    show(table)
    show(text)
    out = capsys.readouterr().out
    assert out.count(text) == 4


def test_a_duration_is_as_long_as_it_matters() -> None:
    assert [duration(seconds) for seconds in (0.1, 40, 720, 12_600)] == [
        "1 s", "40 s", "12 min", "3.5 h",
    ]  # fmt: skip
