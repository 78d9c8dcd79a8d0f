"""The page as a file: what it holds, what it is refused for. A browser opens it elsewhere."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from mico_150k.builders import BUILDERS

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import BrokenFile, OutputRefused
from mico_150k.dataset.reader import ChosenRows, _samples, open_dataset
from mico_150k.images.thumbnail import make_thumbnail
from mico_150k.inspection.page import write_preview
from mico_150k.inspection.page_rows import Choice
from mico_150k.sources import open_source

from ..factories import cases, encode, picture, write_release
from ..refine.refining import build_of_them, distinct_cases, planted_bench, refine


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.code: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in {"script", "style"} and data.strip():
            self.code.setdefault(self.tags[-1][0], data)


@pytest.fixture(scope="module")
def text(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    written = write_preview(open_dataset(dataset), path, Choice(60))
    assert (written.rows, written.fitting, written.total) == (24, 24, 24)
    assert written.bytes == path.stat().st_size
    return path.read_text()


def test_the_policy_names_the_one_script_and_style_and_allows_nothing_else(text: str) -> None:
    page = Page(text)
    policy = next(
        str(attributes["content"]) for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )  # fmt: skip
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.code[tag].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_nothing_in_the_page_is_loaded_or_styled_or_run_from_an_attribute(text: str) -> None:
    for tag, attributes in Page(text).tags:
        assert tag not in {"link", "iframe", "object", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"  # the policy would refuse it
            if name in {"src", "href"}:
                assert value is not None
                assert value.startswith(("data:image/webp;base64,", "#"))


def test_the_same_dataset_and_seed_give_the_same_page(
    dataset: Path, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    write_preview(open_dataset(dataset), path, Choice(60))
    assert path.read_text() == text


def test_tasks_take_turns(text: str) -> None:
    tasks = [
        str(attributes["data-task"]) for tag, attributes in Page(text).tags if tag == "article"
    ]
    assert all(len(set(tasks[at : at + 4])) == 4 for at in range(0, 24, 4))


def test_a_page_of_ours_is_replaced_and_no_other_file(dataset: Path, tmp_path: Path) -> None:
    opened = open_dataset(dataset)
    path = tmp_path / "page.html"
    write_preview(opened, path, Choice(4))
    write_preview(opened, path, Choice(2))
    assert path.read_text().count("<article") == 2
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine</p>")
    with pytest.raises(OutputRefused, match="not a page of `mico preview`"):
        write_preview(opened, mine, Choice(2))
    with pytest.raises(OutputRefused, match="is a folder"):
        write_preview(opened, tmp_path, Choice(2))
    assert mine.read_text() == "<p>mine</p>"


@pytest.mark.parametrize("place", ["page.html", "bagel/page.html", "new/folder/page.html"])
def test_no_page_is_written_into_a_dataset_folder(dataset: Path, place: str) -> None:
    before = sorted(dataset.rglob("*"))
    with pytest.raises(OutputRefused, match="is a dataset folder, which a page does not belong in"):
        write_preview(open_dataset(dataset), dataset / place, Choice(2))
    assert sorted(dataset.rglob("*")) == before


def test_every_text_of_a_stranger_is_escaped(tmp_path: Path) -> None:
    evil = "<i>\"x'&</script><!--"
    samples = cases(2)
    samples = [
        replace(case, instruction=f"{evil} image 1 {number}") for number, case in enumerate(samples)
    ]
    samples[0] = replace(samples[0], output=evil.encode())
    release = write_release(tmp_path / f"r {evil[:3]}", samples)
    made = tmp_path / "made"
    Build.prepare(open_source(str(release)), made, BuildOptions()).run(tolerance=0.5)
    quarantine = made / "quarantine.jsonl"
    quarantine.write_text(
        quarantine.read_text().replace("unknown-format", "<i>why") + '{"file": ["<i>"]}\nno json\n'
    )
    write_preview(open_dataset(made), tmp_path / "p.html", Choice(60, where="instruction <> '<i>'"))
    page = Page((tmp_path / "p.html").read_text())
    assert all(tag != "i" or attributes.get("class") for tag, attributes in page.tags)
    assert (tmp_path / "p.html").read_text().count("</script>") == 1


def test_splits_and_rows_of_the_benchmark_are_told_apart(tmp_path: Path) -> None:
    distinct = distinct_cases()
    bench = planted_bench(tmp_path / "bench", distinct)
    made = build_of_them(distinct, tmp_path)
    options = {"bench": str(bench), "mark": True, "exact": True, "validation": 4}
    refine(made, tmp_path / "other", **options, max_loss=1.0)
    written = write_preview(open_dataset(tmp_path / "other"), tmp_path / "p.html", Choice(60))
    assert (written.rows, written.total) == (48, 48)
    text = (tmp_path / "p.html").read_text()
    assert text.count("in the benchmark: same output as hoi/1") == 1
    assert text.count("in the benchmark: same inputs as de_re/2") == 1
    rows = [attributes for tag, attributes in Page(text).tags if tag == "article"]
    assert [row["data-split"] for row in rows].count("validation") == 4
    assert ["overlap" in str(row["data-kinds"]) for row in rows].count(True) == 2
    assert "<small>44 train, 4 validation</small>" in text
    assert "<dt>in the benchmark</dt><dd>2</dd>" in text


def test_a_picture_that_does_not_decode_is_marked_and_the_page_is_made() -> None:
    whole = encode(picture(1, (200, 100)), "JPEG")
    small = make_thumbnail(whole, 64)
    assert (small.width, small.height, small.fault) == (64, 32, "")
    assert re.match(r"data:image/webp;base64,UklGR", small.uri)
    assert "empty" in make_thumbnail(b"", 64).fault
    broken = encode(picture(1), "PNG")
    assert make_thumbnail(broken[:60] + bytes(len(broken) - 60), 64).fault


def test_a_bomb_is_not_decoded() -> None:
    bomb = encode(picture(1), "PNG")
    sides = (60_000).to_bytes(4, "big") * 2
    assert "too-many-pixels" in make_thumbnail(bomb[:16] + sides + bomb[24:], 64).fault


def test_an_image_without_bytes_is_said_with_its_row(dataset: Path) -> None:
    opened = open_dataset(dataset)
    index = opened.index().slice(0, 1)
    group = next(opened.read("bagel", index))
    empty = pa.array([[None] * (index["num_inputs"][0].as_py() + 1)], pa.list_(pa.binary()))
    rows = group.rows.set_column(0, "image_list", empty)

    columns = BUILDERS["bagel"].columns
    with pytest.raises(BrokenFile, match="has an image without bytes"):
        list(_samples(ChosenRows(index, rows.select(["image_list"])), columns))
