"""What a notebook shows of a dataset."""

import shutil
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.dataset import layout
from mico_150k.dataset.notebook import ROWS
from mico_150k.dataset.reader import open_dataset
from mico_150k.sources import open_source

from ..factories import cases, write_release


def test_a_line_says_where_it_is_how_many_rows_it_has_and_of_what(dataset: Path) -> None:
    line = repr(open_dataset(dataset))
    assert line.startswith(f"<Dataset {dataset}: 24 rows; default, bagel, ")


def test_a_few_rows_are_shown_with_their_images(dataset: Path) -> None:
    opened = open_dataset(dataset)
    page = opened._repr_html_()
    first = opened.index().slice(0, ROWS).to_pylist()
    images = sum(len(row["digests"]) for row in first)
    assert page.count("<img src=") == images
    assert all(row["id"] in page for row in first)


def test_a_damaged_dataset_is_shown_without_them(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    opened = open_dataset(copy)
    shutil.rmtree(copy / layout.INDEX)
    page = opened._repr_html_()
    assert "<img" not in page
    assert layout.INDEX in page


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a & b", '" onerror="x'])
def test_a_strangers_text_is_escaped(text: str, tmp_path: Path) -> None:
    release = write_release(tmp_path / "r", [replace(case, instruction=text) for case in cases(1)])
    Build.prepare(open_source(str(release)), tmp_path / "x", BuildOptions(configs=("dimoo",))).run()
    page = open_dataset(tmp_path / "x")._repr_html_()
    assert text not in page
    assert escape(text) in page
