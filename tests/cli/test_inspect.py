"""What `mico inspect` prints is short enough to be pasted."""

import re
from pathlib import Path

import pytest
from rich.table import Table

from mico_150k.cli.inspect import folded

from ..commands import DONE, FAILED, runner


def test_numbered_columns_of_one_kind_take_one_line() -> None:
    columns = {
        "instruction": "string",
        **{f"input_image_{place}": "binary" for place in range(1, 31)},
        "input_image_31": "null",
        "output_image": "binary",
    }
    assert list(folded(columns)) == [
        "instruction: string",
        "input_image_1 … input_image_30: binary",
        "input_image_31: null",
        "output_image: binary",
    ]


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> list[Table]:
    """The tables that a command shows."""
    found: list[Table] = []

    def keep(shown: object) -> None:
        if isinstance(shown, Table):
            found.append(shown)

    monkeypatch.setattr("mico_150k.cli.inspect.show", keep)
    monkeypatch.setattr("mico_150k.cli.inspect_dataset.show", keep)
    return found


@pytest.mark.parametrize("arguments", [("{release}", "--images"), ("{dataset}",), ()])
def test_text_is_left_aligned_and_every_header_is_another(
    arguments: tuple[str, ...],
    release: Path,
    dataset: Path,
    tables: list[Table],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mico = runner(tmp_path, monkeypatch, capsys)
    words = [word.format(release=release, dataset=dataset) for word in arguments]
    assert mico("inspect", *words).returncode == DONE
    assert tables
    for table in tables:
        headers = [str(column.header) for column in table.columns]
        assert len({*headers}) == len(headers)
        assert all(headers)
        for column in table.columns:
            is_text = any(re.search("[a-z]{3}", str(cell).lower()) for cell in column.cells)
            assert column.justify == "left" or not is_text, column.header


def test_a_limit_without_a_unit_is_told_as_it_is_with_the_way_out(
    release: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mico = runner(tmp_path, monkeypatch, capsys)
    done = mico("build", release, "--max-memory", "12")
    assert done.returncode == FAILED
    assert "--max-memory allows 12 bytes (for gigabytes, write 12GB): " in done.stderr
