"""What `mico inspect` says of a dataset, and the pictures that it leaves for the card."""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from mico_150k.builders import TRAINERS
from PIL import Image

from mico_150k.core.errors import MissingPackage, UsageError
from mico_150k.core.sample import Image as Picture
from mico_150k.core.sample import Sample
from mico_150k.core.task import Task
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset, open_dataset
from mico_150k.export.limits import OverLimitPolicy, fit
from mico_150k.inspection.charts import Bar, Chart, Part, _lengths, make_charts
from mico_150k.inspection.collage import HEIGHT, LINES, MARGIN, WIDTH, make_collage, wrapped
from mico_150k.inspection.dataset import inspect_dataset, write_assets
from mico_150k.inspection.statistics import Statistics, make_statistics
from mico_150k.inspection.trainer_limits import exceeded_limits, trainer_limits

from ..factories import Case, encode
from ..refine.refining import refine
from ..web import serve


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "made"))


def whole(location: Path | str) -> tuple[Dataset, Statistics]:
    opened = open_dataset(location)
    return opened, make_statistics(opened.index())


def test_configurations_limits_and_counts(dataset: Path, samples: list[Case]) -> None:
    found = inspect_dataset(open_dataset(dataset))
    assert found.statistics.rows == len(samples)
    assert found.configs["bagel"]["rows"] == len(samples)
    on_disk = sum(path.stat().st_size for path in (dataset / "bagel").iterdir())
    assert found.configs["bagel"]["bytes"] == on_disk
    limits = found.statistics.over_limits
    blip3o = next(limit for limit in limits if limit.trainer == "BLIP3o-Next")
    over = [case for case in samples if len(case.inputs) > 4]
    assert (blip3o.limit, blip3o.rows) == ("4 inputs", len(over))
    assert sum(blip3o.tasks.values()) == len(over) > 0


def test_every_split_is_counted(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "split", validation=4, max_loss=1.0)
    found = inspect_dataset(open_dataset(tmp_path / "split"))
    assert found.splits["validation"] == 4
    assert found.statistics.rows == sum(found.splits.values())
    assert found.statistics.rows == found.configs["default"]["rows"]


def test_a_dataset_behind_a_url_is_inspected_by_its_index_alone(copy: Path) -> None:
    with serve(copy) as web:
        found = inspect_dataset(open_dataset(web.address))
        assert set(web.sent) == {"manifest.json", "index/train-00000.parquet"}
    assert asdict(found)["statistics"]["rows"] == 24


def test_every_trainer_has_the_limits_of_its_export(dataset: Path) -> None:
    index = open_dataset(dataset).index()
    exceeded = list(exceeded_limits(index))
    for trainer in TRAINERS.values():
        own = [limit.name for limit in trainer_limits() if limit.trainer == trainer.title]
        inputs = [f"{trainer.max_inputs} inputs"] if trainer.max_inputs else []
        assert own == [*inputs, *(limit.name for limit in (*trainer.skips, *trainer.limits))]
        # What is over a limit here is what an export leaves out.
        kept = set(fit(trainer, index, OverLimitPolicy.DROP).index["id"].to_pylist())
        over = {
            row_id
            for row_id, limits in zip(index["id"].to_pylist(), exceeded, strict=True)
            if any(limit.trainer == trainer.title for limit, _ in limits)
        }
        if not trainer.skips:
            assert kept == set(index["id"].to_pylist()) - over


def test_charts_hold_all_rows(dataset: Path) -> None:
    index = open_dataset(dataset).index()
    charts = {chart.title: chart for chart in make_charts(make_statistics(index))}
    for title in ("Tasks", "Inputs", "Instructions"):
        assert sum(bar.value for bar in charts[title].bars) == index.num_rows
    takes = {bar.label: bar for bar in charts["What trainers take"].bars}
    assert takes["Lumina-DiMOO, 19 inputs"].parts == (Part(index.num_rows),)
    assert takes["Lumina-DiMOO, 19 inputs"].words == "100 %"
    assert takes["BLIP3o-Next, 4 inputs"].words != "100 %"
    for trainer in TRAINERS.values():
        assert any(label.startswith(trainer.title) for label in takes)
    assert takes["Qwen-Image-Edit by musubi-tuner"].words == "100 %"
    assert Bar("x", (Part(1), Part(2))).value == 3


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(1, [0, 1]), (3, [0, 1, 2, 3]), (7, [0, 2, 4, 6]), (45, [0, 20, 40]), (100, [0, 50, 100])],
)
def test_axes_are_labeled_at_whole_and_round_numbers(most: int, ticks: list[int]) -> None:
    assert Chart("", "", (Bar("x", (Part(most),)),)).ticks == ticks


