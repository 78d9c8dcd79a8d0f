"""An export's folder: whose it is, what of it is finished, and that it is complete at the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mico_150k.core.errors import NotAnExport, OutputRefused
from mico_150k.core.trainer import LAUNCH, Exported
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.export.record import are_file_names, parse_exported
from mico_150k.io.files import disk_errors, read_json, write_atomically, write_json
from mico_150k.io.hold import hold
from mico_150k.io.locks import empty
from mico_150k.io.machine import existing
from mico_150k.io.regular import Root

EXPORT = "export.json"
"""What an export is and holds; written last."""
START = "START.md"
IMAGES = "images"
WORK = ".export"
"""The folder, inside an export's, of what is not finished."""
_FORMAT = "mico-150k-export/1"


@dataclass(frozen=True, slots=True)
class ExportFolder:
    """The folder that an export is written to. `.export/` in it holds what is under way."""

    path: Path

    @property
    def work(self) -> Path:
        """The folder of what is not finished."""
        return self.path / WORK

    def part(self, name: str) -> Path:
        """Where the finished part of one shard lies until the end."""
        return self.work / "parts" / name

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep out all else that writes in the folder; what killed runs have left is removed.

        An export in place keeps them out of the whole dataset folder. Raises `OutputRefused`.
        """
        if DatasetFolder.is_built(self.path.parent):
            with hold(self.path.parent, (self.path.name,)):
                yield
        else:
            with hold(self.path, work=WORK, who="`mico export`"):
                yield

    def claim(self, identity: Mapping[str, Any], *, overwrite: bool) -> Exported | None:
        """Ask for the folder; what was exported where this export is finished already.

        Nothing changes before `begin`. Raises `OutputRefused` where it holds something else.
        """
        present = self._begun or read_json(self.path / EXPORT).get("identity")
        if present == identity and not overwrite:
            return None if self._begun else self.exported
        if (present or self._holds_anything()) and not overwrite:
            held = "another export" if present else "files that no export has written"
            msg = (
                f"{self.path} holds {held}.\n"
                "Choose another folder with --to, or replace what an export has written in "
                "this one with --overwrite; images stay, and are used again."
            )
            raise OutputRefused(msg)
        return None

    def begin(self, identity: Mapping[str, Any], *, overwrite: bool) -> None:
        """Make the folder this export's, without the files of another that it overwrites."""
        if overwrite:
            self._clear()
        if self._begun != identity:
            write_json(self.work / "identity.json", dict(identity))

    @property
    def exported(self) -> Exported:
        """The finished export in the folder. Raises `NotAnExport`, `NotRegular`, `OutsideRoot`."""
        try:
            found = read_json(Root.at(self.path).file(EXPORT))
        except OSError:
            found = {}
        if found.pop("format", None) != _FORMAT:
            msg = f"{self.path}: no {EXPORT} of a finished export in it."
            raise NotAnExport(msg)
        return parse_exported(found, self.path)

    def finish(self, exported: Exported, files: Mapping[str, str]) -> Exported:
        """Write the small files, and last that the export is finished; returns what is there."""
        exported = replace(exported, files=sorted({*exported.files, *files}))
        for name, text in files.items():
            write_atomically(self.path / name, text.encode())
        launch = self.path / LAUNCH
        if launch.exists() and not launch.is_symlink():
            launch.chmod(0o755)
        write_json(self.path / EXPORT, {"format": _FORMAT, **asdict(exported)})
        self._remove_work()
        return exported

    @property
    def _begun(self) -> dict[str, Any]:
        """The identity of an export that is not finished."""
        return read_json(self.work / "identity.json")

    def _clear(self) -> None:
        """Remove what another export has written, but for images.

        What says which files those are goes last: stopped in between, it can be done again.
        """
        files = read_json(self.path / EXPORT).get("files", [])
        written = set(files) if are_file_names(files) else set()
        written.update(path.stem for path in (self.work / "parts").glob("*.parquet.json"))
        with disk_errors(self.path):
            for path in self.path.iterdir() if self.path.exists() else ():
                if path.name in written and path.name != EXPORT:
                    if path.is_dir() and not path.is_symlink():
                        continue  # no export has written that
                    path.unlink()
            (self.path / EXPORT).unlink(missing_ok=True)
        self._remove_work()

    def _remove_work(self) -> None:
        empty(self.work)
        with suppress(OSError):  # where no lock is in it: in place
            self.work.rmdir()

    def _holds_anything(self) -> bool:
        there = self.path.iterdir() if self.path.exists() else ()
        return any(path.name not in {WORK, IMAGES} for path in there)


def check_folder(path: Path, option: str) -> None:
    """Raise `OutputRefused` where an export cannot write to a folder, or must not.

    In a dataset folder it could put its own shards in the place of those that it reads.
    """
    if str(path).startswith("~"):
        msg = f"{path}: the shell has left its ~ as it is; write your home folder in {option}."
        raise OutputRefused(msg)
    there = existing(path)
    if not there.is_dir():
        msg = f"{there} is no folder. Choose another place than {path} with {option}."
        raise OutputRefused(msg)
    place = path.resolve()
    for folder in (place, *place.parents):
        if read_json(folder / layout.MANIFEST).get("format") == layout.MANIFEST_FORMAT:
            msg = (
                f"{path} lies in the dataset folder {folder}. "
                f"Choose a place outside of it with {option}."
            )
            raise OutputRefused(msg)
