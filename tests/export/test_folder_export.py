"""Folders of links: a row is complete, in order, and true again after a move or a loss."""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from mico_150k.builders.ai_toolkit import AiToolkitTrainer

from mico_150k.core.errors import BrokenFile, OutputRefused, OutsideRoot
from mico_150k.core.trainer import Exported, FolderTrainer, RowFolders
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export import folder_export
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import relocate, run_export

from ..factories import Case
from ..folders import contents


class OneEnding(FolderTrainer):
    """A trainer that looks for inputs by the target's whole name."""

    name = title = url = "one-ending"
    steps = ()
    one_ending = True

    def caption(self, instruction: str) -> str:
        """Return the text with a word before it."""
        return f"do: {instruction}"

    def files(self, exported: Exported) -> dict[str, str]:
        """Return one that names the folders."""
        return {"folders.json": json.dumps([folders.target for folders in self.folders(exported)])}


def export(
    dataset: Path, to: Path, trainer: FolderTrainer | None = None, *,
    images: Path | None = None, limit: int | None = None, overwrite: bool = False,
) -> Exported:  # fmt: skip
    options = ExportOptions(Selection(limit=limit), images=images)
    job = ExportJob.prepare(open_dataset(dataset), trainer or OneEnding(), to, options)
    return run_export(job, overwrite=overwrite)