def test_a_few_lengths_are_told_as_ranges_without_empty_bars_before() -> None:
    bars = _lengths({"0": 0, "100": 2, "200": 0, "300": 1})
    assert [(bar.label, bar.value) for bar in bars] == [
        ("100–199", 2), ("200–299", 0), ("300–399", 1),
    ]  # fmt: skip
    many = _lengths({str(start): 1 for start in range(0, 1600, 100)})
    assert [bar.label for bar in many if bar.label] == ["0", "500", "1000", "1500+"]


@pytest.mark.slow
def test_plots_and_a_collage_for_the_card(copy: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib, the extra `plot`")
    plots, collage = write_assets(*whole(copy))
    assert (plots, collage) == (copy / "assets" / "plots.png", copy / "assets" / "collage.jpg")
    for path, kind in ((plots, "PNG"), (collage, "JPEG")):
        with Image.open(path) as image:
            image.load()
            assert image.format == kind
            assert min(image.size) > 600
            assert len(image.convert("RGB").resize((64, 64)).getcolors(4096) or ()) > 20
    before = plots.read_bytes(), collage.read_bytes()
    write_assets(*whole(copy))
    assert (plots.read_bytes(), collage.read_bytes()) == before
    assert sorted(path.name for path in plots.parent.iterdir()) == ["collage.jpg", "plots.png"]


def test_without_matplotlib_the_extra_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackage, match=r"pip install '\.\[plot\]'"):
        write_assets(*whole(copy))


def test_pictures_go_into_a_folder_and_no_url(copy: Path) -> None:
    with serve(copy) as web, pytest.raises(UsageError, match="which must be local"):
        write_assets(*whole(web.address))
    assert not (copy / layout.ASSETS).exists()


@pytest.mark.parametrize("inputs", [1, 2, 3, 5, 10])
def test_a_collage_shows_every_input_and_the_output(inputs: int) -> None:
    colours = [(25 * place, 255 - 25 * place, 10 * place) for place in range(inputs + 1)]
    images = tuple(
        Picture(encode(Image.new("RGB", (64, 48), colour)), "PNG", 64, 48, "") for colour in colours
    )
    sheet = make_collage([Sample("1", Task.HOI, "", "x", images[:-1], images[-1])])
    pixels = np.asarray(sheet).reshape(-1, 3).astype(int)
    areas = [int((abs(pixels - colour).sum(axis=1) < 6).sum()) for colour in colours]
    assert min(areas) > 3000
    assert max(areas) == areas[-1]


def test_a_collage_shows_the_instruction() -> None:
    white = Picture(encode(Image.new("RGB", (64, 64), "white")), "PNG", 64, 64, "")

    def ink(instruction: str) -> int:
        sample = Sample("1", Task.HOI, "", instruction, (white,), white)
        below = np.asarray(make_collage([sample])).astype(int)[MARGIN + HEIGHT :]
        return int((below.sum(axis=2) < 300).sum())

    assert ink("") == 0
    assert 0 < ink("Put it there.") < ink("Put it there. " * 9)
    assert ink("\0\n\u202e \u2028") == 0


@pytest.mark.parametrize("text", ["word " * 1000, "w" * 10_000, "a " + "w" * 10_000, "", "one"])
def test_an_instruction_takes_two_lines_of_the_width_at_most(text: str) -> None:
    lines = wrapped(text, lambda line: 10.0 * len(line))
    assert len(lines) <= LINES
    assert all(0 < 10 * len(line) <= WIDTH for line in lines)
    shown = " ".join(lines)
    assert shown == text.strip() or shown.endswith("…")
    assert text.startswith(lines[0].rstrip("…") if lines else "")
