"""A folder that work claims: whose it is, whether it is finished, and how it is overwritten."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from mico_150k.core.errors import OutputRefused
from mico_150k.io.files import read_json, write_json
from mico_150k.io.workspace import ClaimedFolder, Identity


@dataclass(frozen=True, slots=True)
class Pages(ClaimedFolder):
    """A folder of pages, which `done.json` says to be finished."""

    KIND: ClassVar[str] = "book"
    COMMAND: ClassVar[str] = "mico test"
    OPTION: ClassVar[str] = "--out"
    WORK: ClassVar[str] = ".pages"
    STAYS: ClassVar[frozenset[str]] = frozenset({"images"})

    def finished(self, wanted: Identity) -> Identity:  # noqa: ARG002 - all of it is known
        return read_json(self.folder / "done.json")

    def written(self) -> Iterator[Path]:
        yield from self.folder.glob("*.page")
        yield self.folder / "done.json"


def write(pages: Pages, identity: Identity, *, overwrite: bool = False) -> bool:
    """Do the work unless it is finished; whether it was done."""
    with pages.held():
        if not overwrite and pages.holds(identity):
            return False
        pages.begin(identity, overwrite=overwrite)
        (pages.folder / "1.page").write_text(str(identity))
        write_json(pages.folder / "done.json", identity)
        pages.remove_work()
    return True


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_work_is_done_once_and_leaves_its_files_alone(tmp_path: Path) -> None:
    pages = Pages(tmp_path / "out")
    assert write(pages, {"seed": 1})
    assert not write(pages, {"seed": 1})
    assert names(pages.folder) == ["1.page", "done.json"]


def test_work_that_was_stopped_goes_on_and_other_work_is_told_what_differs(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    with pages.held():
        assert not pages.holds({"seed": 1, "max_inputs": 3})
        pages.begin({"seed": 1, "max_inputs": 3})
    with pytest.raises(OutputRefused, match="another book; what differs is max inputs, seed"):
        write(pages, {"seed": 2})
    assert write(pages, {"seed": 1, "max_inputs": 3})


def test_what_somebody_else_has_there_is_no_work_and_what_may_stay_does_not_count(
    tmp_path: Path,
) -> None:
    pages = Pages(tmp_path)
    (tmp_path / "images").mkdir()
    assert not pages.holds({"seed": 1})
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(OutputRefused, match="not a folder that `mico test` has begun") as error:
        write(pages, {"seed": 1})
    assert names(tmp_path) == ["images", "thesis.tex"]
    assert str(error.value).endswith("Nothing in it was changed. Choose another folder with --out.")
    (tmp_path / ".git").mkdir()
    with pytest.raises(OutputRefused, match="is a git clone, and not a folder"):
        write(pages, {"seed": 1})


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_overwriting_that_is_stopped_is_nobodys_and_can_be_done_again(
    tmp_path: Path, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = Pages(tmp_path)
    write(pages, {"seed": 1})
    unlink, left = Path.unlink, [removed]

    def stop(path: Path, *, missing_ok: bool = False) -> None:
        if path.suffix in {".page", ".json"} and not left[0]:
            raise KeyboardInterrupt
        left[0] -= path.suffix in {".page", ".json"}
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            write(pages, {"seed": 2}, overwrite=True)
    for seed in (1, 2):
        with pytest.raises(OutputRefused, match="--overwrite it again"):
            write(pages, {"seed": seed})
    assert write(pages, {"seed": 2}, overwrite=True)
    assert not write(pages, {"seed": 2})
    assert names(tmp_path) == ["1.page", "done.json"]
