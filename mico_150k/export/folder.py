"""An export's folder: whose it is, what of it is finished, and that it is complete at the end."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mico_150k.errors import NotAnExport, OutputRefused
from mico_150k.export.trainer import LAUNCH, Exported
from mico_150k.files import read_json, write_atomically, write_json

EXPORT = "export.json"
"""What an export is and holds; written last."""
START = "START.md"
IMAGES = "images"
_WORK = ".export"
_FORMAT = "mico-150k-export/1"


@dataclass(frozen=True, slots=True)
class ExportFolder:
    """The folder that an export is written to. `.export/` in it holds what is under way."""

    path: Path

    @property
    def work(self) -> Path:
        """The folder of what is not finished."""
        return self.path / _WORK

    def part(self, name: str) -> Path:
        """Where the finished part of one shard lies until the end."""
        return self.work / "parts" / name

    def claim(self, identity: Mapping[str, Any], *, overwrite: bool) -> Exported | None:
        """Make the folder this export's; what was exported where this is finished already.

        Raises `OutputRefused` where it holds something else.
        """
        begun = read_json(self.work / "identity.json")
        present = begun or read_json(self.path / EXPORT).get("identity")
        if present == identity and not overwrite:
            return None if begun else self.exported
        if present or self._holds_anything():
            if not overwrite:
                held = "another export" if present else "files that no export has written"
                msg = (
                    f"{self.path} holds {held}.\n"
                    "Choose another folder with --to, or replace what an export has written in "
                    "this one with --overwrite; images stay, and are used again."
                )
                raise OutputRefused(msg)
            (self.path / EXPORT).unlink(missing_ok=True)
            shutil.rmtree(self.work, ignore_errors=True)
        write_json(self.work / "identity.json", dict(identity))
        return None

    @property
    def exported(self) -> Exported:
        """The finished export in the folder. Raises `NotAnExport`."""
        found = read_json(self.path / EXPORT)
        if found.pop("format", None) != _FORMAT:
            msg = f"{self.path}: no {EXPORT} of a finished export in it."
            raise NotAnExport(msg)
        return Exported(**found)

    def finish(self, exported: Exported, files: Mapping[str, str]) -> None:
        """Write the small files, and last that the export is finished."""
        for name, text in files.items():
            write_atomically(self.path / name, text.encode())
        launch = self.path / LAUNCH
        if launch.exists():
            launch.chmod(0o755)
        write_json(self.path / EXPORT, {"format": _FORMAT, **asdict(exported)})
        shutil.rmtree(self.work, ignore_errors=True)

    def _holds_anything(self) -> bool:
        there = self.path.iterdir() if self.path.exists() else ()
        return any(path.name not in {_WORK, IMAGES} for path in there)
