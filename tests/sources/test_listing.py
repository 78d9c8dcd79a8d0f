"""What lies in a folder is a source's, once, or is named: nothing is passed over without a word."""

import os
import shutil
from pathlib import Path

import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import PathOutsideSource, SourceError, UsageError
from mico_150k.dataset import layout
from mico_150k.sources import ReadOptions, Source, open_source

from ..factories import cases, write_json, write_release
from ..killing import interrupt_after

TASKS = ["Decompose&Recompose", "Human-centric", "HumanObjectInteraction", "Object_Centric"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_release(tmp_path / "r", cases(2))


def files(location: Path, reading: ReadOptions | None = None) -> list[str]:
    return [file.name for file in open_source(str(location), reading).files]


def move(folder: Path, place: Path) -> None:
    """The folder elsewhere, with a link to it where it was."""
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    folder.symlink_to(place)


@pytest.mark.parametrize("store", [".store", ".store/hoi/deep"])
def test_a_link_to_a_folder_is_followed(folder: Path, store: str) -> None:
    before = files(folder)
    move(folder / "HumanObjectInteraction", folder / store)
    assert files(folder) == before


def test_a_folder_that_has_a_name_of_its_own_is_read_by_it_and_once(folder: Path) -> None:
    before = files(folder)
    (folder / "again").symlink_to(folder / "Object_Centric")
    (folder / "Object_Centric" / "up").symlink_to("..")
    (folder / "Object_Centric" / "here").symlink_to(".")
    assert files(folder) == before


def test_a_link_out_of_the_source_is_refused_unless_it_is_allowed_or_excluded(
    folder: Path, tmp_path: Path
) -> None:
    before = files(folder)
    move(folder / "Object_Centric", tmp_path / "elsewhere")
    with pytest.raises(PathOutsideSource) as error:
        files(folder)
    assert str(error.value).startswith(f"Object_Centric is a link that leads out of {folder}")
    assert "--allow-outside" in str(error.value)
    assert files(folder, ReadOptions(allow_outside=True)) == before
    for pattern in ("Object_Centric", "Object_Centric/*"):
        assert files(folder, ReadOptions(exclude=(pattern,))) == before[:-1]


def test_links_that_lead_in_circles_outside_end(folder: Path, tmp_path: Path) -> None:
    (folder / "up").symlink_to(tmp_path)
    assert len(files(folder, ReadOptions(allow_outside=True))) == len(TASKS)


def test_a_link_that_leads_nowhere_is_named(folder: Path) -> None:
    (folder / "Human-centric" / "z.parquet").symlink_to("nowhere")
    with pytest.raises(
        SourceError, match="Human-centric/z.parquet: cannot be opened: No such file"
    ):
        files(folder)
    kept = files(folder, ReadOptions(exclude=("Human-centric/z.parquet",)))
    assert len(kept) == len(TASKS)


def test_a_folder_that_may_not_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def forbidden(path: str) -> object:
        if str(path).endswith("Human-centric"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", forbidden)
    with pytest.raises(SourceError, match="Human-centric: cannot be read: Permission denied"):
        files(folder)
    assert len(files(folder, ReadOptions(exclude=("Human-centric",)))) == len(TASKS) - 1


def build(source: Source, out: Path) -> None:
    Build.prepare(source, out, BuildOptions(configs=("blip3o",), shard_bytes=100_000)).run()


def test_a_build_that_wrote_into_its_source_is_no_part_of_it(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = files(folder)
    assert not caplog.records
    build(open_source(str(folder)), folder / "mico-150k")
    assert files(folder) == before
    assert caplog.messages == ["mico-150k/ is a dataset folder of `mico build`: skipped"]
    build(open_source(str(folder)), folder / "mico-150k")


def test_a_build_under_way_within_its_source_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    interrupt_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        build(open_source(str(folder)), folder / "out" / "mico-150k")
    monkeypatch.undo()
    with pytest.raises(UsageError, match="is a dataset, and"):
        open_source(str(folder / "out" / "mico-150k"))
    build(open_source(str(folder)), folder / "out" / "mico-150k")
    assert "out/mico-150k/ is a dataset folder" in caplog.text


def test_a_dataset_folder_that_lies_elsewhere_is_no_part_either(
    folder: Path, tmp_path: Path
) -> None:
    before = files(folder)
    build(open_source(str(folder)), tmp_path / "disk" / "mico-150k")
    (folder / "mico-150k").symlink_to(tmp_path / "disk" / "mico-150k")
    assert files(folder) == before


def test_somebodys_manifest_makes_no_dataset_folder(folder: Path) -> None:
    before = files(folder)
    write_json(folder / "Object_Centric" / layout.MANIFEST, [{"format": "of my own"}])
    assert files(folder) == before


def test_a_pattern_that_excludes_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="--exclude 'notse/\\*' matches no file"):
        files(folder, ReadOptions(exclude=("Object_Centric/*", "notse/*")))
    (folder / ".git").mkdir()
    assert len(files(folder, ReadOptions(exclude=(".git/*", "Object_Centric")))) == len(TASKS) - 1


def test_a_name_with_a_bracket_can_be_excluded_as_it_is(folder: Path) -> None:
    shutil.copy(folder / "Object_Centric" / "part-0.parquet", folder / "old [1].parquet")
    assert len(files(folder, ReadOptions(exclude=("old [1].parquet",)))) == len(TASKS)
