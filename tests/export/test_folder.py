"""An export's folder: where none may be, and what of an old one is gone when it is replaced."""

from pathlib import Path

import pytest
from mico_150k.builders import TRAINERS

from mico_150k.core.errors import NotAnExport, OutputRefused
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import relocate, run_export


def export(trainer: str, dataset: Path, to: Path, *, overwrite: bool = False, limit: int) -> None:
    options = ExportOptions(Selection(limit=limit))
    job = ExportJob.prepare(open_dataset(dataset), TRAINERS[trainer], to, options)
    run_export(job, overwrite=overwrite)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("place", [".", "bagel", "default/out", "new"])
def test_no_export_goes_into_a_dataset_folder(dataset: Path, place: str) -> None:
    before = sorted(dataset.rglob("*"))
    with pytest.raises(OutputRefused, match="is inside the dataset folder .* with --out"):
        export("bagel", dataset, dataset / place, limit=3)
    with pytest.raises(OutputRefused, match="is inside the dataset folder .* with --images"):
        ExportJob.prepare(
            open_dataset(dataset), TRAINERS["dimoo"], dataset.parent / "out",
            ExportOptions(images=dataset / place),
        )  # fmt: skip
    assert sorted(dataset.rglob("*")) == before


def test_a_link_to_a_dataset_folder_is_one_as_well(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(dataset)
    with pytest.raises(OutputRefused, match="is inside the dataset folder"):
        export("bagel", dataset, tmp_path / "link" / "bagel", limit=3)


def test_a_file_in_the_way_is_named(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    for place in ("notes", "notes/below"):
        with pytest.raises(OutputRefused, match=r"notes is not a folder.*--out"):
            export("dimoo", dataset, tmp_path / place, limit=3)
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize("place", ["~", "~/out"])
def test_a_home_folder_that_the_shell_has_not_put_in_is_no_folder_of_that_name(
    dataset: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputRefused, match="the shell has not expanded ~"):
        export("dimoo", dataset, Path(place), limit=3)
    assert not list(tmp_path.iterdir())


def test_an_export_that_is_replaced_leaves_nothing_but_images_and_what_is_not_its(
    dataset: Path, tmp_path: Path
) -> None:
    to = tmp_path / "out"
    export("bagel", dataset, to, limit=24)
    (to / "notes.txt").write_text("mine")
    assert "train-00000.parquet" in names(to)
    export("dimoo", dataset, to, overwrite=True, limit=3)
    small = {"train.sh", "START.md", "export.json", "notes.txt"}
    assert names(to) == {*small, "images", "dimoo-mico.json"}
    export("omnigen2", dataset, to, overwrite=True, limit=3)
    assert names(to) == {*small, "images", "omnigen2-mico.jsonl", "omnigen2-mico.yml"}
    assert any((dataset / "bagel").glob("*.parquet")), "a link is removed, and not what it is to"


def test_an_export_that_lacks_a_file_is_made_whole(dataset: Path, tmp_path: Path) -> None:
    export("dimoo", dataset, tmp_path / "out", limit=5)
    image = next(path for path in (tmp_path / "out/images").rglob("*.png") if path.is_file())
    for lost in (tmp_path / "out/dimoo-mico.json", image):
        before = lost.read_bytes()
        lost.unlink()
        export("dimoo", dataset, tmp_path / "out", limit=5)
        assert lost.read_bytes() == before
    export("bagel", dataset, tmp_path / "bagel", limit=5)
    shard = tmp_path / "bagel/train-00000.parquet"
    shard.write_bytes(b"cut off")
    export("bagel", dataset, tmp_path / "bagel", limit=5)
    assert shard.read_bytes() != b"cut off"


def test_an_export_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text('{"format": "mico-150k-export/2", "older": 1}')
    with pytest.raises(NotAnExport, match="export again"):
        relocate(tmp_path, TRAINERS["dimoo"])
