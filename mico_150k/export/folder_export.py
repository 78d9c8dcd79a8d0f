"""Exports for trainers that read folders: each row is a caption and links to its images.

    rows.jsonl ──► rows/inputs-2/target/000001.png   ──► ../../../images/ab/<digest>.png
              ├──► rows/inputs-2/target/000001.txt
              ├──► rows/inputs-2/input-1/000001.jpg  ──► …
              └──► rows/inputs-2/input-2/000001.png  ──► …

Rows with the same number of inputs share folders: a trainer ignores a missing input, so image 3
would become image 2. The links are relative, so an export with its own images can be moved. Each
run compares the files with `rows.jsonl` and rewrites those that differ.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mico_150k.core.errors import BrokenFile, OutsideRoot
from mico_150k.core.faults import shown
from mico_150k.core.trainer import ROWS, Exported, FolderTrainer, RowFolders
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.image_export import PathsExport, read_lines
from mico_150k.export.job import ExportJob
from mico_150k.io.files import disk_errors
from mico_150k.io.regular import Root, open_regular

CAPTION = "txt"
"""The file extension of captions."""
FILE_BYTES = 4096
"""Bytes that one caption takes on disk: rounding and the directory entry."""
_IMAGE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}\.(jpg|png|webp)")


class FoldersExport(PathsExport):
    """An export of image files and of folders of links to them."""

    def __init__(self, job: ExportJob, trainer: FolderTrainer) -> None:
        """Keep the job and the trainer; write nothing."""
        super().__init__(job, trainer)
        self._folders = trainer

    def is_whole(self, finished: Exported) -> bool:
        """Whether every image, link and caption still exists as it was written."""
        return super().is_whole(finished) and all(
            entry.is_there() for entry in _entries(finished, self._folders)
        )

    def forecast(self) -> ExportForecast:
        """Estimate the export: a caption is a small file, a link a directory entry."""
        forecast = super().forecast()
        return replace(forecast, written=forecast.written + FILE_BYTES * forecast.rows)

    def run(self) -> Exported:
        """Write the images and the records, then the links and captions of the rows."""
        exported = super().run()
        self._job.folder.claim(ROWS, self._job.identity())
        place_rows(exported, self._folders)
        return exported


def place_rows(exported: Exported, trainer: FolderTrainer) -> None:
    """Create the missing links and captions of an export.

    Raises:
        BrokenFile: A record is damaged.
        NotRegular: A file to read is not a regular file.
        OutputRefused: A path cannot be written.
        OutsideRoot: A folder is a link that leads out of the export.
    """
    root = Root.at(exported.root)
    checked: set[Path] = set()
    is_changed = False
    for entry in _entries(exported, trainer):
        folder = entry.path.parent
        if folder not in checked:
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            if not root.holds(folder):
                msg = f"{folder} is a link that leads out of {exported.root}. Remove it."
                raise OutsideRoot(msg)
            checked.add(folder)
        if not entry.is_there():
            with disk_errors(entry.path):
                entry.make()
            is_changed = True
    if is_changed:
        os.sync()  # one call: a sync for each file would take most of the time


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file of a row: a link to `image`, or a caption."""

    path: Path
    image: str = ""
    caption: bytes = field(default=b"", repr=False)

    def is_there(self) -> bool:
        """Whether the file exists with exactly this content."""
        try:
            if self.image:
                return os.readlink(self.path) == self.image  # noqa: PTH115 - the raw text of the link
            if self.path.is_symlink():
                return False
            with open_regular(self.path) as file:
                return file.read(len(self.caption) + 1) == self.caption
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # not a link
            return False

    def make(self) -> None:
        """Create the file, replacing whatever is at its path."""
        self.path.unlink(missing_ok=True)
        if self.image:
            self.path.symlink_to(self.image)
        else:
            self.path.write_bytes(self.caption)


def _entries(exported: Exported, trainer: FolderTrainer) -> Iterator[_Entry]:
    """Yield every file that the records require. Raises `BrokenFile`."""
    stores: dict[str, str] = {}
    for name, images, caption in _rows(exported, trainer.records):
        folders = RowFolders.at(exported.root, len(images) - 1)
        places = (*folders.inputs, folders.target)
        for folder, image in zip(places, images, strict=True):
            if folder not in stores:
                here = os.path.realpath(folder)
                stores[folder] = os.path.relpath(os.path.realpath(exported.images), here)
            ending = Path(images[-1] if trainer.one_ending else image).suffix
            link = f"{stores[folder]}{image[len(exported.images) :]}"
            yield _Entry(Path(folder, f"{name}{ending}"), link)
        text = trainer.caption(caption).encode()
        yield _Entry(Path(folders.target, f"{name}.{CAPTION}"), caption=text)


def _rows(exported: Exported, records: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield each row's name, its images with the target last, and its text."""
    path = Path(exported.root) / records
    for number, row in enumerate(read_lines(path), 1):
        inputs, caption = row.get("inputs"), row.get("caption")
        images: list[Any] = [*inputs, row.get("target")] if isinstance(inputs, list) else [None]
        if not isinstance(caption, str) or not all(_is_of(exported, image) for image in images):
            msg = f"{path}, line {number}: not a row as an export writes it: {shown(row)}."
            raise BrokenFile(msg)
        yield f"{number:06d}", images, caption


def _is_of(exported: Exported, image: object) -> bool:
    """Whether a path is that of an image in the export's folder of images."""
    folder = f"{exported.images}/"
    return (
        isinstance(image, str)
        and image.startswith(folder)
        and _IMAGE.fullmatch(image[len(folder) :]) is not None
    )