@pytest.fixture(scope="module")
def made(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export, never changed."""
    return Path(export(dataset, tmp_path_factory.mktemp("an export") / "here").root)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it, told that it lies here."""
    to = shutil.copytree(made, tmp_path / "out", symlinks=True)
    relocate(to, OneEnding())
    return to


def rows(folder: Path) -> dict[str, tuple[str, list[bytes], bytes]]:
    """Each row by its name as a trainer finds it: caption, inputs and target."""
    found = {}
    for place in (folder / "rows").glob("inputs-*"):
        folders = sorted(place.glob("input-*"))
        assert len(folders) == int(place.name.removeprefix("inputs-"))
        names = [sorted(os.listdir(each)) for each in folders]
        targets = sorted(path for path in (place / "target").iterdir() if path.suffix != ".txt")
        assert names == [[path.name for path in targets]] * len(folders)
        for target in targets:
            inputs = [(each / target.name).read_bytes() for each in folders]
            caption = target.with_suffix(".txt").read_bytes().decode()
            found[target.stem] = (caption, inputs, target.read_bytes())
    return found


def test_every_row_has_its_caption_and_its_images_in_order(made: Path, samples: list[Case]) -> None:
    found = rows(made)
    expected = {sample.output: sample for sample in samples}
    assert sorted(found) == [f"{number:06d}" for number in range(1, len(samples) + 1)]
    for caption, inputs, target in found.values():
        sample = expected.pop(target)
        assert caption == f"do: {sample.instruction}"
        assert len(inputs) == len(sample.inputs)
        for data, wanted in zip(inputs, sample.inputs, strict=True):
            # An unusual image was re-encoded, and has other bytes; then it is in no other place.
            assert data == wanted or wanted not in inputs
    assert not expected


def test_a_row_is_named_by_its_line(made: Path) -> None:
    lines = [json.loads(line) for line in (made / "rows.jsonl").read_text().splitlines()]
    for name, (caption, inputs, _) in rows(made).items():
        line = lines[int(name) - 1]
        assert caption == f"do: {line['caption']}"
        assert inputs == [Path(path).read_bytes() for path in line["inputs"]]


def test_links_are_relative_and_short_enough_for_their_folder_s_entry(made: Path) -> None:
    links = [os.readlink(path) for path in (made / "rows").rglob("*.*") if path.is_symlink()]
    assert links
    assert all(link.startswith("../../../images/") and len(link) < 60 for link in links)


def test_images_keep_their_endings_unless_the_trainer_wants_one(
    dataset: Path, tmp_path: Path
) -> None:
    own = Path(export(dataset, tmp_path / "own", AiToolkitTrainer()).root)
    links = [path for path in (own / "rows").rglob("*.*") if path.is_symlink()]
    assert {path.suffix for path in links} >= {".jpg", ".png"}
    assert all(path.suffix == Path(os.readlink(path)).suffix for path in links)


def test_rows_with_one_number_of_inputs_share_folders(made: Path, samples: list[Case]) -> None:
    exported = json.loads((made / "export.json").read_text())
    counts = {str(len(sample.inputs)) for sample in samples}
    assert set(exported["measured"]["rows"]) == counts
    assert len(counts) > 2
    for inputs, number in exported["measured"]["rows"].items():
        target = Path(RowFolders.at(str(made), int(inputs)).target)
        assert len(list(target.glob("*.txt"))) == number


def lose(path: Path) -> None:
    path.unlink()


def lead_elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def write_over(path: Path) -> None:
    path.unlink()
    path.write_text("another")


@pytest.mark.parametrize("name", ["target/*.txt", "target/*.png", "input-2/*.*"])
@pytest.mark.parametrize("change", [lose, lead_elsewhere, write_over])
def test_what_is_changed_by_hand_is_found_and_made_again(
    folder: Path, dataset: Path, name: str, change: Any
) -> None:
    before = contents(folder)
    lost = min((folder / "rows/inputs-2").glob(name))
    change(lost)
    exported = export(dataset, folder)
    assert contents(folder) == before
    assert lost.is_symlink() == (lost.suffix != ".txt")
    assert exported.root == str(folder)


def test_what_a_trainer_has_put_beside_its_images_stays(folder: Path, dataset: Path) -> None:
    cache = folder / "rows/inputs-2/target/_latent_cache/000001_x.safetensors"
    cache.parent.mkdir()
    cache.write_text("a cache")
    min((folder / "rows/inputs-2/input-1").iterdir()).unlink()
    export(dataset, folder)
    assert cache.read_text() == "a cache"
    # It belongs to the rows, and goes with them.
    export(dataset, folder, limit=3, overwrite=True)
    assert not cache.exists()
    assert len(rows(folder)) == 3


def test_a_moved_export_keeps_its_links_and_one_with_shared_images_gets_new_ones(
    dataset: Path, tmp_path: Path
) -> None:
    exported = export(dataset, tmp_path / "own")
    before = rows(tmp_path / "own")
    moved = (tmp_path / "own").rename(tmp_path / "moved")
    assert rows(moved) == before
    again = relocate(moved, OneEnding())
    assert again.token == exported.token
    export(dataset, tmp_path / "shared", images=tmp_path / "images")
    assert rows(tmp_path / "shared") == before
    deeper = tmp_path / "further" / "down"
    deeper.parent.mkdir()
    (tmp_path / "shared").rename(deeper)
    relocate(deeper, OneEnding())
    assert rows(deeper) == before
    images = (tmp_path / "images").rename(tmp_path / "further" / "elsewhere")
    relocate(deeper, OneEnding(), images)
    assert rows(deeper) == before
    assert json.loads((deeper / "folders.json").read_text())[0].startswith(str(deeper))


def test_a_link_to_the_folder_changes_no_link(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far/away")
    export(dataset, tmp_path / "near/out", images=tmp_path / "images")
    assert rows(tmp_path / "near/out") == rows(tmp_path / "far/away/out")


@pytest.mark.parametrize("stop_at", [1, 8, 60])
def test_an_export_that_is_stopped_at_a_link_resumes(
    dataset: Path, made: Path, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, count = folder_export._Entry.make, 0

    def stop(self: folder_export._Entry) -> None:
        nonlocal count
        count += 1
        if count > stop_at:
            if self.caption:
                self.path.write_bytes(self.caption[:3])
            raise KeyboardInterrupt
        make(self)

    monkeypatch.setattr(folder_export._Entry, "make", stop)
    with pytest.raises(KeyboardInterrupt):
        export(dataset, tmp_path / "out")
    assert not (tmp_path / "out/train.sh").exists()
    assert not (tmp_path / "out/export.json").exists()
    monkeypatch.undo()
    export(dataset, tmp_path / "out")
    assert rows(tmp_path / "out") == rows(made)


def test_rows_that_are_somebody_s_stay(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", limit=3)
    shutil.rmtree(tmp_path / "out/rows")
    (tmp_path / "out/rows").mkdir()
    (tmp_path / "out/rows/mine").write_text("mine")
    for again in ({}, {"limit": 3}):
        with pytest.raises(OutputRefused, match="files that no export has written"):
            export(dataset, tmp_path / "out", overwrite=True, **again)
    assert (tmp_path / "out/rows/mine").read_text() == "mine"


def test_no_link_is_made_outside_of_the_export(folder: Path, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    shutil.rmtree(folder / "rows/inputs-2/input-1")
    (folder / "rows/inputs-2/input-1").symlink_to(tmp_path / "else")
    with pytest.raises(OutsideRoot, match="input-1 is a link that leads out"):
        export(dataset, folder)
    assert not list((tmp_path / "else").iterdir())


def changed(lines: list[str], **values: object) -> Iterable[str]:
    first = json.loads(lines[0])
    yield json.dumps({**first, **values})
    yield from lines[1:]


@pytest.mark.parametrize(
    "values",
    [
        {"target": "/etc/hostname"},
        {"target": "images/../../secret.png"},
        {"inputs": "all"},
        {"inputs": [None]},
        {"caption": 3},
    ],
)
def test_no_link_leads_where_a_stranger_s_records_say(
    folder: Path, tmp_path: Path, values: dict[str, object]
) -> None:
    records = folder / "rows.jsonl"
    records.write_text("\n".join(changed(records.read_text().splitlines(), **values)) + "\n")
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(BrokenFile, match=r"rows\.jsonl, line 1: not a row"):
        relocate(moved, OneEnding())
