"""The folder of an export: its identity, its finished parts and its completion."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

from mico_150k.core.errors import NotAnExport, OutputRefused
from mico_150k.core.trainer import LAUNCH, ROWS, Exported
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.formats import is_manifest, other_format, written_by
from mico_150k.export.record import are_file_names, parse_exported
from mico_150k.io.files import read_json, write_atomically, write_json
from mico_150k.io.hold import hold
from mico_150k.io.machine import existing
from mico_150k.io.regular import Root
from mico_150k.io.temporary import partial
from mico_150k.io.workspace import ClaimedFolder, Identity

EXPORT = "export.json"
"""The file that describes a finished export; it is written last."""
START = "START.md"
IMAGES = "images"
PICKLES = "files"
"""The folder inside an export that holds the images' codes."""
MADE_OF = "made-of.json"
"""The file inside such a folder that identifies the export it belongs to."""
WORK = ".export"
"""The folder inside an export that holds unfinished work."""
_FORMAT = "mico-150k-export/2"
"""The format of `export.json`; its number rises by the same rules as `layout.MANIFEST_FORMAT`."""


@dataclass(frozen=True, slots=True)
class ExportFolder(ClaimedFolder):
    """The folder that an export writes to. Its subfolder `.export/` holds unfinished work."""

    KIND: ClassVar[str] = "export"
    ARTICLE: ClassVar[str] = "an"
    COMMAND: ClassVar[str] = "mico export"
    AGAIN: ClassVar[str] = "Export it again"
    OPTION: ClassVar[str] = "--out"
    WORK: ClassVar[str] = WORK
    OVERWRITE: ClassVar[str] = "use --overwrite, which keeps the images"
    STAYS: ClassVar[frozenset[str]] = frozenset({IMAGES})

    def part(self, name: str) -> Path:
        """Where the finished part of one shard is kept until the export completes."""
        return self.work / "parts" / name

    @property
    def below(self) -> tuple[str, ...]:
        """The subfolders, if they exist, whose entire content belongs to the export."""
        return (PICKLES, ROWS)

    def has_claimed(self, name: str, identity: Identity) -> bool:
        """Whether a subfolder belongs to the export with this identity."""
        return read_json(self.folder / name / MADE_OF) == identity

    def claim(self, name: str, identity: Identity) -> None:
        """Mark a subfolder as part of this export, which later removes it with all its content.

        Raises:
            OutputRefused: The subfolder has files that no export has written.
        """
        folder = self.folder / name
        if self.has_claimed(name, identity):
            return
        if folder.is_symlink() or (folder.exists() and any(folder.iterdir())):
            msg = f"{folder} has files that no export has written. Choose another --out."
            raise OutputRefused(msg)
        write_json(folder / MADE_OF, dict(identity))

    @contextmanager
    def held(self, *, shared: bool = False, gently: bool = False) -> Iterator[None]:
        """Lock the folder against other writers, and remove what killed runs have left.

        An export in place locks the whole dataset folder.

        Raises:
            OutputRefused: Another run holds the lock.
        """
        if DatasetFolder.is_built(self.folder.parent):
            with hold(self.folder.parent, (self.folder.name,)):
                yield
        else:
            with ClaimedFolder.held(self, shared=shared, gently=gently):
                yield

    def finished(self, wanted: Identity) -> Identity:  # noqa: ARG002 - the file has the whole identity
        """The identity of the finished export; empty if there is none."""
        found = read_json(self.folder / EXPORT).get("identity")
        return found if isinstance(found, dict) else {}

    def outdated(self, present: Identity, wanted: Identity) -> str:
        """The version that wrote an export that this one cannot use; empty if it can be used."""
        is_other = present.get("version") != wanted.get("version")
        return written_by(dict(present)) if is_other else ""

    def written(self) -> Iterator[Path]:
        """Yield the files that an export has written, except images."""
        files = read_json(self.folder / EXPORT).get("files", [])
        names = set(files) if are_file_names(files) else set()
        names.update(path.stem for path in (self.work / "parts").glob("*.parquet.json"))
        for path in self.folder.iterdir():
            is_folder = path.is_dir() and not path.is_symlink()  # exports write files only
            if path.name in names and path.name != EXPORT and not is_folder:
                yield path
        yield self.folder / EXPORT

    def _clear(self) -> None:
        for folder in (self.folder / name for name in self.below):
            if (folder / MADE_OF).exists():  # atomically: a half-removed folder would have no owner
                folder.replace(partial(folder))
                shutil.rmtree(partial(folder))
        super(ExportFolder, self)._clear()  # with slots, a bare `super()` fails

    @property
    def exported(self) -> Exported:
        """The finished export in the folder.

        Raises:
            NotAnExport: The folder has no finished export, or one of another format.
            NotRegular: `export.json` is not a regular file.
            OutsideRoot: `export.json` is a link that leads out of the folder.
        """
        try:
            found = read_json(Root.at(self.folder).file(EXPORT))
        except OSError:
            found = {}
        named = found.pop("format", None)
        if why := other_format(self.folder, named, found.get("identity"), _FORMAT):
            msg = f"{why}\nExport it again."
            raise NotAnExport(msg)
        if named != _FORMAT:
            msg = f"{self.folder} has no {EXPORT} of a finished export."
            raise NotAnExport(msg)
        return parse_exported(found, self.folder)

    def finish(self, exported: Exported, files: Mapping[str, str]) -> Exported:
        """Write the small files, then mark the export as finished.

        Args:
            exported: The result of the export.
            files: The text of each small file, by name.

        Returns:
            The export with the names of all its files.
        """
        exported = replace(exported, files=sorted({*exported.files, *files}))
        for name, text in files.items():
            write_atomically(self.folder / name, text.encode())
        launch = self.folder / LAUNCH
        if launch.exists() and not launch.is_symlink():
            launch.chmod(0o755)
        write_json(self.folder / EXPORT, {"format": _FORMAT, **asdict(exported)})
        self.remove_work()
        return exported


def check_folder(path: Path, option: str) -> None:
    """Raise `OutputRefused` if an export cannot write to a folder or must not.

    An export must not write inside a dataset folder: it could replace the shards that it reads.
    """
    if str(path).startswith("~"):
        msg = f"{path}: the shell has not expanded ~; write your home folder in {option}."
        raise OutputRefused(msg)
    there = existing(path)
    if not there.is_dir():
        msg = f"{there} is not a folder. Choose another place than {path} with {option}."
        raise OutputRefused(msg)
    place = path.resolve()
    for folder in (place, *place.parents):
        if is_manifest(read_json(folder / layout.MANIFEST)):
            msg = (
                f"{path} is inside the dataset folder {folder}. Choose a place outside of it with "
                f"{option}."
            )
            raise OutputRefused(msg)
