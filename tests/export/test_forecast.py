"""What an export will take is said before it is written, near enough to rest on."""

from pathlib import Path

import pytest
from mico_150k.builders import TRAINERS, get_trainer

from mico_150k.core.errors import DiskTooSmall, UsageError
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import run_export

from ..web import serve


def told(
    source: Path | str, trainer: str, to: Path | None, options: ExportOptions
) -> ExportForecast:
    """Export, and what was said before."""
    said: list[ExportForecast] = []
    own = {"ranks": 1} if trainer == "bagel" else {}  # so that no row group is split
    job = ExportJob.prepare(open_dataset(source), get_trainer(trainer, **own), to, options)
    run_export(job, on_forecast=said.append)
    (forecast,) = said
    return forecast


def size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def test_images_are_forecast_and_what_is_there_is_not_written_again(
    dataset: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    options = ExportOptions(images=images)
    first = told(dataset, "dimoo", tmp_path / "one", options)
    assert first.written == pytest.approx(size(images, "*.[!t]*"), rel=0.3)
    assert first.fetched == 0
    assert told(dataset, "dimoo", tmp_path / "two", options).written == 0


def test_what_is_fetched_is_forecast(dataset: Path, tmp_path: Path) -> None:
    with serve(dataset.parent) as web:
        forecast = told(f"{web.address}/{dataset.name}", "dimoo", tmp_path / "out", ExportOptions())
        sent = sum(size for name, size in web.sent.items() if "/default/" in name)
    assert forecast.fetched == pytest.approx(sent, rel=0.3)


def test_links_take_no_room_and_chosen_rows_do(dataset: Path, tmp_path: Path) -> None:
    assert told(dataset, "bagel", tmp_path / "linked", ExportOptions()).written == 0
    chosen = ExportOptions(Selection(where="task = 'hoi'"))
    forecast = told(dataset, "bagel", tmp_path / "chosen", chosen)
    assert forecast.written == pytest.approx(size(tmp_path / "chosen", "*.parquet"), rel=0.5)


@pytest.mark.parametrize("trainer", ["bagel", "dimoo"])
def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    dataset: Path, tmp_path: Path, trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.export.forecast.free_space", lambda _: 1000)
    options = ExportOptions(Selection(where="task = 'hoi'"))
    job = ExportJob.prepare(open_dataset(dataset), TRAINERS[trainer], tmp_path / "out", options)
    with pytest.raises(DiskTooSmall, match=r"Choose fewer rows with --where"):
        run_export(job)
    assert not (tmp_path / "out").exists()


def test_readers_that_a_trainer_has_no_use_for_are_refused(dataset: Path, tmp_path: Path) -> None:
    for trainer, options in (
        ("dimoo", {"ranks": 8}),
        ("omnigen2", {"num_workers": 2}),
        ("bagel", {"num_workers": 2}),
    ):
        with pytest.raises(UsageError, match="ranks|num_workers"):
            get_trainer(trainer, **options)
    options = ExportOptions(images=tmp_path / "images")
    with pytest.raises(UsageError, match="--images"):
        ExportJob.prepare(open_dataset(dataset), TRAINERS["bagel"], tmp_path / "out", options)
